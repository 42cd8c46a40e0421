"""The base image of the chapters: the real `python:3.13-slim`, or a stand-in where it is not to
be had.

The stand-in is made once from Debian trixie's packages (whose Python is 3.13), kept as a file in
the cache, and says in its labels what it is. On the private engine it also takes the real name;
on a user's own engine that name is never taken: builds are told of it by a named context.
Standard library only. Source: mmdebstrap(1), docker import, BuildKit's named contexts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from helpers.engine import probe
from helpers.engine.engine import Engine
from helpers.engine.private import PrivateEngine, as_root
from helpers.errors import CourseError
from helpers.setup import packages
from helpers.setup.console import cache_dir
from helpers.setup.lock import file_lock

REAL = "python:3.13-slim"
STANDIN = "dockercourse/python-standin:3.13"
STANDIN_LABEL = "org.dockercourse.standin"
PULL_SECONDS = 60
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def base_image(engine: Engine) -> str:
    """Return which base image builds on this engine get: "real", "stand-in", or "missing"."""
    real = probe.inspect_image(engine.host, REAL)
    if real:
        return "stand-in" if STANDIN_LABEL in (real["Config"].get("Labels") or {}) else "real"
    if engine.kind == "own" and probe.inspect_image(engine.host, STANDIN):
        return "stand-in"
    return "missing"


def ensure_base_image(engine: Engine, say: Callable[[str], None] = lambda text: None) -> str:
    """Have the base image: present, pulled, or else a stand-in; return "real" or "stand-in".

    Raises CourseError where neither can be had.
    """
    there = base_image(engine)
    if there != "missing":
        return there
    if engine.kind == "own" or not _tarball().is_file():
        say(f"pulling {REAL}")
        try:
            if engine.run("pull", REAL, timeout=PULL_SECONDS).returncode == 0:
                return "real"
        except subprocess.TimeoutExpired:
            pass
    with file_lock(_tarball().with_suffix(".lock")):      # two first starts make it once
        if not _tarball().is_file():
            say(f"{REAL} cannot be pulled: making a stand-in from Debian packages")
            _make_tarball()
    _import(engine)
    return "stand-in"


def named_contexts(engine: Engine, dockerfile_text: str) -> list[str]:
    """Return the `--build-context` arguments by which a build finds the stand-in, if it needs it.

    A stand-in that somebody removed (`docker system prune -a`) is first loaded again (3 s).
    """
    if REAL.partition(":")[0] not in dockerfile_text or image_for(engine, REAL) == REAL:
        return []
    return ["--build-context", f"{REAL}=docker-image://{STANDIN}"]


def image_for(engine: Engine, image: str) -> str:
    """Return the image to run where `image` was asked for: the stand-in where only that is there.

    A stand-in that somebody removed is first loaded again. Of an engine that has stopped, docker
    itself says so.
    """
    if image != REAL:
        return image
    with suppress(OSError):
        if base_image(engine) == "missing" and _tarball().is_file():
            _import(engine)
        if engine.kind == "own" and not probe.inspect_image(engine.host, REAL):
            return STANDIN if probe.inspect_image(engine.host, STANDIN) else REAL
    return REAL


def _tarball() -> Path:
    return cache_dir() / "base" / "python-3.13-standin.tar"


def _make_tarball() -> None:
    if not packages.os_codename():
        raise CourseError(f"The base image {REAL} is not here and cannot be pulled.",
                          f"Connect to the internet, then: docker pull {REAL}")
    tool = shutil.which("mmdebstrap") or str(PrivateEngine().root / "usr/bin/mmdebstrap")
    if not Path(tool).is_file():
        root = packages.unpack([f"mmdebstrap/{packages.os_codename()}"], cache_dir() / "mmdebstrap",
                               suites=[packages.os_codename()])
        tool = str(root / "usr/bin/mmdebstrap")
    target = _tarball()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part.tar")
    left_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "locale", "man")]
    # What the official image has and Debian's Python lacks: `python`, and pip without a flag.
    hooks = ['ln -sf python3 "$1/usr/bin/python"',
             'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED']
    if Path(CA_BUNDLE).is_file():   # a school's or company's proxy signs with its own certificate
        hooks.append(f'cp {CA_BUNDLE} "$1{CA_BUNDLE}"')
    tools = Path(tool).parent      # mmdebstrap's own helpers are beside it
    env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}:/usr/sbin:/sbin"}
    # Without the package uidmap a user cannot map the ids that the image's files have.
    mapped = os.geteuid() != 0 and shutil.which("newuidmap")
    command = [*([] if mapped else as_root(env)), tool, "--quiet",
               f"--mode={'unshare' if mapped else 'root'}", "--variant=minbase",
               "--include=python3,python3-pip,ca-certificates", *left_out,
               '--aptopt=Acquire::Retries "3"',
               *(f"--customize-hook={hook}" for hook in hooks), "trixie", str(part),
               f"deb [signed-by={packages.KEYRING}] {packages.mirror()} trixie main"]
    try:
        done = subprocess.run(command, text=True, capture_output=True, check=False, env=env,
                              stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise CourseError(f"The stand-in base image could not be made: {last}",
                              "Check the network and the space in the temporary folder.")
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)


def _import(engine: Engine) -> None:
    # No owner label: every image built on this one would inherit it.
    changes = [f'LABEL {STANDIN_LABEL}="{REAL}"', 'CMD ["python3"]',
               "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
               "ENV PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1"]
    args = [part for change in changes for part in ("--change", change)]
    done = engine.run("import", *args, str(_tarball()), STANDIN, timeout=300)
    if done.returncode == 0 and engine.kind == "private":
        done = engine.run("tag", STANDIN, REAL)
    if done.returncode != 0:
        raise CourseError(f"The base image could not be loaded: {done.stderr.strip()}",
                          "Check the disk: python3 -m helpers doctor")


