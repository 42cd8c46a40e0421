"""Who is using the private engine: one small file a process, so that the last one stops it.

A lease whose process is gone counts for nothing. Standard library only, POSIX only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.engine.processes import started
from helpers.setup.lock import file_lock


class Leases:
    """The leases kept in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the one lock under which the engine is started and stopped."""
        with file_lock(self.folder / ".lock"):
            yield

    def take(self, name: str | None = None) -> None:
        """Take a lease for this process, or a standing one under `name`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if name:
            (self.folder / name).write_text("")
        else:
            (self.folder / f"{os.getpid()}.pid").write_text(started(os.getpid()))

    def drop(self, name: str | None = None) -> None:
        """Give the lease back."""
        (self.folder / (name or f"{os.getpid()}.pid")).unlink(missing_ok=True)

    def held(self) -> list[str]:
        """Return the names of the leases that count; remove those of dead processes."""
        names = []
        for file in sorted(self.folder.glob("[!.]*")):
            dead = file.suffix == ".pid" and started(int(file.stem)) != file.read_text()
            if dead:
                file.unlink(missing_ok=True)
            else:
                names.append(file.name)
        return names
