"""Steps said on the terminal as they happen, each with its time in seconds.

Knows nothing of what the steps do. Standard library only.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_lock = threading.Lock()


def say(text: str) -> None:
    """Print one line at once; lines of steps that run side by side do not mix."""
    # A terminal that has been closed takes nothing more; what is being stopped goes on stopping.
    with _lock, suppress(OSError):
        print(text, file=sys.stderr, flush=True)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Say that a step begins, and when it ends how many seconds it took."""
    start = time.monotonic()
    say(f"  …  {name}")
    try:
        yield
    except BaseException:
        say(f"  ✗  {name}  ({time.monotonic() - start:.1f} s)")
        raise
    say(f"  ✓  {name}  ({time.monotonic() - start:.1f} s)")


def cache_dir() -> Path:
    """The folder of what the course keeps between runs, in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "docker-course"
