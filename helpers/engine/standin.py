"""The chapters' base image: the real `python:3.13-slim`, or a stand-in if it can't be pulled.

The stand-in is built once from the packages of Debian trixie (whose Python is 3.13), kept as a file
in the cache folder, and marked by a label. On the private engine it also gets the real name; on a
user's engine it never does, and builds find it through a named context.
Source: mmdebstrap(1), docker import, BuildKit's named contexts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from helpers import process
from helpers.engine import probe
from helpers.engine.engine import Engine
from helpers.engine.private import PrivateEngine, as_root
from helpers.errors import CourseError
from helpers.paths import cache_dir
from helpers.setup import packages

REAL = "python:3.13-slim"
STANDIN = "dockercourse/python-standin:3.13"
STANDIN_LABEL = "org.dockercourse.standin"
PULL_SECONDS = 60
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def base_image(engine: Engine) -> str:
    """Return which base image builds on this engine use: "real", "stand-in" or "missing"."""
    real = probe.inspect_image(engine.host, REAL)
    if real:
        return "stand-in" if STANDIN_LABEL in (real["Config"].get("Labels") or {}) else "real"
    if engine.kind == "user" and probe.inspect_image(engine.host, STANDIN):
        return "stand-in"
    return "missing"


def ensure_base_image(engine: Engine, say: Callable[[str], None] = lambda text: None) -> str:
    """Return "real" or "stand-in", after pulling the image or building the stand-in if needed.

    Raises CourseError if neither is possible.
    """
    present = base_image(engine)
    if present != "missing":
        return present
    if engine.kind == "user" or not tarball_path().is_file():
        say(f"pulling {REAL}")
        with suppress(subprocess.TimeoutExpired):
            if engine.run("pull", REAL, timeout=PULL_SECONDS).returncode == 0:
                return "real"
    if not tarball_path().is_file():
        say(f"{REAL} could not be pulled: building a stand-in from Debian packages")
    ensure_tarball()
    load_tarball(engine)
    return "stand-in"


def named_contexts(engine: Engine, dockerfile_text: str) -> list[str]:
    """Return the `--build-context` arguments with which a build finds the stand-in, if needed.

    A stand-in that was removed (`docker system prune -a`) is loaded again first (3 s).
    """
    if REAL.partition(":")[0] not in dockerfile_text or image_for(engine, REAL) == REAL:
        return []
    return ["--build-context", f"{REAL}=docker-image://{STANDIN}"]


def image_for(engine: Engine, image: str) -> str:
    """Return the image to run for `image`: the stand-in for a base image that is not there.

    A stand-in that was removed is loaded again first. If the engine does not answer, return
    `image`: the docker command then reports that.
    """
    if image != REAL:
        return image
    with suppress(OSError):
        if base_image(engine) == "missing" and tarball_path().is_file():
            load_tarball(engine)
        if engine.kind == "user" and not probe.inspect_image(engine.host, REAL):
            return STANDIN if probe.inspect_image(engine.host, STANDIN) else REAL
    return REAL


def tarball_path() -> Path:
    """Return the file in which the stand-in's file system is kept."""
    return cache_dir() / "base" / "python-3.13-standin.tar"


def ensure_tarball() -> None:
    """Build the stand-in's file system unless its file exists. Raises CourseError if that fails."""
    tarball = tarball_path()
    tarball.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(tarball.with_suffix(".lock")):  # two first starts build it once
        if not tarball.is_file():
            build_tarball()


def is_rootless() -> bool:
    """Return whether this user can build the stand-in without root.

    Without newuidmap (package uidmap) a user can't map the user ids of the image's files.
    """
    return os.geteuid() != 0 and shutil.which("newuidmap") is not None


def build_tarball() -> None:
    """Build the stand-in's file system with mmdebstrap. Raises CourseError if that fails."""
    if not packages.os_codename():
        raise CourseError(
            f"The base image {REAL} is missing and could not be pulled.",
            f"Connect to the internet, then run: docker pull {REAL}",
        )
    mmdebstrap = _find_mmdebstrap()
    tarball = tarball_path()
    part = tarball.with_suffix(".part.tar")
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "locale", "man")]
    # The official image has `python`, and a pip that needs no flag; Debian's Python has neither.
    hooks = ['ln -sf python3 "$1/usr/bin/python"', 'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED']
    if Path(CA_BUNDLE).is_file():  # the proxy of a school or company signs with its own certificate
        hooks.append(f'cp {CA_BUNDLE} "$1{CA_BUNDLE}"')
    # mmdebstrap's helper programs are in the same folder.
    path = f"{mmdebstrap.parent}:{os.environ['PATH']}:/usr/sbin:/sbin"
    env = {**os.environ, "PATH": path}
    command = [
        *([] if is_rootless() else as_root(env)),
        str(mmdebstrap),
        "--quiet",
        f"--mode={'unshare' if is_rootless() else 'root'}",
        "--variant=minbase",
        "--include=python3,python3-pip,ca-certificates",
        *excluded,
        '--aptopt=Acquire::Retries "3"',
        *(f"--customize-hook={hook}" for hook in hooks),
        "trixie",
        str(part),
        f"deb [signed-by={packages.KEYRING}] {packages.mirror()} trixie main",
    ]
    try:
        completed = process.run(command, env=env)
        if completed.returncode != 0:
            raise CourseError(
                f"Could not build the stand-in base image: {process.error_line(completed)}",
                "Check your network connection and the free space in the temporary folder.",
            )
        part.rename(tarball)
    finally:
        part.unlink(missing_ok=True)


def _find_mmdebstrap() -> Path:
    """Return mmdebstrap: the system's, the private engine's, or one unpacked now."""
    if installed := shutil.which("mmdebstrap"):
        return Path(installed)
    unpacked = PrivateEngine().root / "usr/bin/mmdebstrap"
    if unpacked.is_file():
        return unpacked
    suite = packages.os_codename()
    root = packages.unpack([f"mmdebstrap/{suite}"], cache_dir() / "mmdebstrap", suites=[suite])
    return root / "usr/bin/mmdebstrap"


def load_tarball(engine: Engine) -> None:
    """Import the stand-in into an engine. Raises CourseError if that fails."""
    # No owner label: every image built on this one would inherit it.
    changes = [
        f'LABEL {STANDIN_LABEL}="{REAL}"',
        'CMD ["python3"]',
        "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "ENV PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1",
    ]
    args = [part for change in changes for part in ("--change", change)]
    completed = engine.run("import", *args, str(tarball_path()), STANDIN, timeout=300)
    if completed.returncode == 0 and engine.kind == "private":
        completed = engine.run("tag", STANDIN, REAL)
    if completed.returncode != 0:
        raise CourseError(
            f"Could not load the base image: {completed.stderr.strip()}",
            "Check the free disk space: python3 -m helpers doctor",
        )
