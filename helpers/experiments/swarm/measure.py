"""Runs Docker Swarm on the private engine, and updates a service while a client uses it.

A user's engine is never put into swarm mode: all functions only say so there.
"""

from __future__ import annotations

import atexit
import json
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from helpers import process
from helpers.engine import base_image
from helpers.engine.engine import Engine
from helpers.engine.find import connect
from helpers.engine.labels import OWNER_LABEL, TRY_LABEL, label_args, labels, owner_id
from helpers.errors import CourseError
from helpers.experiments.swarm.result import LEAST_REQUESTS, NOT_RUN, RollOut
from helpers.paths import cache_dir
from helpers.process import wait_until

Progress = Callable[[str], None] | None

# Swarm creates this bridge itself if it is missing, but then publishes ports on all addresses.
GATEWAY = "docker_gwbridge"
GATEWAY_OPTIONS = (
    "--subnet=172.31.250.0/24",
    f"--opt=com.docker.network.bridge.name={GATEWAY}",
    "--opt=com.docker.network.bridge.enable_icc=false",
    "--opt=com.docker.network.bridge.enable_ip_masquerade=true",
    "--opt=com.docker.network.bridge.host_binding_ipv4=127.0.0.1",
)
NETWORKS_WITHOUT_NAMES = {"bridge", "host", "none", GATEWAY}
INIT = (
    "swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:2377 --data-path-addr 127.0.0.1"
)
SERVICE_LABEL = "com.docker.swarm.service.name"
CLIENT = Path(__file__).with_name("client.py")
# Without a terminal docker prints these again and again instead of updating them.
PROGRESS = re.compile(r"overall progress|verify: Waiting|\d+/\d+:")
COMMAND_SECONDS = 120
TRY_SECONDS = 200  # longer than an exercise is checked
CLIENT_SECONDS = 150
_locks: dict[str, FileLock] = {}  # of the engines that this process has put into swarm mode


def start_swarm(on_progress: Progress = None, engine: Engine | None = None) -> None:
    """Put the private engine into swarm mode, with all its ports on 127.0.0.1.

    On a user's engine, print why not. Raises CourseError if another notebook uses swarm mode.

    Example:
        start_swarm()
    """
    engine = engine or connect()
    print(f"$ docker {INIT}")
    if engine.kind == "user":
        state = " (it is in a swarm already)" if is_in_swarm(engine) else ""
        print(NOT_RUN + state)
        return
    _lock(engine)
    _leave(engine)  # a notebook that was killed
    engine.run("network", "rm", GATEWAY)  # of an earlier swarm, with ports on all addresses
    create = ("network", "create", *label_args(), *GATEWAY_OPTIONS, GATEWAY)
    _check(engine.run(*create).returncode == 0, f"The network {GATEWAY} can't be created.")
    atexit.register(leave_quietly, engine)
    completed = engine.run(*INIT.split())
    _check(completed.returncode == 0, f"Docker says: {process.error_line(completed)}")
    print("This engine is now a single-node swarm.")
    if has_ipvs():
        print("The kernel has IPVS, so services here could also use a virtual IP address.")
    else:
        print("The kernel has no IPVS, so services here need DNS round robin (dnsrr).")


def run_in_swarm(commands: str, on_progress: Progress = None, engine: Engine | None = None) -> None:
    """Run docker commands on the private engine, one a line; on a user's engine, only print them.

    Raises CourseError at the first that fails.

    Example:
        run_in_swarm("docker service ls")
    """
    engine = engine or connect()
    for line in filter(str.strip, commands.splitlines()):
        print(f"$ {line.strip()}")
        if engine.kind == "user":
            print(NOT_RUN)
            return
        _run(line, engine)


def roll_out(
    command: str,
    url: str = "http://web:5000/",
    network: str = "shop_default",
    on_progress: Progress = None,
    engine: Engine | None = None,
) -> RollOut:
    """Run an update command while a client in the service's network sends requests to it.

    The client sends at least 500 requests, one after the other, and each is one attempt. Raises
    CourseError if the update fails or the client can't be started.

    Example:
        roll_out("docker service update --image my-shop:2 shop_web")
    """
    engine = engine or connect()
    print(f"$ {command}")
    if engine.kind == "user":
        return RollOut(ran=False)
    progress = on_progress or (lambda _: None)
    progress("starting the client")
    image = base_image.image_for(engine, base_image.REAL)
    script = ("python", "-c", CLIENT.read_text(encoding="utf-8"))
    client = engine.client.containers.create(
        image,
        [*script, url, str(LEAST_REQUESTS), str(CLIENT_SECONDS)],
        network=network,
        labels=labels(),
    )
    try:
        client.start()
        _check(
            wait_until(lambda: b"started" in client.logs(), 20), "The client did not start in 20 s."
        )
        progress("updating")
        start = time.monotonic()
        completed = _docker(command, engine)
        seconds = time.monotonic() - start
        _check(completed.returncode == 0, f"Docker says: {process.error_line(completed)}")
        progress(f"waiting for {LEAST_REQUESTS} requests")
        client.kill("SIGTERM")
        client.wait(timeout=CLIENT_SECONDS + 10)
        counts = json.loads(client.logs().splitlines()[-1])
    finally:
        client.remove(force=True)
    return RollOut(ran=True, seconds=seconds, **counts)


def kill_replica(
    service: str = "shop_web", on_progress: Progress = None, engine: Engine | None = None
) -> None:
    """Kill one container of a service, and print the seconds until its replacement is healthy.

    Raises CourseError if the service has no running container, or after 60 s.

    Example:
        kill_replica("shop_web")
    """
    engine = engine or connect()
    if engine.kind == "user":
        print(NOT_RUN)
        return
    before = _replicas(engine, service)
    _check(bool(before), f"The service {service!r} has no running container.")
    victim = min(before)
    print(f"$ docker kill {victim}")
    engine.run("kill", victim)
    start = time.monotonic()
    new: set[str] = set()

    def is_replaced() -> bool:
        healthy = _replicas(engine, service, "healthy")
        new.update(healthy - before)
        return len(healthy) == len(before) and victim not in healthy

    _check(wait_until(is_replaced, 60), "No other container took its place within 60 s.")
    print(f"{min(new)} replaced it and was healthy after {time.monotonic() - start:.0f} s")


def leave_swarm(on_progress: Progress = None, engine: Engine | None = None) -> None:
    """Leave swarm mode, which removes all services, and the bridge that was created for it.

    Docker's DNS then no longer knows the names of running containers (moby/moby#45144). It waits
    until no exercise is being checked, and prints how others get their names back.

    Example:
        leave_swarm()
    """
    engine = engine or connect()
    print("$ docker swarm leave --force")
    if engine.kind == "user":
        print(NOT_RUN)
        return
    if on_progress and _list_ids(engine, TRY_LABEL):
        on_progress("waiting for the check of an exercise")
    wait_until(lambda: not _list_ids(engine, TRY_LABEL), TRY_SECONDS)
    _leave(engine)
    if lock := _locks.pop(engine.host, None):
        lock.release()
    print(f"swarm mode: {'on' if is_in_swarm(engine) else 'off'}")
    if names := list_nameless(engine):
        print("Docker's DNS no longer has the names of containers that were running.")
        print(f"To bring them back: docker restart {' '.join(names)}")


def leave_quietly(engine: Engine) -> None:
    """Leave swarm mode when the notebook ends without having done so."""
    if engine.host in _locks:
        _leave(engine)
        _locks.pop(engine.host).release()


def list_nameless(engine: Engine) -> list[str]:
    """Return the running containers that others found by name before the engine left a swarm."""
    running = engine.client.api.containers()
    return sorted(
        each["Names"][0].lstrip("/")
        for each in running
        if set(each["NetworkSettings"]["Networks"]) - NETWORKS_WITHOUT_NAMES
    )


def is_in_swarm(engine: Engine) -> bool:
    """Return whether an engine is in swarm mode."""
    completed = engine.run("info", "--format={{.Swarm.LocalNodeState}}")
    return completed.stdout.strip() not in ("inactive", "")


def has_ipvs() -> bool:
    """Return whether this kernel has IPVS, loaded or as a module."""
    if Path("/proc/net/ip_vs").exists():
        return True
    modprobe = shutil.which("modprobe", path="/usr/sbin:/sbin:/usr/bin:/bin")
    return bool(modprobe) and process.run([modprobe or "", "-n", "-q", "ip_vs"]).returncode == 0


def _lock(engine: Engine) -> None:
    """Reserve swarm mode of this engine for this process, until it leaves or ends."""
    if engine.host in _locks:
        return
    lock = FileLock(cache_dir() / "swarm.lock")
    try:
        lock.acquire(timeout=1)
    except Timeout:
        raise CourseError(
            "Another notebook uses swarm mode on this engine.", "Close it, then run this again."
        ) from None
    _locks[engine.host] = lock


def _leave(engine: Engine) -> None:
    if is_in_swarm(engine):
        engine.run("swarm", "leave", "--force")
        if not wait_until(lambda: not _list_ids(engine, SERVICE_LABEL), 20):
            engine.run("rm", "--force", *_list_ids(engine, SERVICE_LABEL))
    owner = engine.run(
        "network", "inspect", f'--format={{{{index .Labels "{OWNER_LABEL}"}}}}', GATEWAY
    ).stdout.strip()
    if owner == owner_id():
        engine.run("network", "rm", GATEWAY)


def _run(line: str, engine: Engine) -> None:
    completed = _docker(line, engine)
    lines = [text for text in completed.stdout.splitlines() if not PROGRESS.match(text)]
    print("\n".join(lines).strip() or "done")
    _check(completed.returncode == 0, f"Docker says: {process.error_line(completed)}")


def _docker(line: str, engine: Engine) -> subprocess.CompletedProcess[str]:
    words = shlex.split(line)
    try:
        return engine.run(*words[words[:1] == ["docker"] :], timeout=COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        raise CourseError(
            f"Not finished after {COMMAND_SECONDS} s: {line.strip()}",
            "Run the cell with leave_swarm(), then this section again.",
        ) from None


def _replicas(engine: Engine, service: str, health: str = "") -> set[str]:
    """Return the ids of a service's running containers, with this health if one is given."""
    filters = [f"--filter=label={SERVICE_LABEL}={service}"]
    filters += [f"--filter=health={health}"] if health else []
    return set(engine.run("ps", "--quiet", *filters).stdout.split())


def _list_ids(engine: Engine, label: str) -> list[str]:
    """Return the ids of all containers, running or not, that have a label."""
    return engine.run("ps", "--all", "--quiet", f"--filter=label={label}").stdout.split()


def _check(is_ok: bool, message: str) -> None:
    if not is_ok:
        raise CourseError(message, "Run the cell with leave_swarm(), then this section again.")
