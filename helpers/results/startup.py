"""What the startup comparison measured: every start of a container and of a virtual machine.

Frozen values and the words for them. Nothing here knows how a start is run or drawn; every
sentence is derived from the samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from helpers.results.accelerator import Accelerator

CONTAINER, MINIMAL_VM, FULL_VM = "container", "minimal VM", "full VM"
# The moments of a start, each in seconds since it was asked for.
CREATED, STARTED, FIRST_OUTPUT, FIRST_ANSWER, EXITED, REMOVED = (
    "created", "started", "first output", "first answer", "exited", "removed")
FIRMWARE, KERNEL = "firmware", "kernel"
CONTAINER_MOMENTS = (CREATED, STARTED, FIRST_OUTPUT, FIRST_ANSWER, EXITED, REMOVED)
VM_MOMENTS = (FIRMWARE, KERNEL, FIRST_OUTPUT, FIRST_ANSWER, REMOVED)
IN_A_TERMINAL = "docker run -p 127.0.0.1::80 dockercourse/small-server; docker rm -f NAME"
READY = (FIRST_OUTPUT, FIRST_ANSWER)
# Less than this factor apart is "about the same": a busy machine can swap the two.
FAR_APART = 2.0


@dataclass(frozen=True)
class Start:
    """One start: what was started, in which round, and its moments in seconds since the asking.

    A virtual machine's clock begins with its QEMU process; "first output" is its first line from
    user space, "removed" the end of the QEMU process.
    """

    kind: str
    round: int
    moments: tuple[tuple[str, float], ...]

    def seconds(self, moment: str) -> float | None:
        """The seconds from the asking to a moment, None where this start had no such moment."""
        return dict(self.moments).get(moment)


@dataclass(frozen=True)
class StartupComparison:
    """Containers and virtual machines started in turn; `warm_up` starts are not counted.

    `accelerator` is what ran the guests' instructions.
    """

    samples: tuple[Start, ...]
    warm_up: tuple[Start, ...]
    planned_rounds: int
    accelerator: Accelerator
    interrupted: bool = False

    @property
    def meaning(self) -> str:
        """What the accelerator does to the virtual machines' numbers, in a sentence."""
        return self.accelerator.meaning()

    @property
    def kinds(self) -> tuple[str, ...]:
        """What was started, containers first."""
        return tuple(dict.fromkeys(sorted((s.kind for s in self.samples), key=_rank)))

    @property
    def rounds(self) -> int:
        """How many rounds are complete."""
        counts = [len(self.of(kind)) for kind in self.kinds]
        return min(counts, default=0)

    def of(self, kind: str) -> tuple[Start, ...]:
        """The counted starts of one kind, in the order they were made."""
        return tuple(sample for sample in self.samples if sample.kind == kind)

    def moments(self, kind: str) -> tuple[str, ...]:
        """The moments of a kind, in their usual order."""
        had = {name for sample in self.of(kind) for name, _ in sample.moments}
        order = CONTAINER_MOMENTS if kind == CONTAINER else VM_MOMENTS
        return tuple(name for name in order if name in had)

    def all_seconds(self, kind: str, moment: str) -> tuple[float, ...]:
        """Every start's seconds to a moment."""
        found = (sample.seconds(moment) for sample in self.of(kind))
        return tuple(seconds for seconds in found if seconds is not None)

    def median_seconds(self, kind: str, moment: str) -> float:
        """The median of a kind's seconds to a moment."""
        return median(self.all_seconds(kind, moment))

    def ratio(self, kind: str, moment: str = FIRST_ANSWER) -> float:
        """How many times as long as the container a kind took, by the medians."""
        return self.median_seconds(kind, moment) / self.median_seconds(CONTAINER, moment)

    def facts(self) -> str:
        """Who was first at each kind of ready, by medians that are at least twofold apart."""
        lines = []
        for kind in self.kinds[1:] if CONTAINER in self.kinds else ():
            for moment in READY:
                ratio = self.ratio(kind, moment)
                first, second = (CONTAINER, kind) if ratio > 1 else (kind, CONTAINER)
                close = 1 / FAR_APART < ratio < FAR_APART
                lines.append(f"{moment}: the {first} and the {second} came at about the same time"
                             if close else f"{moment}: the {first} came before the {second}")
        return "\n".join(lines)

    def headline(self) -> str:
        """How many rounds stand behind the numbers, and whether they were cut short."""
        rounds = f"{self.rounds} round{'' if self.rounds == 1 else 's'}"
        if self.interrupted:
            rounds += f" of {self.planned_rounds}, then stopped"
        return f"From asking to being there: {rounds}, in turn; medians (min–max), seconds"

    def text(self) -> str:
        """A table for each kind: a row for each moment."""
        parts = [self.headline()]
        for kind in self.kinds:
            rows = [(moment, spread(self.all_seconds(kind, moment)))
                    for moment in self.moments(kind)]
            width = max(len(row[0]) for row in rows)
            parts.append("\n".join([kind, *(f"  {name:<{width}}  {told}" for name, told in rows)]))
        parts.append(f"accelerator: {self.accelerator.text()}\n{self.meaning}")
        parts.append(f"the container in a terminal: {IN_A_TERMINAL}")
        return "\n\n".join(parts)


def spread(seconds: tuple[float, ...]) -> str:
    """The median in seconds and, of several, the smallest and the largest."""
    text = f"{median(seconds):.2f}"
    return text if len(seconds) == 1 else f"{text} ({min(seconds):.2f}–{max(seconds):.2f})"


def _rank(kind: str) -> int:
    return (CONTAINER, MINIMAL_VM, FULL_VM).index(kind)
