"""Whose object is it: the label that everything made by the course carries.

The label's value is this checkout's id, so that two checkouts on one engine can each be
cleaned alone. Standard library only: needed before the environment exists.
"""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from pathlib import Path

OWNER_LABEL = "org.dockercourse.owner"
CHECKOUT = Path(__file__).resolve().parents[2]


@cache
def owner_id() -> str:
    """This checkout's id: twelve hex digits of the machine's name and the checkout's path."""
    return hashlib.sha256(f"{platform.node()}:{CHECKOUT}".encode()).hexdigest()[:12]


def labels() -> dict[str, str]:
    """The labels that go on every image, container, volume and network the course creates."""
    return {OWNER_LABEL: owner_id()}
