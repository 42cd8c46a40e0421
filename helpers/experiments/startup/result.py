"""What the startup comparison measured: every start of a container and of a virtual machine.

Every sentence is derived from the measured values.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from helpers.tables import spread, text_table
from helpers.vm.accelerator import Accelerator

CONTAINER, MINIMAL_VM, FULL_VM = "container", "minimal VM", "full VM"
# The moments of a start, each in seconds since its request.
CREATED, STARTED, FIRST_OUTPUT, FIRST_ANSWER, EXITED, REMOVED = (
    "created",
    "started",
    "first output",
    "first answer",
    "exited",
    "removed",
)
FIRMWARE, KERNEL = "firmware", "kernel"
CONTAINER_MOMENTS = (CREATED, STARTED, FIRST_OUTPUT, FIRST_ANSWER, EXITED, REMOVED)
VM_MOMENTS = (FIRMWARE, KERNEL, FIRST_OUTPUT, FIRST_ANSWER, REMOVED)
IN_A_TERMINAL = "docker run -p 127.0.0.1::80 dockercourse/small-server; docker rm -f NAME"
READY = (FIRST_OUTPUT, FIRST_ANSWER)
# Medians closer than this factor count as the same: a busy machine can swap them.
FAR_APART = 2.0


@dataclass(frozen=True)
class Start:
    """One start: what was started, in which round, and its moments in seconds since the request.

    A virtual machine's clock starts with its QEMU process; "first output" is its first line from
    user space, "removed" the end of the QEMU process.
    """

    kind: str
    round: int
    moments: tuple[tuple[str, float], ...]

    def seconds(self, moment: str) -> float | None:
        """Return the seconds from the request to a moment, or None if it was not recorded."""
        return dict(self.moments).get(moment)


@dataclass(frozen=True)
class StartupComparison:
    """Containers and virtual machines started in turn; `warm_up` starts are not counted.

    `accelerator` is what the virtual machines ran on.
    """

    samples: tuple[Start, ...]
    warm_up: tuple[Start, ...]
    planned_rounds: int
    accelerator: Accelerator
    interrupted: bool = False

    @property
    def meaning(self) -> str:
        """What the accelerator does to the virtual machines' numbers, in words."""
        return self.accelerator.meaning()

    @property
    def kinds(self) -> tuple[str, ...]:
        """What was started, containers first."""
        return tuple(dict.fromkeys(sorted((s.kind for s in self.samples), key=_rank)))

    @property
    def rounds(self) -> int:
        """How many rounds are complete."""
        return min((len(self.starts(kind)) for kind in self.kinds), default=0)

    def starts(self, kind: str) -> tuple[Start, ...]:
        """Return the counted starts of one kind, in their order."""
        return tuple(sample for sample in self.samples if sample.kind == kind)

    def moments(self, kind: str) -> tuple[str, ...]:
        """Return the moments that were recorded for a kind, in the order they usually come."""
        recorded = {name for start in self.starts(kind) for name, _ in start.moments}
        order = CONTAINER_MOMENTS if kind == CONTAINER else VM_MOMENTS
        return tuple(name for name in order if name in recorded)

    def all_seconds(self, kind: str, moment: str) -> tuple[float, ...]:
        """Return every start's seconds to a moment."""
        values = (start.seconds(moment) for start in self.starts(kind))
        return tuple(seconds for seconds in values if seconds is not None)

    def median_seconds(self, kind: str, moment: str) -> float:
        """Return the median of a kind's seconds to a moment."""
        return median(self.all_seconds(kind, moment))

    def ratio(self, kind: str, moment: str = FIRST_ANSWER) -> float:
        """Return how many times longer than the container a kind took, by the medians."""
        return self.median_seconds(kind, moment) / self.median_seconds(CONTAINER, moment)

    def facts(self) -> str:
        """Return who was ready first, if the medians are at least a factor of two apart."""
        lines = []
        for kind in self.kinds[1:] if CONTAINER in self.kinds else ():
            for moment in READY:
                ratio = self.ratio(kind, moment)
                first, second = (CONTAINER, kind) if ratio > 1 else (kind, CONTAINER)
                lines.append(
                    f"{moment}: the {first} and the {second} came at about the same time"
                    if 1 / FAR_APART < ratio < FAR_APART
                    else f"{moment}: the {first} came before the {second}"
                )
        return "\n".join(lines)

    def headline(self) -> str:
        """Return what the numbers are, of how many rounds, and whether Ctrl-C ended them early."""
        rounds = f"{self.rounds} round{'' if self.rounds == 1 else 's'}"
        if self.interrupted:
            rounds += f" of {self.planned_rounds}, then stopped"
        return f"Startup in seconds, interleaved: medians (min–max) of {rounds}"

    def text(self) -> str:
        """Return a table for each kind, with a row for each moment."""
        parts = [self.headline()]
        for kind in self.kinds:
            rows = [
                (f"  {moment}", spread(self.all_seconds(kind, moment)))
                for moment in self.moments(kind)
            ]
            parts.append(f"{kind}\n{text_table(rows)}")
        parts.append(f"accelerator: {self.accelerator.text()}\n{self.meaning}")
        parts.append(f"the container in a terminal: {IN_A_TERMINAL}")
        return "\n\n".join(parts)


def _rank(kind: str) -> int:
    return (CONTAINER, MINIMAL_VM, FULL_VM).index(kind)
