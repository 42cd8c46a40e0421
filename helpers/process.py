"""Processes: run a program, read why it failed, stop its group, and look at who is running."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

all_pids = psutil.pids
# A process group gets each signal in turn, and so many seconds to end.
STOP_STEPS = ((signal.SIGINT, 5.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0))


def run(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end with nothing to read; return its output as text.

    Never raises for an exit code. Raises OSError if there is no such program, and
    subprocess.TimeoutExpired after `timeout` seconds.
    """
    return subprocess.run(
        list(command),
        env=None if env is None else dict(env),
        text=True,
        timeout=timeout,
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def error_line(completed: subprocess.CompletedProcess[str]) -> str:
    """Return the last line that a program wrote to its standard error."""
    lines = [line for line in (completed.stderr or "").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no error message"


def stop_group(
    child: subprocess.Popen[Any], steps: Sequence[tuple[int, float]] = STOP_STEPS
) -> None:
    """Stop a child that leads its process group: signal the group step by step until it ends."""
    for number, seconds in steps:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            # Read its pipes meanwhile, so that the child can't block on a full one.
            child.communicate(timeout=seconds)
            return


def wait_until(is_true: Callable[[], object], seconds: float, every: float = 0.05) -> bool:
    """Wait until a condition is true, at most `seconds`; return whether it is.

    It is tried again after `every` seconds: use a longer time for an expensive condition.
    """
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


def started(pid: int) -> str:
    """Return when a process started, as text that no other process with this id has; "" if gone.

    In clock ticks since boot where /proc has them (proc(5), field 22 of stat): psutil adds the time
    of the boot, which moves when somebody sets the clock.
    """
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    try:
        return "" if psutil.LINUX else f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return ""


def has_exited(pid: int) -> bool:
    """Return whether a process has ended. A zombie counts as ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def children(pid: int, *, recursive: bool = False) -> list[int]:
    """Return the ids of the processes that a process has started."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=recursive)]
    except psutil.Error:
        return []


def command_line(pid: int) -> list[str]:
    """Return a process's command and arguments; empty when it is gone or a zombie."""
    try:
        return psutil.Process(pid).cmdline()
    except psutil.Error:
        return []


def is_port_free(port: int) -> bool:
    """Return whether a program can listen on this port of 127.0.0.1."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
