"""The footprints as a figure: one of each at rest, and how the memory grows with their number."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from helpers.experiments.figure import INK, bundle, canvas, plain
from helpers.experiments.footprint.result import FootprintComparison
from helpers.experiments.startup.result import CONTAINER
from helpers.experiments.startup.view import FILLS
from helpers.tables import human_size, memory_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MIB = 1 << 20
# Memory and disk share an axis in bytes; each bar has its size in its usual unit.
TICKS = {1e5: "100 kB", 1e6: "1 MB", 1e7: "10 MB", 1e8: "100 MB"}


def figure(result: FootprintComparison) -> Figure:
    """Draw memory and disk of one on the left, the memory of several on the right."""
    drawing = canvas(4.0)
    left, right = drawing.subplots(1, 2, width_ratios=[1, 1.15])
    draw_one(left, result)
    draw_several(right, result)
    drawing.suptitle("The cost of one at rest, and of one more", fontsize=13, color=INK)
    return drawing


def draw_one(axes: Axes, result: FootprintComparison) -> None:
    """Draw bars on a logarithmic axis: memory and disk of one of each."""
    bars = [
        *(
            (f"memory, {one.kind}", one.kind, one.memory_bytes, one.memory)
            for one in result.footprints
        ),
        *(
            (f"on disk, {one.kind}", one.kind, one.disk_bytes, human_size(one.disk_bytes))
            for one in result.footprints
        ),
    ]
    for row, (_, kind, size, text) in enumerate(bars):
        if size is None:
            axes.text(1.2e4, row, f"{text} by this engine", va="center", fontsize=11, color=INK)
            continue
        axes.barh(
            row,
            size,
            height=0.62,
            color=FILLS[kind],
            edgecolor=INK,
            hatch="" if kind == CONTAINER else "////",
            linewidth=0.8,
        )
        axes.text(size * 1.2, row, text, va="center", fontsize=11, fontweight="bold", color=INK)
    axes.set_yticks(range(len(bars)), [name for name, *_ in bars], fontsize=11, color=INK)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xscale("log")
    axes.set_xlim(1e4, max(size for _, _, size, _ in bars if size) * 60)
    axes.set_xticks(list(TICKS), list(TICKS.values()))
    axes.minorticks_off()
    axes.set_xlabel("size (logarithmic)", fontsize=11, color=INK)
    axes.set_title("One at rest", loc="left", fontsize=12, fontweight="bold", color=INK)
    plain(axes)


def draw_several(axes: Axes, result: FootprintComparison) -> None:
    """Draw a line for each kind: the memory of 1, 2, 4, … of them."""
    for density in result.densities:
        axes.plot(
            density.counts,
            [size / MIB for size in density.memory_bytes],
            "o-" if density.kind == CONTAINER else "s--",
            color=INK,
            linewidth=1.6,
            markersize=7,
            markerfacecolor=FILLS[density.kind],
            label=f"{density.kind}: one more costs {density.marginal}",
        )
    axes.set_xticks(result.densities[0].counts)
    # Room for the legend above the lines.
    axes.set_ylim(0, max(max(each.memory_bytes) for each in result.densities) / MIB * 1.35)
    axes.set_xlabel("how many are running", fontsize=11, color=INK)
    axes.set_ylabel("memory of all together, in MiB", fontsize=11, color=INK)
    axes.set_title("Several at rest", loc="left", fontsize=12, fontweight="bold", color=INK)
    axes.legend(loc="upper left", fontsize=11, frameon=False)
    plain(axes)


def alt_text(result: FootprintComparison) -> str:
    """Return what the figure shows, in sentences."""
    one = "; ".join(
        f"one {each.kind}: memory {each.memory}, on disk {human_size(each.disk_bytes)}"
        for each in result.footprints
    )
    several = "; ".join(
        f"{each.kind}: "
        + ", ".join(
            f"{count}: {memory_size(size)}"
            for count, size in zip(each.counts, each.memory_bytes, strict=True)
        )
        + f", one more costs {each.marginal}"
        for each in result.densities
    )
    return f"At rest, {one}. Several at once, {several}. {result.note()}".rstrip()


def mimebundle(result: FootprintComparison) -> dict[str, Any]:
    """Return the footprints as a figure with alt text, a PNG image and plain tables."""
    return bundle(result.text(), alt_text(result), figure(result))


RENDERERS: dict[type, Callable[[Any], dict[str, Any]]] = {FootprintComparison: mimebundle}
