"""Labels on everything that the course creates: which checkout and which notebook made it.

The owner is this checkout, so that two checkouts on one engine can be cleaned separately. The
session is the process that made an object (a notebook's kernel), so that a notebook which cleans
up leaves alone what another open notebook of the same checkout is using.
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
from helpers.paths import CHECKOUT
from helpers.process import started

OWNER_LABEL = "org.dockercourse.owner"
SESSION_LABEL = "org.dockercourse.session"
TRY_LABEL = "org.dockercourse.exercise"  # its value is the id of the try
# Images with this prefix are built once and shared by all chapters and checkouts.
TOOLS = "dockercourse/"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def owner_id() -> str:
    """Return this checkout's id: twelve hex digits of the machine's name and the folder's path."""
    return hashlib.sha256(f"{platform.node()}:{CHECKOUT}".encode()).hexdigest()[:12]


def labels() -> dict[str, str]:
    """Return the labels of every image, container, volume and network the course creates."""
    return {OWNER_LABEL: owner_id(), SESSION_LABEL: _session(os.getpid())}


def label_args() -> list[str]:
    """Return the labels as arguments of a docker command."""
    return [f"--label={name}={value}" for name, value in labels().items()]


def name_taken(host: str, image: str) -> str:
    """Return a warning if another checkout has built `image`, otherwise ""."""
    if image.startswith(TOOLS):
        return ""
    with suppress(OSError):
        details = probe.inspect_image(host, image) or {"Config": {}}
        if (details["Config"].get("Labels") or {}).get(OWNER_LABEL, owner_id()) != owner_id():
            return f"{image} was built by another copy of the course on this engine."
    return ""


def is_in_use_elsewhere(labels: Mapping[str, str]) -> bool:
    """Return whether labels name a session other than this one that is still running."""
    session = labels.get(SESSION_LABEL, "")
    pid = session.split("-")[1] if session.count("-") == 2 else ""
    return pid.isdigit() and int(pid) != os.getpid() and _session(int(pid)) == session


def _session(pid: int) -> str:
    """Return an id that no other process has: its boot, process id and start time."""
    boot = BOOT_ID.read_text()[:8] if BOOT_ID.is_file() else "boot"
    return f"{boot}-{pid}-{started(pid)}"
