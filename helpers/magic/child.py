"""A child process whose output is shown as it comes, and which can be stopped within bounds.

Knows nothing of Docker's command line or of IPython: it prints, watches for a text or a time,
and signals a whole process group.
"""

from __future__ import annotations

import codecs
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Literal

WINDOWS = sys.platform == "win32"


@dataclass(frozen=True)
class Ended:
    """How a child ended: by itself, or stopped for its text, its time or Ctrl-C."""

    why: Literal["exit", "text", "time", "interrupt"]
    code: int


def stream(argv: Sequence[str], env: Mapping[str, str], *, stdin: IO[bytes] | None = None,
           until: str | None = None, seconds: float | None = None,
           grace_seconds: float = 3, stop_more: Callable[[], None] = lambda: None) -> Ended:
    """Run `argv`, printing its output in order as it comes.

    Stops it once its output contains `until`, or after `seconds`, or on Ctrl-C: SIGINT to its
    group, after `grace_seconds` `stop_more()`, then SIGTERM and SIGKILL.
    """
    options: dict[str, object] = {"start_new_session": True}
    if WINDOWS:
        options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined]
    why: Literal["exit", "text", "time", "interrupt"] = "exit"
    child = subprocess.Popen(argv, env=dict(env), stdin=stdin or subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             **options)  # type: ignore[call-overload]
    output = _Output(child)
    try:
        why = output.show(until, None if seconds is None else time.monotonic() + seconds)
        if why == "exit":
            child.wait()
    except KeyboardInterrupt:
        why = "interrupt"
    finally:
        if child.poll() is None:
            _stop(child, grace_seconds, stop_more)
        output.rest(show=why != "text")
    return Ended(why, child.returncode)


class _Output:
    """The child's output, read by a thread, so that time-outs and Ctrl-C work everywhere."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self.pipe = child.stdout
        self.chunks: queue.Queue[bytes | None] = queue.Queue()
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.line_open = False
        self.ended = False
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self) -> None:
        assert self.pipe is not None
        with suppress(OSError, ValueError):
            while chunk := os.read(self.pipe.fileno(), 65_536):
                self.chunks.put(chunk)
        self.chunks.put(None)

    def show(self, until: str | None,
             deadline: float | None) -> Literal["exit", "text", "time"]:
        """Print until the end, the text or the deadline; says which it was."""
        seen = ""
        while True:
            # A bounded wait, so that Ctrl-C reaches this thread on every system.
            left = 0.5 if deadline is None else min(0.5, deadline - time.monotonic())
            if left <= 0:
                return "time"
            try:
                chunk = self.chunks.get(timeout=left)
            except queue.Empty:
                continue
            text = self.put(chunk)
            if until is not None:
                seen = seen[-len(until):] + text
                if until in seen:
                    return "text"
            if chunk is None:
                self.ended = True
                return "exit"

    def put(self, chunk: bytes | None) -> str:
        text = self.decoder.decode(chunk or b"", final=chunk is None)
        if text:
            print(text, end="", flush=True)
            self.line_open = not text.endswith("\n")
        return text

    def rest(self, show: bool) -> None:
        """After the child's end: its last words, if wanted, and the pipe closed."""
        until = time.monotonic() + 2
        while not self.ended and time.monotonic() < until:
            with suppress(queue.Empty):
                chunk = self.chunks.get(timeout=0.1)
                if show:
                    self.put(chunk)
                self.ended = chunk is None
        if self.line_open:
            print(flush=True)
        if self.pipe is not None and self.ended:
            self.pipe.close()


def _stop(child: subprocess.Popen[bytes], grace_seconds: float,
          stop_more: Callable[[], None]) -> None:
    """Ends the child's group step by step; a further Ctrl-C goes to the next step."""
    soft = signal.CTRL_BREAK_EVENT if WINDOWS else signal.SIGINT  # type: ignore[attr-defined]
    steps: list[tuple[Callable[[], None], float]] = [
        (lambda: _signal(child, soft), grace_seconds),
        (stop_more, 3),
        (lambda: _signal(child, signal.SIGTERM), 3),
        (child.kill if WINDOWS else lambda: _signal(child, signal.SIGKILL), 5)]
    for act, bound in steps:
        with suppress(KeyboardInterrupt, subprocess.TimeoutExpired):
            act()
            child.wait(timeout=bound)
            return


def _signal(child: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if WINDOWS:
            child.send_signal(number)
        else:
            os.killpg(child.pid, number)
