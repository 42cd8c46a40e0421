"""Who is using the private engine: one small file a process, so that the last one stops it.

A lease whose process is gone counts for nothing. Standard library only, POSIX only.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Leases:
    """The leases kept in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the one lock under which the engine is started and stopped."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def take(self, name: str | None = None) -> None:
        """Take a lease for this process, or a standing one under `name`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if name:
            (self.folder / name).write_text("")
        else:
            (self.folder / f"{os.getpid()}.pid").write_text(_started(os.getpid()))

    def drop(self, name: str | None = None) -> None:
        """Give the lease back."""
        (self.folder / (name or f"{os.getpid()}.pid")).unlink(missing_ok=True)

    def held(self) -> list[str]:
        """The names of the leases that count; those of dead processes are removed."""
        names = []
        for file in sorted(self.folder.glob("[!.]*")):
            dead = file.suffix == ".pid" and _started(int(file.stem)) != file.read_text()
            if dead:
                file.unlink(missing_ok=True)
            else:
                names.append(file.name)
        return names


def _started(pid: int) -> str:
    """When a process started, in clock ticks since boot (proc(5), field 22); "" if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
