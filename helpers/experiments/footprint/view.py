"""The footprints as figures: the memory of one of each by part, and of several of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from helpers.experiments.figure import (
    INK,
    LABEL,
    PARTS,
    add_legend,
    bundle,
    canvas,
    plain,
    stack_bars,
)
from helpers.experiments.footprint import result
from helpers.experiments.footprint.result import Density, FootprintComparison
from helpers.tables import memory_size

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MIB = 1 << 20


def figure_of_one(comparison: FootprintComparison) -> Figure:
    """Draw a bar for the memory of each, divided into its parts."""
    drawing = canvas(3.2, comparison.title())
    axes = drawing.subplots()
    bars = {
        each.kind: {part: size / MIB for part, size in each.memory.items()}
        for each in comparison.footprints
    }
    stack_bars(axes, bars, result.PARTS, lambda mib: memory_size(round(mib * MIB)))
    axes.set_xlabel("memory in MiB", **LABEL)
    add_legend(drawing, result.PARTS)
    return drawing


def figure_of_several(density: Density) -> Figure:
    """Draw a line for each kind: the memory of 1, 2, 4, … of them."""
    drawing = canvas(3.3, density.title())
    axes = drawing.subplots()
    for (kind, sizes), (color, _), line in zip(
        density.memory_bytes.items(), PARTS, ("o-", "s--"), strict=False
    ):
        mib = [size / MIB for size in sizes]
        axes.plot(density.counts, mib, line, color=INK, markersize=9, mfc=color, label=kind)
    axes.set_xticks(density.counts)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("number running", **LABEL)
    axes.set_ylabel("total memory (MiB)", **LABEL)
    axes.legend(loc="upper left", fontsize=12, frameon=False)
    plain(axes)
    return drawing


def mimebundle(comparison: FootprintComparison) -> dict[str, Any]:
    """Return the comparison as a figure with alt text, a PNG image and a plain table."""
    alt = f"{comparison.title()}. Bars divided into parts; the table below has all values."
    return bundle(comparison.text(), alt, figure_of_one(comparison))


def density_bundle(density: Density) -> dict[str, Any]:
    """Return the memory of several as a figure with alt text, a PNG image and a plain table."""
    alt = f"{density.title()}. A line for each kind; the table below has all values."
    return bundle(density.text(), alt, figure_of_several(density))


RENDERERS = {FootprintComparison: mimebundle, Density: density_bundle}
