"""The engine policy: use the user's engine if one answers, otherwise the private one."""

from __future__ import annotations

import atexit
import json
import os
import platform
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from helpers import process
from helpers.engine import probe
from helpers.engine.engine import Engine
from helpers.engine.private import PrivateEngine
from helpers.errors import EngineUnavailable

FLOOR = 23
# How to install Docker Engine, by the ID of os-release(5). Debian 12's engine is too old.
INSTALL_COMMANDS = {
    "ubuntu": "sudo apt install docker.io docker-buildx docker-compose-v2",
    "trixie": "sudo apt install docker.io docker-cli docker-buildx docker-compose",
    "fedora": "sudo dnf install moby-engine docker-buildx docker-compose && sudo systemctl enable --now docker",
    "arch": "sudo pacman -S docker docker-buildx docker-compose && sudo systemctl enable --now docker",
}


@cache
def connect() -> Engine:
    """Return the engine for this process, starting the private one if there is no other.

    A private engine is released when the process ends. Raises EngineUnavailable, with the next
    step, if there is no engine to use.
    """
    user = find_user_engine()
    if user:
        return user
    private = PrivateEngine()
    reason = private.unavailable_reason()
    if reason:
        raise EngineUnavailable(f"No Docker Engine is running. {reason}", install_hint())
    engine = private.start()
    atexit.register(private.release)
    return engine


def find_user_engine(*, install: bool = True) -> Engine | None:
    """Return the user's engine if one answers, otherwise None.

    If the user's docker command is too old for the course, the engine gets the course's client
    tools, downloaded first with `install`. Raises EngineUnavailable for an engine that can't be
    used: too old, without BuildKit, stopped, or without permission for this user.
    """
    explicit = os.environ.get("DOCKER_HOST", "")
    if explicit == PrivateEngine().host:
        return None
    if explicit and not explicit.startswith(("unix://", "tcp://")):
        raise EngineUnavailable(
            f"DOCKER_HOST is {explicit}, but the course supports only unix:// and tcp:// addresses.",
            "To use an engine on this machine, run: unset DOCKER_HOST",
        )
    for host in [explicit] if explicit else _candidates():
        try:
            answer = probe.ask(host)
        except PermissionError:
            raise EngineUnavailable(
                f"Permission denied on the Docker socket {host}.",
                "Add yourself to the docker group: sudo usermod -aG docker $USER   "
                "(then log out and in again)",
            ) from None
        except OSError:
            continue
        _check(host, answer)
        return Engine(host, "user", answer.version, *find_client(install))
    if explicit:
        raise EngineUnavailable(
            f"DOCKER_HOST is {explicit}, but no engine answers there.",
            "Start that engine, or run: unset DOCKER_HOST",
        )
    if Path("/run/systemd/system").is_dir() and _has_systemd_unit():
        raise EngineUnavailable(
            "Docker Engine is installed but not running.", "Start it: sudo systemctl start docker"
        )
    return None


def _candidates() -> Iterator[str]:
    """Yield the addresses where a user's engine may answer, the current Docker context first."""
    if shutil.which("docker"):
        completed = process.run(["docker", "context", "inspect"])
        if completed.returncode == 0:
            yield json.loads(completed.stdout)[0]["Endpoints"]["docker"]["Host"]
    runtime = os.environ.get("XDG_RUNTIME_DIR", "/run/user/none")
    for path in (
        "/var/run/docker.sock",
        f"{runtime}/docker.sock",
        Path.home() / ".docker/run/docker.sock",
        Path.home() / ".docker/desktop/docker.sock",
        f"{runtime}/podman/podman.sock",
        "/run/podman/podman.sock",
    ):
        if Path(path).exists():
            yield f"unix://{path}"


def _check(host: str, answer: probe.Answer) -> None:
    """Raise EngineUnavailable if the engine at `host` can't run the course."""
    if not answer.has_buildkit:
        problem = "has no BuildKit, which the course needs (Podman has none)"
    elif Engine(host, "user", answer.version).major < FLOOR:
        problem = f"is version {answer.version}; the course needs {FLOOR} or newer"
    else:
        return
    raise EngineUnavailable(f"The engine at {host} {problem}.", install_hint())


def find_client(install: bool = True) -> tuple[str, dict[str, str]]:
    """Return the docker command for a user's engine, and the extra variables it needs.

    This is the user's command if it has the plugins that the course needs, otherwise the one that
    the course unpacks into its cache folder. Raises EngineUnavailable if neither works.
    """
    docker = shutil.which("docker")
    problem = missing_plugin(docker) if docker else "it is not installed."
    if docker and problem is None:
        return docker, {}
    private = PrivateEngine()
    if private.unavailable_reason() or not (install or private.root.is_dir()):
        raise EngineUnavailable(
            f"A Docker Engine is running, but the docker command can't be used: {problem}",
            "Install docker-ce-cli, docker-buildx-plugin and docker-compose-plugin from Docker's "
            "repository (https://docs.docker.com/engine/install/), then run this command again.",
        )
    if install:
        with private.leases.locked():
            private.install()
    return private.client()


def missing_plugin(docker: str) -> str | None:
    """Return which plugin this docker command lacks for the course, or None if it has all.

    `--progress=rawjson` came with buildx 0.13, the source lines in a build's metadata with 0.14.
    """
    for plugin, name, floor in (("buildx", "buildx", (0, 14)), ("compose", "Compose", (2, 0))):
        completed = process.run([docker, plugin, "version"])
        match = re.search(r"\bv?(\d+)\.(\d+)", completed.stdout)
        if completed.returncode != 0 or not match:
            problem = "missing"
        elif (int(match[1]), int(match[2])) < floor:
            problem = f"version {match[0].lstrip('v')}"
        else:
            continue
        return f"its {name} plugin is {problem} (the course needs {floor[0]}.{floor[1]} or newer)."
    return None


def _has_systemd_unit() -> bool:
    folders = ("/etc/systemd/system", "/lib/systemd/system")
    return any(Path(folder, "docker.service").exists() for folder in folders)


def install_hint() -> str:
    """Return how to install Docker Engine on this system."""
    if platform.system() == "Darwin":
        return "Install Docker Desktop and start it, then run this command again."
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    names = [release.get(key, "") for key in ("VERSION_CODENAME", "ID", "ID_LIKE")]
    for name in " ".join(names).split():
        if command := INSTALL_COMMANDS.get(name):
            return f"Install Docker Engine: {command}   (then run this command again)"
    return (
        f"Install Docker Engine {FLOOR} or newer with buildx and Compose v2 "
        "(https://docs.docker.com/engine/install/), then run this command again."
    )
