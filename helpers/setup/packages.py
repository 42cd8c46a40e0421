"""Debian packages unpacked into a folder of our own: nothing on the system is changed.

apt itself resolves what is missing, with lists, sources and archives in the given folder, and
dpkg-deb unpacks; so no system service is installed, no source entry is added, and removing the
folder removes all. The mirror is the one this machine's apt uses. Standard library only.
Source of the options: apt.conf(5), apt-get(8).
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from helpers.errors import CourseError
from helpers.setup.lock import file_lock

# apt used by anybody, beside the system's own state.
UNLOCKED = {"Dir::Cache::pkgcache": "", "Dir::Cache::srcpkgcache": "",
            "Acquire::Languages": "none", "Acquire::Retries": "3", "APT::Sandbox::User": "root",
            "Debug::NoLocking": "1"}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class NotResolvable(CourseError):
    """Packages that apt can't install together on this system."""


def os_codename() -> str:
    """Debian's code name of this system ("bookworm"), or "" where it is not Debian."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ""
    return release.get("VERSION_CODENAME", "") if release.get("ID") == "debian" else ""


@cache
def mirror() -> str:
    """The address of the Debian mirror that this machine's apt is set to use.

    Raises CourseError where apt has none.
    """
    if found := _main_source():
        return found
    # A machine just made (from an image, in a cloud) has no package lists, and apt then names no
    # source: it is asked again with lists of ours.
    with tempfile.TemporaryDirectory(prefix="course-apt-") as folder:
        (Path(folder) / "partial").mkdir()
        options = _options({**UNLOCKED, "Dir::State::lists": folder})
        _run(["apt-get", "-qq", *options, "update"])
        if found := _main_source(*options):
            return found
    raise CourseError("apt on this machine has no Debian main source.",
                      "Install Docker Engine 23 or newer by hand, then the same command again.")


def _main_source(*options: str) -> str:
    said = _run(["apt-get", *options, "indextargets", "--format",
                 "$(REPO_URI)|$(CODENAME)|$(COMPONENT)", "Identifier: Packages"])
    for line in said.splitlines():
        uri, codename, component = line.split("|")
        if codename == os_codename() and component == "main":
            return uri.rstrip("/")
    return ""


def unpack(packages: Sequence[str], into: Path, *, suites: Sequence[str]) -> Path:
    """Download `packages` ("name/suite") with what they need and unpack them; return the root.

    Done once: the folder is moved into place when it is complete. Raises NotResolvable when apt
    can't install them together here, CourseError when a download fails.
    """
    with file_lock(into.with_name(f"{into.name}.lock")):
        if not into.is_dir():
            _unpack(packages, into, suites)
    return into


def _unpack(packages: Sequence[str], into: Path, suites: Sequence[str]) -> None:
    work = into.with_name(into.name + ".part")
    shutil.rmtree(work, ignore_errors=True)
    for folder in ("lists/partial", "archives/partial", "root"):
        (work / folder).mkdir(parents=True)
    sources = work / "course.sources"
    sources.write_text(f"Types: deb\nURIs: {mirror()}\nSuites: {' '.join(suites)}\n"
                       f"Components: main\nSigned-By: {KEYRING}\n")
    # Of a foreign suite only what is asked for by name is taken; the rest stays the system's own.
    preferences = work / "preferences"
    preferences.write_text("".join(
        f"Package: *\nPin: release n={suite}\nPin-Priority: 100\n\n"
        for suite in suites if suite != os_codename()))
    apt = ["apt-get", "-qq", *_options({
        **UNLOCKED, "Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": preferences, "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State::lists": work / "lists", "Dir::Cache::archives": work / "archives"})]
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


def _options(settings: Mapping[str, str | Path]) -> list[str]:
    return [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, text=True, capture_output=True, check=False,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        why = [line for line in done.stderr.splitlines() if line.startswith("E:")]
        raise CourseError(f"{command[0]} failed: {(why or [done.stderr.strip()[-200:]])[0]}",
                          "Check the network and apt's sources (apt-get update), then again.")
    return done.stdout
