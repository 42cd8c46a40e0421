"""The engine's host as seen from outside its containers: its `/proc`.

If the notebook runs on that host, it reads `/proc` directly. If it does not (Docker Desktop's
engine runs in a Linux VM) or lacks permission, a container in the host's process namespace does.
"""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from helpers.engine.labels import label_args
from helpers.errors import CourseError
from helpers.vm import guests

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

BOOT_ID = "/proc/sys/kernel/random/boot_id"
_MARK = "=== course "


class Host:
    """The machine, real or virtual, whose kernel the engine's containers run on."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        info = engine.client.info()
        self.kernel = str(info.get("KernelVersion", "?"))
        self.system = str(info.get("OperatingSystem", "?"))
        self.boot_id = self._in_container(f"cat {BOOT_ID};").strip()
        self.is_here = platform.system() == "Linux" and _text(BOOT_ID).strip() == self.boot_id

    @property
    def name(self) -> str:
        """The host in words: this machine, or the one that the engine runs on."""
        if self.is_here:
            return "this machine"
        if "Docker Desktop" in self.system:
            return "Docker Desktop's Linux VM"
        return f"the engine's machine ({self.system})"

    def read_files(self, *paths: str) -> dict[str, str]:
        """Return files of the host's `/proc` by path, without those that cannot be read."""
        return self._read("cat", paths, _text)

    def read_links(self, *paths: str) -> dict[str, str]:
        """Return the targets of symbolic links by path, without those that cannot be read."""
        return self._read("readlink", paths, os.readlink)

    def read_status(self, pid: int) -> dict[str, str]:
        """Return a process's `/proc/PID/status` as names and values; empty if it is gone."""
        return self._read_table(f"/proc/{pid}/status")

    def resident_bytes(self, pids: Sequence[int]) -> int:
        """Return the memory that processes use; pages that they share count once.

        This is the sum of their proportional set sizes: proc(5), smaps_rollup.
        """
        files = self.read_files(*(f"/proc/{pid}/smaps_rollup" for pid in pids))
        lines = (line for text in files.values() for line in text.splitlines())
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))

    def memory_bytes(self, name: str) -> int:
        """Return "MemTotal", "MemAvailable", … of the host's `/proc/meminfo` in bytes, or 0."""
        return int(self._read_table("/proc/meminfo").get(name, "0").split()[0]) * 1024

    def count_processes(self) -> int:
        """Return how many processes the host has."""
        if self.is_here:
            return len(psutil.pids())
        return int(self._in_container("set -- /proc/[0-9]*; echo $#;", whole=True))

    def _read_table(self, path: str) -> dict[str, str]:
        """Return the "name: value" lines of a file; empty if it cannot be read."""
        pairs = (line.partition(":") for line in self.read_files(path).get(path, "").splitlines())
        return {name: value.strip() for name, _, value in pairs}

    def _read(self, tool: str, paths: Sequence[str], read: Callable[[str], str]) -> dict[str, str]:
        """Read paths with `read` here, or else with the command `tool` in a container."""
        if self.is_here:
            texts = {}
            try:
                for path in paths:
                    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                        texts[path] = read(path)
                return texts
            except PermissionError:  # not root here, but root in a container can read it
                pass
        script = "".join(f"echo '{_MARK}{path}'; {tool} {path} 2>/dev/null;" for path in paths)
        parts = self._in_container(script, whole=True).split(_MARK)[1:]
        split = (part.partition("\n") for part in parts)
        texts = {path: text if tool == "cat" else text.strip() for path, _, text in split}
        return {path: text for path, text in texts.items() if text}

    def _in_container(self, script: str, *, whole: bool = False) -> str:
        guests.ensure(self.engine, guests.SERVER)
        completed = self.engine.run(
            *("run", "--rm", "--network=none", *label_args()),
            *(("--privileged", "--pid=host") if whole else ()),
            *(guests.SERVER, "sh", "-c", f"{script} true"),
        )
        if completed.returncode != 0:
            raise CourseError(
                f"Cannot read /proc of the engine's host: {completed.stderr.strip()}",
                "Run `python3 -m helpers doctor` to check your setup.",
            )
        return completed.stdout


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8", errors="replace")
