"""What a container and a virtual machine cost while they only wait: memory, disk, processes.

Frozen values and the words for them; sizes in bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from helpers.results.accelerator import Accelerator
from helpers.results.build import human_size
from helpers.results.columns import columns
from helpers.results.startup import CONTAINER, MINIMAL_VM


@dataclass(frozen=True)
class Footprint:
    """One of a kind at rest: `memory_of` says whose memory it is, `disk` what lies on disk."""

    kind: str
    memory_bytes: int | None
    memory_of: str
    disk: tuple[tuple[str, int], ...]
    processes: int

    @property
    def disk_bytes(self) -> int:
        """All that lies on disk."""
        return sum(size for _, size in self.disk)


@dataclass(frozen=True)
class Density:
    """The memory that 1, 2, 4, … of a kind held together, and so the cost of one more."""

    kind: str
    counts: tuple[int, ...]
    memory_bytes: tuple[int, ...]
    available_bytes: int

    @property
    def marginal_bytes(self) -> float:
        """The cost of one more: the slope of the straight line through the measured points."""
        middle_x = sum(self.counts) / len(self.counts)
        middle_y = sum(self.memory_bytes) / len(self.counts)
        over = sum((x - middle_x) * (y - middle_y)
                   for x, y in zip(self.counts, self.memory_bytes, strict=True))
        return over / sum((x - middle_x) ** 2 for x in self.counts)

    @property
    def fits(self) -> int:
        """How many would use up the memory that was free, had each the cost of one more."""
        return int(self.available_bytes // self.marginal_bytes) if self.marginal_bytes > 0 else 0


@dataclass(frozen=True)
class FootprintComparison:
    """Both kinds at rest, and how many of each would fit; `accelerator` is the VMs'."""

    footprints: tuple[Footprint, ...]
    densities: tuple[Density, ...]
    accelerator: Accelerator

    def of(self, kind: str) -> Footprint:
        """One of a kind at rest."""
        return next(found for found in self.footprints if found.kind == kind)

    def density(self, kind: str) -> Density:
        """How the memory of a kind grows with their number."""
        return next(found for found in self.densities if found.kind == kind)

    def facts(self) -> str:
        """Which of the two needs less of each, and of which more would fit."""
        box, vm = self.of(CONTAINER), self.of(MINIMAL_VM)
        more = self.density(CONTAINER).fits > self.density(MINIMAL_VM).fits
        lines = [f"less on disk: {_less(box.disk_bytes, vm.disk_bytes)}",
                 f"fewer processes: {_less(box.processes, vm.processes)}",
                 f"more of them fit into the memory: {'container' if more else MINIMAL_VM}"]
        if box.memory_bytes is not None and vm.memory_bytes is not None:
            lines.insert(0, f"less memory: {_less(box.memory_bytes, vm.memory_bytes)}")
        return "\n".join(lines)

    def text(self) -> str:
        """Two tables: one of each at rest, and the memory of several."""
        rows = [("one, waiting", *(found.kind for found in self.footprints)),
                ("memory", *(size(found.memory_bytes) for found in self.footprints)),
                ("  held by", *(found.memory_of for found in self.footprints)),
                ("on disk", *(size(found.disk_bytes) for found in self.footprints)),
                ("processes it sees", *(str(found.processes) for found in self.footprints))]
        many = [("several, waiting", *(found.kind for found in self.densities))]
        for i, count in enumerate(self.densities[0].counts):
            many.append((f"memory of {count}", *(
                size(found.memory_bytes[i]) for found in self.densities)))
        many += [("one more costs", *(size(round(d.marginal_bytes)) for d in self.densities)),
                 ("would fit here", *(f"{d.fits:,}" for d in self.densities))]
        free = human_size(self.densities[0].available_bytes)
        return (f"{columns(rows)}\n\n{columns(many)}\n\nfree memory at the start: {free}; "
                f"virtual machines: {self.accelerator.text()}\n{self.note()}").rstrip()

    def note(self) -> str:
        """What emulation adds to a virtual machine's memory; empty without it."""
        return ("With emulation QEMU also keeps the translated instructions, some tens of "
                "megabytes for each guest.") if self.accelerator.emulated else ""


def size(size_bytes: int | None) -> str:
    """A number of bytes in words; "not told" where the engine has none."""
    return "not told" if size_bytes is None else human_size(size_bytes)


def _less(container: int, vm: int) -> str:
    return "container" if container < vm else MINIMAL_VM
