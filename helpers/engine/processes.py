"""Processes of this machine by their ids: when they started, whether they have ended.

Standard library only: needed before the environment exists.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path


def started(pid: int) -> str:
    """Return when a process started, as text that no other process with this id has; "" if gone.

    Source: proc(5), field 22 of stat (clock ticks since boot); elsewhere ps(1), lstart.
    """
    if platform.system() != "Linux":
        return subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], text=True, check=False,
                              capture_output=True).stdout.strip().replace(" ", "_")
    fields = _stat(pid)
    return fields[19] if fields else ""


def has_exited(pid: int) -> bool:
    """Return whether a process has ended; a zombie, which its parent has not collected, has."""
    fields = _stat(pid)
    return not fields or fields[0] == "Z"


def parent(pid: int) -> int:
    """Return the id of the process that started a process, 0 when it is gone."""
    return int((_stat(pid) or ["", "0"])[1])


def children(pid: int) -> list[int]:
    """Return the ids of the processes that a process has started itself."""
    return [other for other in all_pids() if parent(other) == pid]


def command_line(pid: int) -> list[str]:
    """Return a process's command and arguments; empty when it is gone or a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def all_pids() -> Iterator[int]:
    """Yield the ids of all processes."""
    for name in os.listdir("/proc"):  # noqa: PTH208 - many names, no paths needed
        if name.isdigit():
            yield int(name)


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the command's name, from the state on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
