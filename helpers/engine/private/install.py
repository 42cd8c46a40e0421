"""Unpack the private engine's Debian packages; nothing is installed on the system."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from helpers.errors import CourseError, NotResolvable
from helpers.setup import packages
from helpers.setup.console import say, step

# Each needs libc 2.34 or newer, which Debian 12 has. Debian 12's engine (20.10) is too old.
ENGINE_PACKAGES = ("docker.io", "docker-cli", "containerd", "docker-buildx", "docker-compose")
# The suites to take them from, newest first, with the extra packages each needs: Engine 28 has its
# init program in a separate package.
SUITES = {"forky": ("tini-static",), "trixie": ()}
# Taken from the system's suite: newer versions need a newer libc.
SYSTEM_PACKAGES = ("runc", "iptables", "iproute2", "mmdebstrap")
# Change this when the packages above change: the course then replaces what it unpacked before.
RECIPE = "2"


def unavailable_reason() -> str | None:
    """Return why a private engine can't run here, or None if it can."""
    if platform.system() != "Linux":
        return "The course can start its own only on Linux."
    if packages.os_codename() not in ("bookworm", "trixie"):
        return "The course can start its own only on Debian 12 or 13."
    if not shutil.which("apt-get"):
        return "The course can start its own only if apt-get is on the PATH."
    if os.geteuid() != 0 and not shutil.which("sudo"):
        return "The course can start its own only as root or with sudo, which is not installed."
    return None


def install(root: Path, plugins: Path) -> None:
    """Unpack the engine into `root` and link its docker plugins in the folder `plugins`.

    Packages unpacked by an earlier version of the course are replaced, or kept if the download
    fails. Raises CourseError if it fails and there are none yet.
    """
    recipe = root / ".recipe"
    if not root.is_dir():
        with step("unpacking Docker Engine into your cache folder"):
            _unpack(root)
    elif not recipe.is_file() or recipe.read_text() != RECIPE:
        try:
            with step("updating Docker Engine (your images are kept)"):
                _unpack(root)
        except CourseError as error:
            say(f"  !  keeping the current engine for now: {error.message}")
    plugins.mkdir(parents=True, exist_ok=True)
    for plugin in (root / "usr/libexec/docker/cli-plugins").iterdir():
        link(plugins / plugin.name, plugin)


def _unpack(root: Path) -> None:
    """Unpack the newest engine that runs on this system next to `root`, then swap the two."""
    system = packages.os_codename()
    new, old = root.with_name("root.new"), root.with_name("root.old")
    for suite, extra in SUITES.items():
        names = [f"{name}/{suite}" for name in (*ENGINE_PACKAGES, *extra)]
        names += [f"{name}/{system}" for name in SYSTEM_PACKAGES]
        try:
            packages.unpack(names, new, suites=sorted({system, suite}))
            break
        except NotResolvable:
            if suite == list(SUITES)[-1]:
                raise
    (new / ".recipe").write_text(RECIPE)
    shutil.rmtree(old, ignore_errors=True)
    if root.is_dir():
        root.rename(old)
    new.rename(root)
    shutil.rmtree(old, ignore_errors=True)


def link(path: Path, target: Path) -> None:
    """Make `path` a symbolic link to `target`, replacing an earlier link."""
    path.unlink(missing_ok=True)
    path.symlink_to(target)
