"""The base image of the chapters: the real `python:3.13-slim`, or a stand-in where it is not to
be had.

The stand-in is made once from Debian trixie's packages (whose Python is 3.13), kept as a file in
the cache, and says in its labels what it is. On the private engine it also takes the real name;
on a user's own engine that name is never taken: builds are told of it by a named context.
Standard library only. Source: mmdebstrap(1), docker import, BuildKit's named contexts.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from helpers.engine.engine import Engine
from helpers.engine.private import PrivateEngine, as_root
from helpers.errors import CourseError
from helpers.setup import packages
from helpers.setup.console import cache_dir

REAL = "python:3.13-slim"
STANDIN = "dockercourse/python-standin:3.13"
STANDIN_LABEL = "org.dockercourse.standin"
PULL_SECONDS = 60
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def base_image(engine: Engine) -> str:
    """Which base image builds on this engine get: "real", "stand-in", or "missing"."""
    template = f'{{{{index .Config.Labels "{STANDIN_LABEL}"}}}}'
    label = engine.run("image", "inspect", "--format", template, REAL)
    if label.returncode == 0:
        return "stand-in" if label.stdout.strip() else "real"
    if engine.run("image", "inspect", STANDIN).returncode == 0 and engine.kind == "own":
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
    if not _tarball().is_file():
        say(f"{REAL} cannot be pulled: making a stand-in from Debian packages")
        _make_tarball()
    _import(engine)
    return "stand-in"


def named_contexts(engine: Engine, dockerfile_text: str) -> list[str]:
    """The `--build-context` arguments by which a build finds the stand-in; [] where not needed."""
    if engine.kind == "private" or not re.search(rf"(?im)^\s*FROM\s.*{re.escape(REAL)}\b",
                                                 dockerfile_text):
        return []
    if image_for(engine, REAL) == REAL:
        return []
    return ["--build-context", f"{REAL}=docker-image://{STANDIN}"]


def image_for(engine: Engine, image: str) -> str:
    """The image to run where `image` was asked for: the stand-in where only that is there."""
    if image != REAL or engine.kind == "private":
        return image
    if engine.run("image", "inspect", REAL).returncode == 0:
        return REAL
    return STANDIN if engine.run("image", "inspect", STANDIN).returncode == 0 else REAL


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


