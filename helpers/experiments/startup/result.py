"""What the startup comparison measured: every start of a container and of a virtual machine.

Every sentence is derived from the measured values.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from helpers.tables import duration, spread, text_table
from helpers.vm.accelerator import Accelerator

CONTAINER, MINIMAL_VM, FULL_VM = KINDS = ("container", "minimal VM", "full VM")
# The moments of a start, each in seconds since its request.
CREATED, FIRMWARE, KERNEL, FIRST_OUTPUT, FIRST_ANSWER, REMOVED = MOMENTS = (
    "created",
    "firmware",
    "kernel",
    "first output",
    "first answer",
    "removed",
)
READY = (FIRST_OUTPUT, FIRST_ANSWER)
# Medians closer than this factor count as the same: a busy machine can swap them.
FAR_APART = 2.0


@dataclass(frozen=True)
class Start:
    """One start: what was started, and the seconds from its request to each moment.

    A virtual machine's clock starts with its QEMU process; its "first output" is the first line
    from user space.
    """

    kind: str
    seconds: dict[str, float]


@dataclass(frozen=True)
class StartupComparison:
    """Containers and virtual machines started in turn; `accelerator` is what the VMs ran on.

    `interrupted` is whether Ctrl-C ended it before the planned rounds; incomplete rounds are left
    out.
    """

    samples: tuple[Start, ...]
    planned_rounds: int
    accelerator: Accelerator
    interrupted: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """What was started, containers first."""
        return tuple(kind for kind in KINDS if any(start.kind == kind for start in self.samples))

    @property
    def rounds(self) -> int:
        """How many rounds are complete."""
        return len(self.samples) // len(self.kinds)

    def moments(self, kind: str) -> tuple[str, ...]:
        """Return the moments of a kind's starts in order; not every machine shows its firmware."""
        start = next(start for start in self.samples if start.kind == kind)
        return tuple(moment for moment in MOMENTS if moment in start.seconds)

    def all_seconds(self, kind: str, moment: str) -> tuple[float, ...]:
        """Return every start's seconds to a moment."""
        return tuple(start.seconds[moment] for start in self.samples if start.kind == kind)

    def median_seconds(self, kind: str, moment: str = FIRST_ANSWER) -> float:
        """Return the median of a kind's seconds to a moment."""
        return median(self.all_seconds(kind, moment))

    def ratio(self, kind: str, moment: str = FIRST_ANSWER) -> float:
        """Return the median time of a kind divided by that of the container."""
        return self.median_seconds(kind, moment) / self.median_seconds(CONTAINER, moment)

    def facts(self) -> str:
        """Return who was ready first, if the medians are at least a factor of two apart."""
        lines = []
        for kind in self.kinds[1:] if CONTAINER in self.kinds else ():
            for moment in READY:
                ratio = self.ratio(kind, moment)
                first, second = (CONTAINER, kind) if ratio > 1 else (kind, CONTAINER)
                lines.append(
                    f"{moment}: the {first} and the {second} took about the same time"
                    if 1 / FAR_APART < ratio < FAR_APART
                    else f"{moment}: the {first} was faster than the {second}"
                )
        return "\n".join(lines)

    def title(self) -> str:
        """Return the message of the numbers: how long each kind took to its first answer."""
        times = (f"{kind} {duration(self.median_seconds(kind))}" for kind in self.kinds)
        return f"Time to the first answer: {', '.join(times)}"

    def headline(self) -> str:
        """Return what the numbers are, of how many rounds, and whether Ctrl-C ended them early."""
        rounds = f"{self.rounds} round{'' if self.rounds == 1 else 's'}"
        if self.interrupted:
            rounds += f" of {self.planned_rounds}, then stopped"
        kind = "median (min–max) of " if self.rounds > 1 else ""
        return f"Seconds since the container was requested or QEMU started: {kind}{rounds}"

    def text(self) -> str:
        """Return a table for each kind, with a row for each moment."""
        parts = [self.headline()]
        for kind in self.kinds:
            rows = [
                (f"  {moment}", spread(self.all_seconds(kind, moment)))
                for moment in self.moments(kind)
            ]
            parts.append(f"{kind}\n{text_table(rows)}")
        parts.append(f"virtual CPU: {self.accelerator.text()}\n{self.accelerator.meaning()}")
        return "\n\n".join(parts)
