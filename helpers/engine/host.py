"""The engine's host, looked at from outside its containers: `/proc` as the host has it.

Where the notebook runs on that host, its own `/proc` is read; where it does not (Docker Desktop's
engine runs in a Linux VM) or may not, a container in the host's process namespace reads it.
"""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.engine.owner import labels
from helpers.engine.vm import guests
from helpers.errors import CourseError

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
        """The host in words: this machine, or the Linux VM that the engine keeps."""
        if self.is_here:
            return "this machine"
        if "Docker Desktop" in self.system:
            return "Docker Desktop's own Linux VM"
        return f"the engine's machine ({self.system})"

    def read(self, *paths: str) -> dict[str, str]:
        """Files of the host's `/proc`; one that cannot be read is left out."""
        return self._look("cat", paths, _text)

    def links(self, *paths: str) -> dict[str, str]:
        """Where symbolic links of the host's `/proc` lead; one that cannot be read is left out."""
        return self._look("readlink", paths, os.readlink)

    def status(self, pid: int) -> dict[str, str]:
        """A process's `/proc/PID/status` as names and values; empty where there is none."""
        text = self.read(f"/proc/{pid}/status").get(f"/proc/{pid}/status", "")
        pairs = (line.partition(":") for line in text.splitlines())
        return {name: value.strip() for name, _, value in pairs}

    def resident_bytes(self, pids: Sequence[int]) -> int:
        """The memory that processes hold, what they share counted once (their proportional set).

        Source: proc(5), smaps_rollup.
        """
        total = 0
        for text in self.read(*(f"/proc/{pid}/smaps_rollup" for pid in pids)).values():
            total += sum(int(line.split()[1]) * 1024 for line in text.splitlines()
                         if line.startswith("Pss:"))
        return total

    def memory_bytes(self, name: str) -> int:
        """A line of the host's `/proc/meminfo`, in bytes: "MemTotal", "MemAvailable" (0: none)."""
        for line in self.read("/proc/meminfo").get("/proc/meminfo", "").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        return 0

    def processes(self) -> int:
        """How many processes the host has."""
        if self.is_here:
            return sum(name.isdigit() for name in os.listdir("/proc"))  # noqa: PTH208
        return int(self._in_container("set -- /proc/[0-9]*; echo $#;", whole=True))

    def _look(self, tool: str, paths: Sequence[str],
              here: Callable[[str], str]) -> dict[str, str]:
        if self.is_here:
            found = {}
            try:
                for path in paths:
                    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                        found[path] = here(path)
                return found
            except PermissionError:     # not root here: root in a container may look
                pass
        script = "".join(f"echo '{_MARK}{path}'; {tool} {path} 2>/dev/null;" for path in paths)
        parts = self._in_container(script, whole=True).split(_MARK)[1:]
        split = (part.partition("\n") for part in parts)
        found = {path: text if tool == "cat" else text.strip() for path, _, text in split}
        return {path: text for path, text in found.items() if text}

    def _in_container(self, script: str, *, whole: bool = False) -> str:
        guests.ensure(self.engine, guests.SERVER)
        told = self.engine.run(
            "run", "--rm", *(f"--label={k}={v}" for k, v in labels().items()), "--network", "none",
            *(("--privileged", "--pid", "host") if whole else ()),
            guests.SERVER, "sh", "-c", f"{script} true")
        if told.returncode != 0:
            raise CourseError(f"The engine's host cannot be looked at: {told.stderr.strip()}",
                              "Run: python3 -m helpers doctor")
        return told.stdout


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8", errors="replace")
