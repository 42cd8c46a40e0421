"""The ladder from a plain process to a whole virtual machine: how long each rung took.

Frozen values and the words for them. A rung that could not be run says why, and has no number.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from helpers.results.accelerator import Accelerator

PROCESS, NAMESPACES, RUNTIME, NO_NETWORK, ENGINE, MINIMAL, FULL = NAMES = (
    "plain process", "in fresh namespaces", "OCI runtime (runc)", "engine, no network", "engine",
    "minimal VM", "full VM")
# The steps that are far apart on any machine. A process with and without namespaces, and the engine
# with and without a network, are too close to be compared on a busy one.
JUDGED = (NAMESPACES, RUNTIME, ENGINE, MINIMAL, FULL)
FAR_APART = 2.0


@dataclass(frozen=True)
class Rung:
    """One way to start the same program: seconds to its first line, or why there are none."""

    name: str
    how: str
    seconds: tuple[float, ...] = ()
    missing: str = ""

    @property
    def median_seconds(self) -> float | None:
        """The median of the runs, None for a rung that is missing."""
        return median(self.seconds) if self.seconds else None


@dataclass(frozen=True)
class Reference:
    """A number that others have published: what they timed, their seconds, and where."""

    what: str
    seconds: float
    source: str


REFERENCES = (
    Reference("a unikernel on a rebuilt Xen (LightVM)", 0.0023, "Manco et al., SOSP 2017"),
    Reference("a microVM to its /sbin/init, at most", 0.125,
              "Firecracker's specification"),
    Reference("a container on an SSD", 0.568, "arXiv 2602.15214"),
)


@dataclass(frozen=True)
class Ladder:
    """All rungs, lowest first; `accelerator` is what the virtual machines ran on."""

    rungs: tuple[Rung, ...]
    accelerator: Accelerator
    references: tuple[Reference, ...] = REFERENCES

    def rung(self, name: str) -> Rung:
        """The rung with this name."""
        return next(rung for rung in self.rungs if rung.name == name)

    def facts(self) -> str:
        """The rungs from the fastest to the slowest: "<" is at least twice as fast, "≈" less."""
        timed = sorted((rung.median_seconds, rung.name) for rung in self.rungs
                       if rung.name in JUDGED and rung.median_seconds is not None)
        text = ""
        for (seconds, name), (before, _) in zip(timed, [(0.0, ""), *timed], strict=False):
            text += (" < " if seconds >= FAR_APART * before else " ≈ ") + name
        return text.removeprefix(" < ")

    def text(self) -> str:
        """A table of the rungs, then the published numbers, named as such."""
        rows = [(rung.name, told(rung), rung.how) for rung in self.rungs]
        wide = [max(len(row[i]) for row in rows) for i in range(2)]
        lines = [f"{name:<{wide[0]}}  {what:<{wide[1]}}  {how}" for name, what, how in rows]
        others = [f"{duration(ref.seconds):>9}  {ref.what} ({ref.source})"
                  for ref in self.references]
        return "\n".join(["Seconds to the program's first line: median (min–max)", "", *lines, "",
                          f"virtual machines: {self.accelerator.text()}", "",
                          "measured by others, elsewhere:", *others])


def told(rung: Rung) -> str:
    """A rung's numbers in words, or why it has none."""
    if not rung.seconds:
        return f"missing: {rung.missing}"
    middle = rung.median_seconds or 0.0
    if len(rung.seconds) == 1:
        return f"{duration(middle):>9}  (one run)"
    return (f"{duration(middle):>9}  ({duration(min(rung.seconds))}–{duration(max(rung.seconds))}, "
            f"{len(rung.seconds)} runs)")


def duration(seconds: float) -> str:
    """A time with a fitting unit: "0.62 ms", "31 ms", "3.4 s"."""
    if seconds < 0.01:
        return f"{seconds * 1000:.2f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
