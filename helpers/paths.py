"""Where the course's files are: this checkout, and the cache folder that all checkouts share."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
DELIVERED = ".delivered.json"  # in a work folder: which files the student got


def cache_dir() -> Path:
    """Return the folder of what the course keeps between runs, in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "docker-course"
