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
BUILDX_FLOOR = (0, 13)


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


def find_own() -> Engine | None:
    """The user's own engine where one answers, else None.

    Raises EngineUnavailable when there is one that cannot be used: too old, without BuildKit,
    stopped, or not allowed to this user.
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
        return _usable(host, answer)
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


def _usable(host: str, answer: probe.Answer) -> Engine:
    """The engine at `host`, after its version, BuildKit and the two plugins were looked at."""
    if not answer.is_docker or not answer.buildkit:
        raise EngineUnavailable(f"The engine at {host} has no BuildKit (Podman's socket has none).",
                                _install_line())
    major = re.match(r"\d+", answer.version)
    if not major or int(major.group()) < FLOOR:
        raise EngineUnavailable(
            f"The engine at {host} is version {answer.version}; the course needs {FLOOR} or newer.",
            _install_line())
    client, env = _client()
    engine = Engine(host, "own", answer.version, client, env)
    # `--progress=rawjson` came with buildx 0.13; that version's help does not name it.
    buildx = re.search(r"\bv?(\d+)\.(\d+)", engine.run("buildx", "version").stdout)
    if not buildx or (int(buildx[1]), int(buildx[2])) < BUILDX_FLOOR:
        raise EngineUnavailable("The docker command's buildx plugin is missing or older than 0.13.",
                                "Install docker-buildx-plugin (Debian: docker-buildx), then again.")
    if engine.run("compose", "version").returncode != 0:
        raise EngineUnavailable("The docker command's Compose plugin (v2) is missing.",
                                "Install docker-compose-plugin (Debian: docker-compose).")
    return engine


def _client() -> tuple[str, dict[str, str]]:
    """The docker command: the user's; else the private engine's, where that is unpacked."""
    private = PrivateEngine()
    own = shutil.which("docker")
    if own and subprocess.run([own, "buildx", "version"], capture_output=True, check=False,
                              stdin=subprocess.DEVNULL).returncode == 0:
        return own, {}
    unpacked = private.root / "usr/bin/docker"
    if unpacked.is_file() and (private.base / "config/cli-plugins").is_dir():
        return str(unpacked), dict(private.engine("").extra_env)
    if own:
        return own, {}
    raise EngineUnavailable("An engine answers, but there is no docker command.",
                            "Install docker-cli with its buildx and compose plugins.")


def _unit_exists() -> bool:
    return any(Path(folder, "docker.service").exists()
               for folder in ("/etc/systemd/system", "/lib/systemd/system"))


def _install_line() -> str:
    if platform.system() in ("Darwin", "Windows"):
        return "Install Docker Desktop and start it, then the same command again."
    return "Install Docker Engine 23 or newer with buildx and Compose v2, then again."
