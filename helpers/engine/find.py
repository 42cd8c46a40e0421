"""Which engine is used: the user's own where one answers, else the private one.

The one place with the engine policy. Standard library only, so that `lab` can ask before the
environment exists.
"""

from __future__ import annotations

import atexit
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from helpers.engine import probe
from helpers.engine.engine import Engine
from helpers.engine.private import PrivateEngine
from helpers.errors import EngineUnavailable

FLOOR = 23
BUILDX_FLOOR = (0, 14)
COMPOSE_FLOOR = (2, 0)


@cache
def connect() -> Engine:
    """The engine for this process, found or started once; released when the process ends.

    Raises EngineUnavailable, with the line to type, where there is none to be had.
    """
    found = find_own()
    if found:
        return found
    private = PrivateEngine()
    why_not = private.refusal()
    if why_not:
        raise EngineUnavailable(f"No Docker Engine answers, and {why_not}.", _install_line())
    engine = private.start()
    atexit.register(private.release)
    return engine


def find_own(*, install: bool = True) -> Engine | None:
    """The user's own engine where one answers, else None.

    With an old client beside it, the course's client tools are used, and with `install` fetched
    first. Raises EngineUnavailable when there is an engine that can't be used: too old, without
    BuildKit, stopped, or not allowed to this user.
    """
    private = PrivateEngine()
    explicit = os.environ.get("DOCKER_HOST", "")
    if explicit == private.host:
        return None
    for host in [explicit] if explicit else _candidates():
        try:
            answer = probe.ask(host)
        except PermissionError:
            raise EngineUnavailable(
                f"There is an engine at {host}, but you may not use its socket.",
                "sudo usermod -aG docker $USER   (then log out and in again)") from None
        except OSError:
            continue
        return _usable(host, answer, install)
    if explicit:
        raise EngineUnavailable(f"DOCKER_HOST is {explicit}, and no engine answers there.",
                                "Start that engine, or: unset DOCKER_HOST")
    if Path("/run/systemd/system").is_dir() and _unit_exists():
        raise EngineUnavailable("Docker Engine is installed here, but it is stopped.",
                                "sudo systemctl start docker")
    return None


def _candidates() -> Iterator[str]:
    """Where an engine of the user's may answer, the current Docker context first."""
    if shutil.which("docker"):
        said = subprocess.run(["docker", "context", "inspect"], text=True, capture_output=True,
                              check=False, stdin=subprocess.DEVNULL)
        if said.returncode == 0:
            yield json.loads(said.stdout)[0]["Endpoints"]["docker"]["Host"]
    runtime = os.environ.get("XDG_RUNTIME_DIR", "/run/user/none")
    for path in ("/var/run/docker.sock", f"{runtime}/docker.sock",
                 Path.home() / ".docker/run/docker.sock",
                 Path.home() / ".docker/desktop/docker.sock",
                 f"{runtime}/podman/podman.sock", "/run/podman/podman.sock"):
        if Path(path).exists():
            yield f"unix://{path}"


def _usable(host: str, answer: probe.Answer, install: bool) -> Engine:
    """The engine at `host`, after its version, BuildKit and the client were looked at."""
    if not answer.is_docker or not answer.buildkit:
        raise EngineUnavailable(f"The engine at {host} has no BuildKit (Podman's socket has none).",
                                _install_line())
    major = re.match(r"\d+", answer.version)
    if not major or int(major.group()) < FLOOR:
        raise EngineUnavailable(
            f"The engine at {host} is version {answer.version}; the course needs {FLOOR} or newer.",
            _install_line())
    return Engine(host, "own", answer.version, *find_client(install))


def find_client(install: bool = True) -> tuple[str, dict[str, str]]:
    """Return the docker command for a user's engine, and what its environment needs besides.

    The user's, if it has the plugins that the course needs; else the course's own, unpacked into
    the cache folder (the engine is not changed). Raises EngineUnavailable where neither works.
    """
    docker = shutil.which("docker")
    missing = missing_plugin(docker) if docker else "there is no docker command."
    if docker and missing is None:
        return docker, {}
    private = PrivateEngine()
    if private.refusal() or not (install or private.root.is_dir()):
        raise EngineUnavailable(f"A Docker Engine is running, but the docker command can't be "
                                f"used: {missing}",
                                "Install docker-cli, docker-buildx-plugin and "
                                "docker-compose-plugin, then run this command again.")
    with private.leases.locked():
        if install:
            private.install()
    return private.client()


def missing_plugin(docker: str) -> str | None:
    """Return what this docker command lacks for the course, or None if it has all of it.

    `--progress=rawjson` came with buildx 0.13, the record of a build's lines with 0.14.
    """
    def version(plugin: str) -> tuple[int, int] | None:
        completed = subprocess.run([docker, plugin, "version"], text=True, capture_output=True,
                                   check=False, stdin=subprocess.DEVNULL)
        match = re.search(r"\bv?(\d+)\.(\d+)", completed.stdout)
        return (int(match[1]), int(match[2])) if match and completed.returncode == 0 else None

    buildx, compose = version("buildx"), version("compose")
    if buildx is None or buildx < BUILDX_FLOOR:
        return f"its buildx plugin is {_older_than(buildx, BUILDX_FLOOR)}."
    if compose is None or compose < COMPOSE_FLOOR:
        return f"its Compose plugin is {_older_than(compose, COMPOSE_FLOOR)}."
    return None


def _older_than(version: tuple[int, int] | None, floor: tuple[int, int]) -> str:
    words = "missing" if version is None else "version {}.{}".format(*version)
    return f"{words} (the course needs {floor[0]}.{floor[1]} or newer)"


def _unit_exists() -> bool:
    return any(Path(folder, "docker.service").exists()
               for folder in ("/etc/systemd/system", "/lib/systemd/system"))


def _install_line() -> str:
    if platform.system() in ("Darwin", "Windows"):
        return "Install Docker Desktop and start it, then the same command again."
    return "Install Docker Engine 23 or newer with buildx and Compose v2, then run this again."
