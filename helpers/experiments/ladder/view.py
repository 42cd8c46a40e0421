"""The ladder as a figure: a point for each rung on a logarithmic axis, with its range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from helpers.experiments.figure import INK, LABEL, PALE, bundle, canvas, plain
from helpers.experiments.ladder.result import ENGINE, MINIMAL, PROCESS, Ladder, Rung
from helpers.tables import duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOWEST, HIGHEST = 0.0003, 300.0
TICKS = {0.001: "1 ms", 0.01: "10 ms", 0.1: "100 ms", 1.0: "1 s", 10.0: "10 s", 100.0: "100 s"}


def title(ladder: Ladder) -> str:
    """Return the message of the figure: three of its times."""
    times = (
        f"{name} {duration(ladder.rung(name).median_seconds or 0)}"
        for name in (PROCESS, ENGINE, MINIMAL)
        if ladder.rung(name).seconds
    )
    return f"Time to the first line: {', '.join(times)}"


def figure(ladder: Ladder) -> Figure:
    """Draw the rungs from the top down, lowest first."""
    drawing = canvas(1.2 + 0.34 * len(ladder.rungs), title(ladder))
    axes = drawing.subplots()
    for row, rung in enumerate(ladder.rungs):
        draw_rung(axes, row, rung)
    axes.set_yticks(range(len(ladder.rungs)), [rung.name for rung in ladder.rungs], **LABEL)
    axes.set_ylim(len(ladder.rungs) - 0.5, -0.5)
    axes.set_xscale("log")
    axes.set_xlim(LOWEST, HIGHEST)
    axes.set_xticks(list(TICKS), list(TICKS.values()))
    axes.grid(axis="x", color="#d8dde2", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel("logarithmic axis: each grid line is ten times the one before", **LABEL)
    plain(axes)
    return drawing


def draw_rung(axes: Axes, row: int, rung: Rung) -> None:
    """Draw a rung's median with its range, or why it is missing."""
    middle = rung.median_seconds
    if middle is None:
        axes.text(LOWEST * 1.3, row, rung.text(), va="center", fontsize=12, color=PALE)
        return
    fastest, slowest = min(rung.seconds), max(rung.seconds)
    spread = [[middle - fastest], [slowest - middle]]
    axes.errorbar(middle, row, xerr=spread, fmt="o", color=INK, capsize=4, markersize=8)
    axes.text(slowest * 1.3, row, duration(middle), va="center", fontweight="bold", **LABEL)


def mimebundle(ladder: Ladder) -> dict[str, Any]:
    """Return the ladder as a figure with alt text, a PNG image and a plain table."""
    alt = f"{title(ladder)}. Points on a logarithmic axis; the table below has all values."
    return bundle(ladder.text(), alt, figure(ladder))


RENDERERS = {Ladder: mimebundle}
