"""What a container and a virtual machine need at rest: memory, disk, processes; sizes in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import linear_regression

from helpers.experiments.startup.result import CONTAINER, MINIMAL_VM
from helpers.tables import human_size, memory_size, text_table
from helpers.vm.accelerator import Accelerator

# The parts of the memory that exists because of one container or one virtual machine.
SERVER, SHIM, GUEST_RAM, TRANSLATED, QEMU = PARTS = (
    "the server's processes",
    "containerd-shim",
    "the guest's RAM in use",
    "translated instructions",
    "QEMU itself",
)


@dataclass(frozen=True)
class Footprint:
    """One of a kind at rest: `memory` is in bytes by part, `disk_bytes` the size of its files."""

    kind: str
    memory: dict[str, int]
    disk_bytes: int
    processes: int

    @property
    def memory_bytes(self) -> int:
        """The total memory."""
        return sum(self.memory.values())


@dataclass(frozen=True)
class FootprintComparison:
    """A container and a virtual machine at rest; `guest_ram_bytes` is what the guest was given."""

    footprints: tuple[Footprint, ...]
    guest_ram_bytes: int
    accelerator: Accelerator

    def footprint(self, kind: str) -> Footprint:
        """Return one of a kind at rest."""
        return next(footprint for footprint in self.footprints if footprint.kind == kind)

    def facts(self) -> str:
        """Return which of the two needs less of each."""
        container, vm = self.footprint(CONTAINER), self.footprint(MINIMAL_VM)
        return "\n".join(
            f"{what}: {CONTAINER if less < more else MINIMAL_VM}"
            for what, less, more in (
                ("less memory", container.memory_bytes, vm.memory_bytes),
                ("less on disk", container.disk_bytes, vm.disk_bytes),
                ("fewer processes", container.processes, vm.processes),
            )
        )

    def title(self) -> str:
        """Return the message of the numbers: the memory of each."""
        sizes = (f"{each.kind} {memory_size(each.memory_bytes)}" for each in self.footprints)
        return f"Memory when idle: {', '.join(sizes)}"

    def text(self) -> str:
        """Return a table: memory in total and by part, disk, processes."""
        parts = [part for part in PARTS if any(part in each.memory for each in self.footprints)]
        rows = [
            ("one, idle", *(each.kind for each in self.footprints)),
            ("memory", *(memory_size(each.memory_bytes) for each in self.footprints)),
            *(
                (
                    f"  {part}",
                    *(
                        memory_size(each.memory[part]) if part in each.memory else "–"
                        for each in self.footprints
                    ),
                )
                for part in parts
            ),
            ("on disk", *(human_size(each.disk_bytes) for each in self.footprints)),
            ("processes it sees", *(str(each.processes) for each in self.footprints)),
        ]
        return f"{text_table(rows)}\n\n{self.note()}"

    def note(self) -> str:
        """Return how much RAM the guest has, and what ran its instructions."""
        return (
            f"The guest was given {memory_size(self.guest_ram_bytes)} of RAM; "
            f"virtual CPU: {self.accelerator.text()}."
        )


@dataclass(frozen=True)
class Density:
    """The memory that so many of each kind use together: `memory_bytes` has a row for each kind."""

    counts: tuple[int, ...]
    memory_bytes: dict[str, tuple[int, ...]]

    def one_more_bytes(self, kind: str) -> float:
        """Return the cost of one more: the slope of the straight line through the points."""
        return linear_regression(self.counts, self.memory_bytes[kind]).slope

    def one_more(self, kind: str) -> str:
        """Return the cost of one more, with its unit."""
        return memory_size(round(self.one_more_bytes(kind)))

    def facts(self) -> str:
        """Return of which kind one more costs less."""
        return f"less memory for each additional one: {min(self.memory_bytes, key=self.one_more_bytes)}"

    def title(self) -> str:
        """Return the message of the numbers: the cost of one more of each."""
        costs = (f"{kind} {self.one_more(kind)}" for kind in self.memory_bytes)
        return f"Memory for each additional one: {', '.join(costs)}"

    def text(self) -> str:
        """Return a table of the memory of several."""
        rows = [
            ("several, idle", *self.memory_bytes),
            *(
                (
                    f"total memory of {count}",
                    *(memory_size(row[i]) for row in self.memory_bytes.values()),
                )
                for i, count in enumerate(self.counts)
            ),
            ("each additional one", *map(self.one_more, self.memory_bytes)),
        ]
        return text_table(rows)
