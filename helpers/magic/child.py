"""Run a child process whose output is shown as it comes, and stop it within a bounded time."""

from __future__ import annotations

import codecs
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

TAIL_CHARACTERS = 4000


@dataclass(frozen=True)
class Ended:
    """How a child ended: by itself, or stopped because of its text, its time or Ctrl-C."""

    why: Literal["exit", "text", "time", "interrupt"]
    code: int
    printed: bool  # whether it printed anything but white space
    tail: str = field(default="", compare=False)  # the end of what it printed


@dataclass(frozen=True)
class Command:
    """What to start, and how to stop what it starts on the engine."""

    argv: Sequence[str]
    stdin: Path = Path(os.devnull)
    grace_seconds: float = 3  # in which SIGINT should end it
    stop_early: Callable[[], object] = lambda: None  # if it doesn't
    stop_rest: Callable[[], object] = lambda: None  # once a stopped command has ended
    on_failure: Callable[[], object] = lambda: None  # once it has ended by itself with an error


def note(text: str) -> None:
    """Print a line of the course between the lines of docker."""
    print(f"— {text}", flush=True)


def stream(
    command: Command,
    env: Mapping[str, str],
    *,
    until: str | None = None,
    seconds: float | None = None,
) -> Ended:
    """Run a command, print its output in order as it comes, and return how it ended.

    Stops it once its output contains `until`, or after `seconds`, or on Ctrl-C: SIGINT to its
    group, after the grace `stop_early()`, then SIGTERM and SIGKILL.
    """
    why: Literal["exit", "text", "time", "interrupt"] = "exit"
    with command.stdin.open("rb") as stdin:
        child = subprocess.Popen(
            command.argv,
            env=dict(env),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    output = _Output(child)
    try:
        why = output.show(until, None if seconds is None else time.monotonic() + seconds)
        if why == "exit":
            child.wait()
    except KeyboardInterrupt:
        why = "interrupt"
    finally:
        if child.poll() is None:
            _stop(child, command)
        output.close(show=why != "text")
    if why != "exit":
        command.stop_rest()
    elif child.returncode:
        command.on_failure()
    return Ended(why, child.returncode, output.printed, output.tail)


class _Output:
    """The child's output, read by a thread so that a time limit and Ctrl-C work meanwhile."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        self.pipe = child.stdout
        self.chunks: queue.Queue[bytes | None] = queue.Queue()  # None: the end
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.printed = False
        self.tail = ""
        self.is_line_open = False
        self.is_complete = False
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        """Put what comes through the pipe into the queue until the pipe is closed."""
        with suppress(OSError, ValueError):
            while chunk := os.read(self.pipe.fileno(), 65_536):
                self.chunks.put(chunk)
        self.chunks.put(None)

    def show(self, until: str | None, deadline: float | None) -> Literal["exit", "text", "time"]:
        """Print until the end, the text or the deadline; return which of them came first."""
        tail = ""
        while True:
            # The wait is bounded so that Ctrl-C reaches this thread on every system.
            remaining = 0.5 if deadline is None else min(0.5, deadline - time.monotonic())
            if remaining <= 0:
                return "time"
            try:
                chunk = self.chunks.get(timeout=remaining)
            except queue.Empty:
                continue
            text = self.print(chunk)
            if until is not None:
                tail = tail[-len(until) :] + text
                if until in tail:
                    return "text"
            if chunk is None:
                self.is_complete = True
                return "exit"

    def print(self, chunk: bytes | None) -> str:
        """Print the complete characters of a chunk and return them."""
        text = self.decoder.decode(chunk or b"", final=chunk is None)
        if text:
            print(text, end="", flush=True)
            self.tail = (self.tail + text)[-TAIL_CHARACTERS:]
            self.printed = self.printed or not text.isspace()
            self.is_line_open = not text.endswith("\n")
        return text

    def close(self, show: bool) -> None:
        """Read the rest once the child has ended, print it if `show`, and close the pipe."""
        deadline = time.monotonic() + 2
        while not self.is_complete and time.monotonic() < deadline:
            with suppress(queue.Empty):
                chunk = self.chunks.get(timeout=0.1)
                if show:
                    self.print(chunk)
                self.is_complete = chunk is None
        if self.is_line_open:
            print(flush=True)
        if self.is_complete:
            self.pipe.close()


def _stop(child: subprocess.Popen[bytes], command: Command) -> None:
    """Stop the child's group step by step; another Ctrl-C skips to the next step."""

    def send(number: int) -> Callable[[], object]:
        return lambda: _signal_group(child, number)

    steps = [
        (send(signal.SIGINT), command.grace_seconds),
        (command.stop_early, 3.0),
        (send(signal.SIGTERM), 3.0),
        (send(signal.SIGKILL), 5.0),
    ]
    for act, seconds in steps:
        with suppress(KeyboardInterrupt, subprocess.TimeoutExpired):
            act()
            child.wait(timeout=seconds)
            return


def _signal_group(child: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)
