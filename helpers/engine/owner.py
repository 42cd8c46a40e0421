"""Whose object is it: the labels that everything made by the course carries.

The owner is this checkout, so that two checkouts on one engine can each be cleaned alone. The
session is the process that made it (a notebook's kernel), so that a notebook which starts clean
leaves alone what another open notebook of the same checkout is using. Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from helpers.engine import probe
from helpers.engine.processes import started

OWNER_LABEL = "org.dockercourse.owner"
SESSION_LABEL = "org.dockercourse.session"
CHECKOUT = Path(__file__).resolve().parents[2]
# Images under this name are the course's tools: made once, kept from chapter to chapter.
TOOLS = "dockercourse/"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def owner_id() -> str:
    """Return this checkout's id: twelve hex digits of the machine's name and the folder's path."""
    return hashlib.sha256(f"{platform.node()}:{CHECKOUT}".encode()).hexdigest()[:12]


def session_id() -> str:
    """Return this process's id in words that no other process has: boot, process id, start."""
    return _session(os.getpid())


def labels() -> dict[str, str]:
    """Return the labels of every image, container, volume and network the course creates."""
    return {OWNER_LABEL: owner_id(), SESSION_LABEL: session_id()}


def is_of_another_checkout(found: Mapping[str, str] | None) -> bool:
    """Return whether labels name another checkout as the owner."""
    return (found or {}).get(OWNER_LABEL, owner_id()) != owner_id()


def name_taken(host: str, image: str) -> str:
    """Return a sentence that says so if `image` was built by another checkout, else ""."""
    if image.startswith(TOOLS):      # made once, for all checkouts
        return ""
    with suppress(OSError):
        found = probe.inspect_image(host, image)
        if found and is_of_another_checkout(found["Config"].get("Labels")):
            return f"{image} was built by another copy of the course on this engine."
    return ""


def is_in_use_elsewhere(found: Mapping[str, str]) -> bool:
    """Return whether labels name a session other than this one that is still running."""
    session = found.get(SESSION_LABEL, "")
    pid = session.split("-")[1] if session.count("-") == 2 else ""
    return pid.isdigit() and int(pid) != os.getpid() and _session(int(pid)) == session


@cache
def _boot() -> str:
    return BOOT_ID.read_text()[:8] if BOOT_ID.is_file() else "boot"


def _session(pid: int) -> str:
    return f"{_boot()}-{pid}-{started(pid)}"
