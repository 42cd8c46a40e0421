"""Leases on the private engine: one small file per process that uses it; the last one stops it."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import BaseFileLock, FileLock

from helpers.process import started


class Leases:
    """The leases kept in one folder. The lease of a process that has exited does not count."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def locked(self) -> BaseFileLock:
        """Return the lock under which the engine is started and stopped, to use with `with`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / ".lock")

    def take(self, name: str | None = None) -> None:
        """Take a lease for this process, or a standing one under `name`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if name:
            (self.folder / name).write_text("")
        else:
            (self.folder / f"{os.getpid()}.pid").write_text(started(os.getpid()))

    def drop(self, name: str | None = None) -> None:
        """Give up the lease of this process, or the standing one under `name`."""
        (self.folder / (name or f"{os.getpid()}.pid")).unlink(missing_ok=True)

    def held(self) -> list[str]:
        """Return the names of the valid leases; remove those of processes that have exited."""
        names = []
        for file in sorted(self.folder.glob("[!.]*")):
            if file.suffix == ".pid" and started(int(file.stem)) != file.read_text():
                file.unlink(missing_ok=True)
            else:
                names.append(file.name)
        return names
