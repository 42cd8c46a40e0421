"""How the footprints look: one of each at rest, and how the memory grows with their number.

Must not know how it was measured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from helpers.results.build import human_size
from helpers.results.footprint import FootprintComparison, size
from helpers.results.startup import CONTAINER
from helpers.show.figure import INK, bundle, canvas, plain
from helpers.show.startup import FILLS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MB = 1e6


def figure(found: FootprintComparison) -> Figure:
    """Memory and disk of one on the left, the memory of several on the right."""
    drawn = canvas(4.0)
    left, right = drawn.subplots(1, 2, width_ratios=[1, 1.15])
    draw_one(left, found)
    draw_several(right, found)
    drawn.suptitle("What it costs to keep one waiting, and one more", fontsize=13, color=INK)
    return drawn


def draw_one(axes: Axes, found: FootprintComparison) -> None:
    """Bars on a logarithmic axis: memory and disk of one of each."""
    rows = []
    for what in ("memory", "on disk"):
        for one in found.footprints:
            value = one.memory_bytes if what == "memory" else one.disk_bytes
            rows.append((f"{what}, {one.kind}", value, one.kind))
    for row, (_, value, kind) in enumerate(rows):
        if value is None:
            axes.text(0.012, row, "not told by this engine", va="center", fontsize=11, color=INK)
            continue
        axes.barh(row, value / MB, height=0.62, color=FILLS[kind], edgecolor=INK,
                  hatch="" if kind == CONTAINER else "////", linewidth=0.8)
        axes.text(value / MB * 1.2, row, human_size(value), va="center", fontsize=11,
                  fontweight="bold", color=INK)
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows], fontsize=11, color=INK)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xscale("log")
    largest = max(value for _, value, _ in rows if value) / MB
    axes.set_xlim(0.01, largest * 60)
    axes.set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    axes.minorticks_off()
    axes.set_xlabel("megabytes (each mark: ten times as much)", fontsize=11, color=INK)
    axes.set_title("One, waiting", loc="left", fontsize=12, fontweight="bold", color=INK)
    plain(axes)


def draw_several(axes: Axes, found: FootprintComparison) -> None:
    """A line for each kind: the memory of 1, 2, 4, … of them."""
    for density in found.densities:
        box = density.kind == CONTAINER
        held = [value / MB for value in density.memory_bytes]
        axes.plot(density.counts, held, "o-" if box else "s--", color=INK, linewidth=1.6,
                  markersize=7, markerfacecolor=FILLS[density.kind],
                  label=f"{density.kind}: one more costs "
                        f"{size(round(density.marginal_bytes))}")
    axes.set_xticks(found.densities[0].counts)
    # Room for the legend above the lines.
    axes.set_ylim(0, max(max(d.memory_bytes) for d in found.densities) / MB * 1.35)
    axes.set_xlabel("how many are running", fontsize=11, color=INK)
    axes.set_ylabel("megabytes of memory, all together", fontsize=11, color=INK)
    axes.set_title("Several, waiting", loc="left", fontsize=12, fontweight="bold", color=INK)
    axes.legend(loc="upper left", fontsize=11, frameon=False)
    plain(axes)


def alt_text(found: FootprintComparison) -> str:
    """What the figure shows, in sentences."""
    ones = "; ".join(f"one {one.kind}: memory {size(one.memory_bytes)}, on disk "
                     f"{size(one.disk_bytes)}" for one in found.footprints)
    more = "; ".join(
        f"{d.kind}: " + ", ".join(f"{n}: {size(held)}" for n, held in
                                  zip(d.counts, d.memory_bytes, strict=True))
        + f", one more costs {size(round(d.marginal_bytes))}" for d in found.densities)
    return f"At rest, {ones}. Several at once, {more}. {found.note()}".rstrip()


def mimebundle(found: FootprintComparison) -> dict[str, Any]:
    """The footprints as a figure with alt text, a PNG image and plain tables."""
    return bundle(found.text(), alt_text(found), figure(found))


RENDERERS: dict[type, Callable[[Any], dict[str, Any]]] = {FootprintComparison: mimebundle}
