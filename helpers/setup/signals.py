"""Handle SIGTERM and a closed terminal like Ctrl-C, and keep clean-up from being interrupted."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGHUP)


def treat_as_ctrl_c() -> None:
    """Raise KeyboardInterrupt on SIGTERM and SIGHUP, unless they are ignored (as under nohup)."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C, SIGTERM and SIGHUP inside the block, also in processes that it starts.

    The block must finish without them. Does nothing outside the main thread, because only the main
    thread receives signals.
    """
    before = {}
    for number in (signal.SIGINT, *ENDING):
        try:
            before[number] = signal.signal(number, signal.SIG_IGN)
        except ValueError:
            break
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: it was not set by Python, which can't restore it
                signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    # The shell and the kernel both report a closed terminal; the second would stop the clean-up.
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
