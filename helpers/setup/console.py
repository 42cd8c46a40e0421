"""Progress in a terminal: plain lines on stderr, each step with its time in seconds.

No spinner and no redrawing: sudo may ask for a password while a step runs.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_lock = threading.Lock()


def say(text: str) -> None:
    """Print one line immediately; lines of steps that run in parallel do not mix."""
    # Writing to a terminal that was closed fails; a clean-up that reports progress must go on.
    with _lock, suppress(OSError):
        print(text, file=sys.stderr, flush=True)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print a line when a step starts, and one with its duration when it ends."""
    start = time.monotonic()
    say(f"  …  {name}")
    mark = "✗"
    try:
        yield
        mark = "✓"
    finally:
        say(f"  {mark}  {name}  ({time.monotonic() - start:.1f} s)")
