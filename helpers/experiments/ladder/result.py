"""The ladder from a plain process to a complete virtual machine: how long each rung took."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from helpers.tables import duration, text_table
from helpers.vm.accelerator import Accelerator

PROCESS, NAMESPACES, RUNTIME, NO_NETWORK, ENGINE, MINIMAL, FULL = NAMES = (
    "plain process",
    "in fresh namespaces",
    "OCI runtime (runc)",
    "engine, no network",
    "engine",
    "minimal VM",
    "full VM",
)
# The rungs that are far apart on any machine. A process with and without namespaces, and the engine
# with and without a network, are too close to be compared on a busy one; the full VM is optional.
COMPARED = (NAMESPACES, RUNTIME, ENGINE, MINIMAL)
FAR_APART = 2.0


@dataclass(frozen=True)
class Rung:
    """One way to start the same program: seconds to its first line, or why it is missing."""

    name: str
    how: str
    seconds: tuple[float, ...] = ()
    missing: str = ""

    @property
    def median_seconds(self) -> float | None:
        """The median of the runs, or None for a missing rung."""
        return median(self.seconds) if self.seconds else None

    def text(self) -> str:
        """Return the rung's times, or why it is missing."""
        if self.median_seconds is None:
            return f"missing: {self.missing}"
        if len(self.seconds) == 1:
            return f"{duration(self.median_seconds)} (one run)"
        fastest, slowest = duration(min(self.seconds)), duration(max(self.seconds))
        return f"{duration(self.median_seconds)} ({fastest}–{slowest}, {len(self.seconds)} runs)"


@dataclass(frozen=True)
class Ladder:
    """All rungs from the lowest; `accelerator` is what the virtual machines ran on."""

    rungs: tuple[Rung, ...]
    accelerator: Accelerator

    def rung(self, name: str) -> Rung:
        """Return the rung with this name."""
        return next(rung for rung in self.rungs if rung.name == name)

    def facts(self) -> str:
        """Return the rungs from the fastest: "<" means at least twice as fast, "≈" less than that."""
        timed = sorted(
            (rung.median_seconds, rung.name)
            for rung in self.rungs
            if rung.name in COMPARED and rung.median_seconds is not None
        )
        text = ""
        for (seconds, name), (before, _) in zip(timed, [(0.0, ""), *timed], strict=False):
            text += (" < " if seconds >= FAR_APART * before else " ≈ ") + name
        return text.removeprefix(" < ")

    def text(self) -> str:
        """Return a table of the rungs."""
        rungs = text_table([(rung.name, rung.text(), rung.how) for rung in self.rungs])
        return (
            f"Time to the program's first line: median (min–max)\n\n{rungs}\n\n"
            f"virtual CPU: {self.accelerator.text()}"
        )
