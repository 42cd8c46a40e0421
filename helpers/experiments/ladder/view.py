"""The ladder as a figure: one line per rung on a logarithmic axis, published numbers separate.

A measured rung is a filled marker with its range, a missing one shows the reason, and a published
measurement is an empty diamond.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from helpers.experiments.figure import INK, PALE, bundle, canvas, plain
from helpers.experiments.ladder.result import Ladder, Reference, Rung
from helpers.tables import duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOWEST, HIGHEST = 0.0003, 300.0
BAR = "#2f6f9f"
TICKS = {0.001: "1 ms", 0.01: "10 ms", 0.1: "100 ms", 1.0: "1 s", 10.0: "10 s", 100.0: "100 s"}


def figure(ladder: Ladder) -> Figure:
    """Draw the rungs from the top down, lowest first, and below them the published numbers."""
    line = len(ladder.rungs)  # of the heading between the two
    rows = line + 1 + len(ladder.references)
    drawing = canvas(1.2 + 0.36 * rows)
    axes = drawing.subplots()
    for row, rung in enumerate(ladder.rungs):
        draw_rung(axes, row, rung)
    draw_heading(axes, line)
    for row, reference in enumerate(ladder.references, line + 1):
        draw_reference(axes, row, reference)
    names = {row: rung.name for row, rung in enumerate(ladder.rungs)}
    names |= {row: split_name(ref)[0] for row, ref in enumerate(ladder.references, line + 1)}
    axes.set_yticks(list(names), list(names.values()), fontsize=11, color=INK)
    axes.set_ylim(rows - 0.5, -0.6)
    axes.set_xscale("log")
    axes.set_xlim(LOWEST, HIGHEST)
    axes.set_xticks(list(TICKS), list(TICKS.values()))
    axes.grid(axis="x", color="#d8dde2", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(
        "time to the program's first line (logarithmic: each grid line is ten times the one before)",
        fontsize=11,
        color=INK,
    )
    plain(axes)
    drawing.suptitle(
        "Time to start the same program, from a plain process to a VM", fontsize=13, color=INK
    )
    return drawing


def draw_rung(axes: Axes, row: int, rung: Rung) -> None:
    """Draw a rung's median with its range, or why it is missing."""
    middle = rung.median_seconds
    if middle is None:
        axes.text(
            LOWEST * 1.3, row, rung.text(), va="center", fontsize=10.5, style="italic", color=PALE
        )
        return
    fastest, slowest = min(rung.seconds), max(rung.seconds)
    axes.barh(row, middle - LOWEST, left=LOWEST, height=0.5, color=BAR, alpha=0.35)
    axes.errorbar(
        middle,
        row,
        xerr=[[middle - fastest], [slowest - middle]],
        fmt="o",
        color=INK,
        capsize=3.5,
        markersize=6,
    )
    axes.text(
        slowest * 1.25,
        row,
        duration(middle),
        va="center",
        fontsize=11.5,
        fontweight="bold",
        color=INK,
    )


def draw_heading(axes: Axes, row: int) -> None:
    """Draw the line that separates the published measurements."""
    axes.axhline(row, color=PALE, linewidth=0.8, linestyle=":")
    axes.text(
        LOWEST * 1.3,
        row,
        "published measurements from other machines",
        va="center",
        fontsize=10.5,
        color=PALE,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 2},
    )


def draw_reference(axes: Axes, row: int, reference: Reference) -> None:
    """Draw a published measurement with its source."""
    system = split_name(reference)[1]
    source = f"{system}; {reference.source}" if system else reference.source
    axes.plot(reference.seconds, row, "D", color=INK, fillstyle="none", markersize=7)
    axes.text(
        reference.seconds * 1.35,
        row,
        f"{duration(reference.seconds)}  ({source})",
        va="center",
        fontsize=10.5,
        color=INK,
    )


def split_name(reference: Reference) -> tuple[str, str]:
    """Return what was timed, and the name in brackets after it (empty if there is none)."""
    what, _, system = reference.what.partition(" (")
    return what, system.rstrip(")")


def alt_text(ladder: Ladder) -> str:
    """Return what the figure shows, in sentences."""
    rungs = "; ".join(f"{rung.name}: {' '.join(rung.text().split())}" for rung in ladder.rungs)
    references = "; ".join(
        f"{ref.what}: {duration(ref.seconds)}, {ref.source}" for ref in ladder.references
    )
    return (
        f"Time to the first line of one small program, on a logarithmic axis. {rungs}. "
        f"Published measurements: {references}."
    )


def mimebundle(ladder: Ladder) -> dict[str, Any]:
    """Return the ladder as a figure with alt text, a PNG image and a plain table."""
    return bundle(ladder.text(), alt_text(ladder), figure(ladder))


RENDERERS: dict[type, Callable[[Any], dict[str, Any]]] = {Ladder: mimebundle}
