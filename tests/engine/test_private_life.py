"""The private engine's life: cut short, restarted, killed, beside another containerd."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.engine import processes, standin
from helpers.engine.engine import Engine
from helpers.engine.owner import CHECKOUT
from helpers.engine.private import START_SECONDS, PrivateEngine, as_root, wait_until
from tests.conftest import second_engine

pytestmark = pytest.mark.engine

# A container that does not end at SIGTERM: it takes the engine ten seconds to stop.
STUBBORN = ["run", "-d", "--network=none", "python:3.13-slim", "sh", "-c",
            "trap '' TERM; while true; do sleep 1; done"]


def started(daemon: PrivateEngine) -> Engine:
    """The engine of a daemon, with the base image on it."""
    answer = daemon.answer()
    assert answer
    engine = daemon.engine(answer.version)
    standin.ensure_base_image(engine)
    return engine


def left_of(daemon: PrivateEngine) -> list[str]:
    """The command lines and mounts that name an engine's folder."""
    base = str(daemon.base)
    commands = [" ".join(processes.command_line(pid)) for pid in processes.all_pids()]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found = [line for line in (*commands, *mounts) if base in line.replace("\\040", " ")]
    return [line for line in found if "pytest" not in line]




@pytest.fixture
def daemon(private_engine: Engine, short_tmp: Path) -> Iterator[PrivateEngine]:
    """A second private engine, in a folder with a space in its name."""
    folder = short_tmp / "a b"
    folder.mkdir()
    with second_engine(folder, "classic") as daemon:
        yield daemon


STOPS_AT_ITS_END = """
import atexit, sys, time
from pathlib import Path
from helpers.engine.private import PrivateEngine
from helpers.setup import signals

signals.treat_as_ctrl_c()
daemon = PrivateEngine(Path(sys.argv[1]), daemon_args=tuple(sys.argv[2:]))
daemon.leases.take()
atexit.register(daemon.release)
print("ready", flush=True)
try:
    time.sleep(100)
except KeyboardInterrupt:
    print("stopping", flush=True)
"""


def test_more_ctrl_c_do_not_cut_the_stop_short(daemon: PrivateEngine) -> None:
    engine = started(daemon)
    assert engine.run(*STUBBORN).returncode == 0
    child = subprocess.Popen(
        [sys.executable, "-c", STOPS_AT_ITS_END, str(daemon.base), *daemon.daemon_args],
        cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True)
    assert child.stdout and child.stdout.readline() == "ready\n"
    os.killpg(child.pid, signal.SIGINT)
    assert child.stdout.readline() == "stopping\n"
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        time.sleep(1)
        os.killpg(child.pid, number)
    said, _ = child.communicate(timeout=60)
    assert said == "", said
    assert wait_until(lambda: left_of(daemon) == [], 5), left_of(daemon)


def test_ctrl_c_while_it_starts_leaves_no_engine(
        daemon: PrivateEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon.stop()

    def interrupted(is_true: Callable[[], object], seconds: float) -> bool:
        if seconds == START_SECONDS:
            raise KeyboardInterrupt
        return wait_until(is_true, seconds)

    with monkeypatch.context() as patched:
        patched.setattr("helpers.engine.private.wait_until", interrupted)
        with pytest.raises(KeyboardInterrupt):
            daemon.start()
    assert wait_until(lambda: left_of(daemon) == [], 20), left_of(daemon)
    assert daemon.leases.held() == []


def test_a_start_waits_for_the_old_daemon_and_stop_stops_the_new(daemon: PrivateEngine) -> None:
    engine = started(daemon)
    assert engine.run(*STUBBORN).returncode == 0
    (old,) = daemon._daemons()
    subprocess.run([*as_root({}), "kill", "-TERM", str(old)], check=True)
    # Its socket is closed at once, but it runs on until its container has ended.
    assert wait_until(lambda: daemon.answer() is None, 10) and not processes.has_exited(old)
    daemon._launch()
    assert processes.has_exited(old)
    (new,) = daemon._daemons()
    assert new != old and daemon.answer() is not None
    daemon.stop()
    assert processes.has_exited(new)
    assert wait_until(lambda: left_of(daemon) == [], 5), left_of(daemon)


def test_nothing_is_left_of_a_daemon_that_was_killed(daemon: PrivateEngine) -> None:
    engine = started(daemon)
    run = engine.run("run", "-d", "python:3.13-slim", "sleep", "1000")
    assert run.returncode == 0, run.stderr
    alone = engine.run("run", "-d", "--pid=host", "--network=none", "python:3.13-slim", "sh",
                       "-c", "sleep 1001 & sleep 1001")
    assert alone.returncode == 0, alone.stderr
    (pid,) = daemon._daemons()
    subprocess.run([*as_root({}), "kill", "-KILL", str(pid)], check=True)
    assert wait_until(lambda: processes.has_exited(pid), 10)
    daemon.stop()
    assert left_of(daemon) == []
    assert not [pid for pid in processes.all_pids()
                if processes.command_line(pid)[:1] == ["sleep"]
                and processes.command_line(pid)[1] in ("1000", "1001")]


def test_a_containerd_of_the_system_is_left_alone(private_engine: Engine, short_tmp: Path) -> None:
    """Another Docker's containerd at the default address: dockerd would use it by itself."""
    address = Path("/run/containerd/containerd.sock")
    assert not address.exists(), "this test needs the default address of containerd"
    env = PrivateEngine()._daemon_env()
    system = subprocess.Popen(
        [*as_root(env), "containerd", "--config", "/dev/null", "--root", str(short_tmp / "root"),
         "--state", str(short_tmp / "state")], env=env, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def names(socket: Path) -> list[str]:
        return subprocess.run([*as_root(env), "ctr", "--address", str(socket), "namespaces",
                               "list", "-q"], env=env, text=True, capture_output=True,
                              check=True).stdout.split()

    try:
        assert wait_until(address.exists, 20)
        with second_engine(short_tmp, "classic") as daemon:
            engine = started(daemon)
            assert engine.run("run", "--rm", "--network=none", "python:3.13-slim",
                              "true").returncode == 0
            assert "moby" in names(daemon.containerd)
            assert "moby" not in names(address)
    finally:
        subprocess.run([*as_root({}), "kill", str(system.pid)], check=True)
        system.wait(20)
        subprocess.run([*as_root({}), "rm", "-f", str(address), f"{address}.ttrpc"], check=True)


def test_published_ports_of_every_network_stay_on_loopback(
        engine: Engine, tmp_path: Path) -> None:
    """Read from the listening sockets; nothing connects to them."""
    name = f"loopback-{os.getpid()}"
    (tmp_path / "compose.yaml").write_text(
        f"name: {name}\nservices:\n  web:\n    image: python:3.13-slim\n    init: true\n"
        "    command: sleep 600\n    ports: ['5000', '0:5001', '5002/udp']\n")
    compose = ["compose", "--project-directory", str(tmp_path), "-f",
               str(tmp_path / "compose.yaml")]
    networks = {f"{name}-v4": [], f"{name}-v6": ["--ipv6"]}
    try:
        ports: set[int] = set()
        for network, flags in networks.items():
            assert engine.run("network", "create", *flags, network).returncode == 0
        for network in ("bridge", *networks):
            made = engine.run("run", "-d", "--init", "--name", f"{name}-on-{network}", "--network",
                              network, "-p", "5000", "-p", "5001/udp", "--expose", "5002", "-P",
                              "python:3.13-slim", "sleep", "600")
            assert made.returncode == 0, made.stderr
            ports |= published(engine, made.stdout.strip(), 3)
        up = engine.run(*compose, "up", "-d")
        assert up.returncode == 0, up.stderr
        ports |= published(engine, f"{name}-web-1", 3)
        assert len(ports) == 12
        assert listening(ports) == {("127.0.0.1", port) for port in ports}
    finally:
        engine.run(*compose, "down")
        engine.run("rm", "-f", *(f"{name}-on-{network}" for network in ("bridge", *networks)))
        engine.run("network", "rm", *networks)


def published(engine: Engine, container: str, count: int) -> set[int]:
    """The host ports of a container, each on 127.0.0.1."""
    lines = engine.run("port", container).stdout.splitlines()
    assert len(lines) == count and all(" -> 127.0.0.1:" in line for line in lines), lines
    return {int(line.rpartition(":")[2]) for line in lines}


def listening(ports: set[int]) -> set[tuple[str, int]]:
    """The addresses on which this machine listens at one of the ports. Source: proc(5), net."""
    found = set()
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]:
            address, _, port = line.split()[1].partition(":")
            if int(port, 16) in ports and line.split()[3] in ("0A", "07"):
                plain = ".".join(str(byte) for byte in reversed(bytes.fromhex(address)))
                found.add((plain if len(address) == 8 else address, int(port, 16)))
    return found
