"""SIGTERM and a closed terminal end a command as Ctrl-C does; clean-up is not interrupted.

Standard library only.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Windows has no SIGHUP.
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


def treat_as_ctrl_c() -> None:
    """Raise KeyboardInterrupt at each ending signal that is not ignored (as nohup has it)."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C and the ending signals while the block cleans up, also in its children.

    What the block does has to end by itself. Does nothing outside the main thread, which alone
    receives signals.
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
            if handler is not None:      # None: not set by Python, and not ours to restore
                signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    # The shell and the kernel both report a closed terminal; the second would stop the clean-up.
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
