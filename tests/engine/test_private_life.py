"""The private engine's life: interrupted, restarted, killed, next to another containerd."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers import process
from helpers.engine import base_image
from helpers.engine.engine import Engine
from helpers.engine.labels import labels
from helpers.engine.private import PrivateEngine, as_root
from helpers.engine.private.life import START_SECONDS
from helpers.paths import CHECKOUT
from helpers.process import wait_until
from tests.conftest import second_engine

pytestmark = pytest.mark.engine

SET_BY_USER = "3"  # NET_ADDR_SET in linux/netdevice.h
# A container that ignores SIGTERM: stopping it takes the engine six seconds.
STUBBORN = [
    "run",
    "-d",
    "--stop-timeout=6",
    "--network=none",
    "python:3.13-slim",
    "sh",
    "-c",
    "trap '' TERM; while true; do sleep 1; done",
]


def prepare(daemon: PrivateEngine) -> Engine:
    """Return the engine of a daemon, with the base image on it."""
    answer = daemon.answer()
    assert answer
    engine = daemon.engine(answer.version)
    base_image.ensure_base_image(engine)
    return engine


def find_leftovers(daemon: PrivateEngine) -> list[str]:
    """Return the command lines and mounts that name an engine's folder."""
    base = str(daemon.base)
    commands = [" ".join(process.command_line(pid)) for pid in process.all_pids()]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    lines = [line.replace("\\040", " ") for line in (*commands, *mounts)]
    return [line for line in lines if base in line and "pytest" not in line]


@pytest.fixture
def daemon(private_engine: Engine, short_tmp: Path) -> Iterator[PrivateEngine]:
    """Yield a second private engine, in a folder with a space in its name."""
    folder = short_tmp / "a b"
    folder.mkdir()
    with second_engine(folder, "classic") as daemon:
        yield daemon


STOPS_THE_ENGINE_AT_EXIT = """
import atexit, sys, time
from pathlib import Path
from helpers.engine.private import PrivateEngine
from helpers.setup import signals

signals.treat_as_ctrl_c()
daemon = PrivateEngine(Path(sys.argv[1]), daemon_args=tuple(sys.argv[2:]))
daemon.leases.take()
atexit.register(daemon.release)
try:
    print("ready", flush=True)
    time.sleep(100)
except KeyboardInterrupt:
    print("stopping", flush=True)
"""


def test_repeated_ctrl_c_lets_stop_finish(daemon: PrivateEngine) -> None:
    engine = prepare(daemon)
    assert engine.run(*STUBBORN).returncode == 0
    child = subprocess.Popen(
        [sys.executable, "-c", STOPS_THE_ENGINE_AT_EXIT, str(daemon.base), *daemon.daemon_args],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert child.stdout and child.stdout.readline() == "ready\n"
    os.killpg(child.pid, signal.SIGINT)
    assert child.stdout.readline() == "stopping\n"
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        time.sleep(1)
        os.killpg(child.pid, number)
    output, _ = child.communicate(timeout=60)
    assert output == "", output
    assert wait_until(lambda: find_leftovers(daemon) == [], 5), find_leftovers(daemon)


def test_ctrl_c_during_start_leaves_nothing(
    daemon: PrivateEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.stop()

    def interrupted(is_true: Callable[[], object], seconds: float) -> bool:
        if seconds == START_SECONDS:
            raise KeyboardInterrupt
        return wait_until(is_true, seconds)

    with monkeypatch.context() as patched:
        patched.setattr("helpers.engine.private.life.wait_until", interrupted)
        with pytest.raises(KeyboardInterrupt):
            daemon.start()
    assert wait_until(lambda: find_leftovers(daemon) == [], 20), find_leftovers(daemon)
    assert daemon.leases.held() == []


def test_start_waits_for_old_daemon(daemon: PrivateEngine) -> None:
    engine = prepare(daemon)
    slow = "trap 'sleep 3; exit 7' TERM; echo ready; while true; do sleep 0.1; done"
    container = engine.run("run", "-d", "--network=none", "python:3.13-slim", "sh", "-c", slow)
    assert container.returncode == 0, container.stderr
    container_id = container.stdout.strip()
    # Until then, process 1 has no handler and ignores SIGTERM.
    assert wait_until(lambda: "ready" in engine.run("logs", container_id).stdout, 20)
    (old,) = daemon.daemons()
    subprocess.run([*as_root(), "kill", "-TERM", str(old)], check=True)
    # It closes its socket at once, but runs until its container has stopped.
    assert wait_until(lambda: daemon.answer() is None, 10) and not process.has_exited(old)
    daemon.launch()
    assert process.has_exited(old)
    (new,) = daemon.daemons()
    assert new != old and daemon.answer() is not None
    code = engine.run("inspect", "-f", "{{.State.ExitCode}}", container_id).stdout.strip()
    assert code == "7", f"exit code {code}: the container had no time to stop"
    daemon.stop()
    assert process.has_exited(new)
    assert wait_until(lambda: find_leftovers(daemon) == [], 5), find_leftovers(daemon)


def test_killed_daemon_leaves_nothing(daemon: PrivateEngine) -> None:
    engine = prepare(daemon)
    run = engine.run("run", "-d", "python:3.13-slim", "sleep", "1000")
    assert run.returncode == 0, run.stderr
    host_pid = engine.run(
        "run",
        "-d",
        "--pid=host",
        "--network=none",
        "python:3.13-slim",
        "sh",
        "-c",
        "sleep 1001 & sleep 1001",
    )
    assert host_pid.returncode == 0, host_pid.stderr
    (pid,) = daemon.daemons()
    subprocess.run([*as_root(), "kill", "-KILL", str(pid)], check=True)
    assert wait_until(lambda: process.has_exited(pid), 10)
    daemon.stop()
    assert find_leftovers(daemon) == []
    assert not [
        pid
        for pid in process.all_pids()
        if process.command_line(pid)[:1] == ["sleep"]
        and process.command_line(pid)[1] in ("1000", "1001")
    ]


def test_system_containerd_is_not_used(private_engine: Engine, short_tmp: Path) -> None:
    """By default, dockerd uses the containerd of another Docker at the default address."""
    address = Path("/run/containerd/containerd.sock")
    assert not address.exists(), "this test needs the default address of containerd"
    env = PrivateEngine().network.env
    system = subprocess.Popen(
        [
            *as_root(env),
            "containerd",
            "--config",
            "/dev/null",
            "--root",
            str(short_tmp / "root"),
            "--state",
            str(short_tmp / "state"),
        ],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def namespaces(socket: Path) -> list[str]:
        return subprocess.run(
            [*as_root(env), "ctr", "--address", str(socket), "namespaces", "list", "-q"],
            env=env,
            text=True,
            capture_output=True,
            check=True,
        ).stdout.split()

    try:
        assert wait_until(address.exists, 20)
        with second_engine(short_tmp, "classic") as daemon:
            engine = prepare(daemon)
            assert (
                engine.run("run", "--rm", "--network=none", "python:3.13-slim", "true").returncode
                == 0
            )
            assert "moby" in namespaces(daemon.containerd)
            assert "moby" not in namespaces(address)
    finally:
        subprocess.run([*as_root(), "kill", str(system.pid)], check=True)
        system.wait(20)
        subprocess.run([*as_root(), "rm", "-f", str(address), f"{address}.ttrpc"], check=True)


def test_bridge_keeps_its_address(private_engine: Engine) -> None:
    """If it changes when a container starts, the connections of other containers stall."""
    bridge = Path("/sys/class/net", PrivateEngine().network.bridge)
    before = (bridge / "address").read_text()
    container = private_engine.client.containers.run(
        "python:3.13-slim", ["sleep", "60"], detach=True, auto_remove=True, labels=labels()
    )
    try:
        assert (bridge / "address").read_text() == before
    finally:
        container.kill()
    assert (bridge / "addr_assign_type").read_text().strip() == SET_BY_USER


def test_build_cache_is_bounded(private_engine: Engine) -> None:
    policies = private_engine.run("buildx", "inspect", "default").stdout
    assert re.search(r"Max Used Space:\s+6GiB", policies), policies


def test_published_ports_stay_on_loopback(engine: Engine, tmp_path: Path) -> None:
    """Check the listening sockets of every kind of network, without connecting to them."""
    name = f"loopback-{os.getpid()}"
    (tmp_path / "compose.yaml").write_text(
        f"name: {name}\nservices:\n  web:\n    image: python:3.13-slim\n    init: true\n"
        "    command: sleep 600\n    ports: ['5000', '0:5001', '5002/udp']\n"
    )
    compose = [
        "compose",
        "--project-directory",
        str(tmp_path),
        "-f",
        str(tmp_path / "compose.yaml"),
    ]
    networks = {f"{name}-v4": [], f"{name}-v6": ["--ipv6"]}
    try:
        ports: set[tuple[str, int]] = set()
        for network, flags in networks.items():
            assert engine.run("network", "create", *flags, network).returncode == 0
        for network in ("bridge", *networks):
            container = engine.run(
                "run",
                "-d",
                "--init",
                "--name",
                f"{name}-on-{network}",
                "--network",
                network,
                "-p",
                "5000",
                "-p",
                "5001/udp",
                "--expose",
                "5002",
                "-P",
                "python:3.13-slim",
                "sleep",
                "600",
            )
            assert container.returncode == 0, container.stderr
            ports |= published(engine, container.stdout.strip(), 3)
        up = engine.run(*compose, "up", "-d")
        assert up.returncode == 0, up.stderr
        ports |= published(engine, f"{name}-web-1", 3)
        assert listening(ports) == {("127.0.0.1", port) for port in ports}
    finally:
        engine.run(*compose, "down")
        engine.run("rm", "-f", *(f"{name}-on-{network}" for network in ("bridge", *networks)))
        engine.run("network", "rm", *networks)


def published(engine: Engine, container: str, count: int) -> set[tuple[str, int]]:
    """Return a container's host ports with their protocol, after checking that each is on 127.0.0.1."""
    lines = engine.run("port", container).stdout.splitlines()
    assert len(lines) == count and all(" -> 127.0.0.1:" in line for line in lines), lines
    return {(line.split("/")[1][:3], int(line.rpartition(":")[2])) for line in lines}


def listening(ports: set[tuple[str, int]]) -> set[tuple[str, tuple[str, int]]]:
    """Return the addresses on which the machine listens at these ports. Source: proc(5), net."""
    addresses = set()
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]:
            address, _, number = line.split()[1].partition(":")
            port = (kind[:3], int(number, 16))
            if port in ports and line.split()[3] in ("0A", "07"):
                plain = ".".join(str(byte) for byte in reversed(bytes.fromhex(address)))
                addresses.add((plain if len(address) == 8 else address, port))
    return addresses
