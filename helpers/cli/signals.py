"""Being told to end, and a terminal that is closed, are met like Ctrl-C: what runs is stopped.

Standard library only.
"""

from __future__ import annotations

import signal
from types import FrameType

# Windows has no SIGHUP.
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


def meet_like_ctrl_c() -> None:
    """Raise KeyboardInterrupt at each ending signal that is not ignored (as nohup has it)."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    # A closed terminal is told by the shell and by the kernel; the second would meet the clean-up.
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
