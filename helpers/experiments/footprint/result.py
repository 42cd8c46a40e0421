"""What a container and a virtual machine need at rest: memory, disk, processes; sizes in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import linear_regression

from helpers.experiments.startup.result import CONTAINER, MINIMAL_VM
from helpers.tables import human_size, memory_size, text_table
from helpers.vm.accelerator import Accelerator


@dataclass(frozen=True)
class Footprint:
    """One of a kind at rest: `memory_of` is what the memory was read from, `disk` its files."""

    kind: str
    memory_bytes: int | None
    memory_of: str
    disk: tuple[tuple[str, int], ...]
    processes: int

    @property
    def disk_bytes(self) -> int:
        """The total size on disk."""
        return sum(size for _, size in self.disk)

    @property
    def memory(self) -> str:
        """The memory with its unit, or that the engine does not report it."""
        return "not reported" if self.memory_bytes is None else memory_size(self.memory_bytes)


@dataclass(frozen=True)
class Density:
    """The memory that 1, 2, 4, … of a kind use together, and so the cost of one more."""

    kind: str
    counts: tuple[int, ...]
    memory_bytes: tuple[int, ...]
    available_bytes: int

    @property
    def marginal_bytes(self) -> float:
        """The cost of one more: the slope of the straight line through the measured points."""
        return linear_regression(self.counts, self.memory_bytes).slope

    @property
    def marginal(self) -> str:
        """The cost of one more, with its unit."""
        return memory_size(round(self.marginal_bytes))

    @property
    def fits(self) -> int:
        """How many would use up the memory that was free, if each costs as much as one more."""
        return int(self.available_bytes // self.marginal_bytes) if self.marginal_bytes > 0 else 0


@dataclass(frozen=True)
class FootprintComparison:
    """Both kinds at rest, and how many of each would fit; `accelerator` is the VMs'."""

    footprints: tuple[Footprint, ...]
    densities: tuple[Density, ...]
    accelerator: Accelerator

    def footprint(self, kind: str) -> Footprint:
        """Return one of a kind at rest."""
        return next(footprint for footprint in self.footprints if footprint.kind == kind)

    def density(self, kind: str) -> Density:
        """Return how the memory of a kind grows with their number."""
        return next(density for density in self.densities if density.kind == kind)

    def facts(self) -> str:
        """Return which of the two needs less of each, and which fits more often."""
        container, vm = self.footprint(CONTAINER), self.footprint(MINIMAL_VM)
        more = self.density(CONTAINER).fits > self.density(MINIMAL_VM).fits
        lines = [
            f"less on disk: {_less(container.disk_bytes, vm.disk_bytes)}",
            f"fewer processes: {_less(container.processes, vm.processes)}",
            f"more of them fit into the memory: {CONTAINER if more else MINIMAL_VM}",
        ]
        if container.memory_bytes is not None and vm.memory_bytes is not None:
            lines.insert(0, f"less memory: {_less(container.memory_bytes, vm.memory_bytes)}")
        return "\n".join(lines)

    def text(self) -> str:
        """Return two tables: one of each at rest, and the memory of several."""
        one = [
            ("one at rest", *(each.kind for each in self.footprints)),
            ("memory", *(each.memory for each in self.footprints)),
            ("  of", *(each.memory_of for each in self.footprints)),
            ("on disk", *(human_size(each.disk_bytes) for each in self.footprints)),
            ("processes it sees", *(str(each.processes) for each in self.footprints)),
        ]
        several = [
            ("several at rest", *(each.kind for each in self.densities)),
            *(
                (
                    f"memory of {count}",
                    *(memory_size(each.memory_bytes[i]) for each in self.densities),
                )
                for i, count in enumerate(self.densities[0].counts)
            ),
            ("one more costs", *(each.marginal for each in self.densities)),
            ("would fit here", *(f"{each.fits:,}" for each in self.densities)),
        ]
        free = memory_size(self.densities[0].available_bytes)
        return (
            f"{text_table(one)}\n\n{text_table(several)}\n\nfree memory at the start: {free}; "
            f"virtual machines: {self.accelerator.text()}\n{self.note()}"
        ).rstrip()

    def note(self) -> str:
        """Return what emulation adds to a virtual machine's memory; empty without emulation."""
        if not self.accelerator.emulated:
            return ""
        return (
            "When QEMU emulates the CPU, it also keeps the translated instructions in memory: some "
            "tens of MiB for each guest."
        )


def _less(container: int, vm: int) -> str:
    return CONTAINER if container < vm else MINIMAL_VM
