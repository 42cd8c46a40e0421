"""Debian packages unpacked into a folder of the course, without changing the system.

apt resolves and downloads what is missing, with its lists, sources and archives in that folder, and
dpkg-deb unpacks it: no service is installed, no source is added, and deleting the folder removes
everything. The mirror is the one that this machine's apt uses.
Source of the options: apt.conf(5), apt-get(8).
"""

from __future__ import annotations

import platform
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from filelock import FileLock

from helpers import process
from helpers.errors import CourseError, NotResolvable

# Lets any user run apt without touching the system's state.
UNLOCKED = {
    "Dir::Cache::pkgcache": "",
    "Dir::Cache::srcpkgcache": "",
    "Acquire::Languages": "none",
    "Acquire::Retries": "3",
    "APT::Sandbox::User": "root",
    "Debug::NoLocking": "1",
}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def os_codename() -> str:
    """Return the code name of this Debian system ("bookworm"), or "" if it is not Debian."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ""
    return release.get("VERSION_CODENAME", "") if release.get("ID") == "debian" else ""


@cache
def mirror() -> str:
    """Return the address of the Debian mirror that this machine's apt uses.

    Raises CourseError if it has none.
    """
    if address := main_source():
        return address
    # A new machine (from an image, in a cloud) has no package lists, and apt then names no source:
    # ask again with lists downloaded into a temporary folder.
    with tempfile.TemporaryDirectory(prefix="course-apt-") as folder:
        (Path(folder) / "partial").mkdir()
        options = _options({**UNLOCKED, "Dir::State::lists": folder})
        _run(["apt-get", "-qq", *options, "update"])
        if address := main_source(*options):
            return address
    raise CourseError(
        "apt has no source for Debian's main component on this machine.",
        "Add one to /etc/apt/sources.list.d/ (see sources.list(5)), then run this command again.",
    )


def main_source(*options: str) -> str:
    """Return the address from which apt takes Debian's main component, or "" if it knows none."""
    form = "$(REPO_URI)|$(CODENAME)|$(COMPONENT)"
    command = ["apt-get", *options, "indextargets", "--format", form, "Identifier: Packages"]
    for line in _run(command).splitlines():
        uri, codename, component = line.split("|")
        if codename == os_codename() and component == "main":
            return uri.rstrip("/")
    return ""


def unpack(packages: Sequence[str], into: Path, *, suites: Sequence[str]) -> Path:
    """Download `packages` ("name/suite") and their dependencies, and unpack them; return `into`.

    Does nothing if the folder exists: it is moved into place when it is complete. Raises
    NotResolvable if apt can't install the packages together here, CourseError if a download fails.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(into.with_name(f"{into.name}.lock")):
        if not into.is_dir():
            _unpack(packages, into, suites)
    return into


def _unpack(packages: Sequence[str], into: Path, suites: Sequence[str]) -> None:
    work = into.with_name(into.name + ".part")
    shutil.rmtree(work, ignore_errors=True)
    for folder in ("lists/partial", "archives/partial", "root"):
        (work / folder).mkdir(parents=True)
    sources = work / "course.sources"
    sources.write_text(
        f"Types: deb\nURIs: {mirror()}\nSuites: {' '.join(suites)}\n"
        f"Components: main\nSigned-By: {KEYRING}\n"
    )
    # From another suite take only the packages requested from it; the rest comes from the system's.
    preferences = work / "preferences"
    preferences.write_text(
        "".join(
            f"Package: *\nPin: release n={suite}\nPin-Priority: 100\n\n"
            for suite in suites
            if suite != os_codename()
        )
    )
    settings = {
        **UNLOCKED,
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": preferences,
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State::lists": work / "lists",
        "Dir::Cache::archives": work / "archives",
    }
    apt = ["apt-get", "-qq", *_options(settings)]
    _run([*apt, "update"])
    install = [*apt, "install", "--no-install-recommends", "--yes", *packages]
    try:
        _run([*install, "--simulate"])
    except CourseError as error:
        raise NotResolvable(error.message, error.hint) from None
    _run([*install, "--download-only"])
    for archive in sorted((work / "archives").glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(archive), str(work / "root")])
    shutil.rmtree(work / "archives")
    shutil.rmtree(work / "lists")
    (work / "root").rename(into)
    shutil.rmtree(work)


def _options(settings: Mapping[str, object]) -> list[str]:
    return [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]


def _run(command: Sequence[str]) -> str:
    """Run apt or dpkg-deb; return its output. Raises CourseError if it fails."""
    completed = process.run(command)
    if completed.returncode != 0:
        errors = [line for line in completed.stderr.splitlines() if line.startswith("E:")]
        reason = errors[0] if errors else process.error_line(completed)
        raise CourseError(
            f"{command[0]} failed: {reason}",
            "Check your network connection and apt's sources (`sudo apt-get update`), "
            "then run this command again.",
        )
    return completed.stdout
