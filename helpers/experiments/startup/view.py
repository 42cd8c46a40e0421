"""The startup comparison as a figure: all kinds on one scale, then the container enlarged.

A bar is a kind's median startup, divided at its moments. Every single start is a marker: a
triangle for its first output, a circle for its first answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from helpers.experiments.figure import INK, bundle, canvas, plain
from helpers.experiments.startup.result import (
    CONTAINER,
    CREATED,
    EXITED,
    FIRMWARE,
    FIRST_ANSWER,
    FIRST_OUTPUT,
    KERNEL,
    REMOVED,
    STARTED,
    StartupComparison,
)
from helpers.tables import duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FILLS = {CONTAINER: "#8ec3e6", "minimal VM": "#f0b98d", "full VM": "#d9cf8f"}
HATCHES = ("", "////", "....", "xxxx", "----", "\\\\\\\\")
MARKERS = {FIRST_OUTPUT: "^", FIRST_ANSWER: "o"}
# A part of a bar narrower than this share of the axis has no room for its name.
NARROWEST = 0.075
LEFT_OUT = (EXITED, REMOVED)  # startup ends with the first answer


def figure(result: StartupComparison) -> Figure:
    """Draw all kinds on one scale, and below them the container alone, enlarged."""
    enlarged = CONTAINER in result.kinds and len(result.kinds) > 1
    rows = len(result.kinds)
    drawing = canvas(1.4 + 0.7 * rows + (1.4 if enlarged else 0))
    panels = drawing.subplots(
        2 if enlarged else 1, 1, squeeze=False, height_ratios=[rows, 1.1] if enlarged else None
    )[:, 0]
    draw(panels[0], result, result.kinds)
    panels[0].set_title("On one scale", loc="left", fontsize=12, fontweight="bold", color=INK)
    if enlarged:
        draw(panels[1], result, (CONTAINER,))
        panels[1].set_title(
            "The container, enlarged", loc="left", fontsize=12, fontweight="bold", color=INK
        )
    panels[-1].set_xlabel("seconds since the start was requested", fontsize=11, color=INK)
    drawing.suptitle(title(result), fontsize=13, color=INK)
    handles = [
        panels[0].plot(
            [], [], MARKERS[m], color=INK, fillstyle="none", linestyle="", label=f"{m}, each start"
        )[0]
        for m in MARKERS
    ]
    drawing.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=11, frameon=False)
    return drawing


def title(result: StartupComparison) -> str:
    """Return what was compared, how often, and what the virtual machine ran on."""
    counted = f"{result.rounds} start{'' if result.rounds == 1 else 's'} of each"
    return (
        f"Time to the first answer: {counted}, interleaved "
        f"(virtual machine: {result.accelerator.short()})"
    )


def draw(axes: Axes, result: StartupComparison, kinds: tuple[str, ...]) -> None:
    """Draw a bar for each kind with its parts named if there is room, and every start."""
    longest = max(max(result.all_seconds(kind, FIRST_ANSWER)) for kind in kinds)
    for row, kind in enumerate(kinds):
        began = 0.0
        moments = [
            (m, result.median_seconds(kind, m)) for m in result.moments(kind) if m not in LEFT_OUT
        ]
        for number, (name, ended) in enumerate(sorted(moments, key=lambda each: each[1])):
            axes.barh(
                row,
                ended - began,
                left=began,
                height=0.62,
                color=FILLS[kind],
                edgecolor=INK,
                hatch=HATCHES[number % len(HATCHES)],
                linewidth=0.8,
            )
            if ended - began > longest * NARROWEST:
                axes.text(
                    (began + ended) / 2,
                    row,
                    part(kind, name),
                    ha="center",
                    va="center",
                    fontsize=10.5,
                    color=INK,
                    bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.5},
                )
            began = ended
        for moment, marker in MARKERS.items():
            seconds = result.all_seconds(kind, moment)
            axes.plot(
                seconds,
                [row + 0.42] * len(seconds),
                marker,
                color=INK,
                fillstyle="none",
                markersize=6,
                clip_on=False,
            )
        axes.text(
            began + longest * 0.015,
            row,
            duration(began),
            va="center",
            fontsize=11.5,
            fontweight="bold",
            color=INK,
        )
    axes.set_yticks(range(len(kinds)), kinds, fontsize=11.5, color=INK)
    axes.set_ylim(len(kinds) - 0.4, -0.55)
    axes.set_xlim(0, longest * 1.1)
    plain(axes)


def part(kind: str, moment: str) -> str:
    """Return what happens before a moment, in a few words."""
    if moment == FIRST_OUTPUT:
        what = "start" if kind == CONTAINER else "kernel and init"
        return f"{what}, up to first output"
    return {
        CREATED: "create",
        STARTED: "start",
        FIRST_ANSWER: "answer",
        FIRMWARE: "QEMU",
        KERNEL: "firmware",
    }[moment]


def alt_text(result: StartupComparison) -> str:
    """Return what the figure shows, in sentences."""
    parts = [title(result) + "."]
    for kind in result.kinds:
        moments = ", ".join(
            f"{moment} after {duration(result.median_seconds(kind, moment))}"
            for moment in result.moments(kind)
            if moment not in LEFT_OUT
        )
        parts.append(f"{kind[0].upper()}{kind[1:]}: {moments} (medians).")
    return " ".join([*parts, result.meaning])


def mimebundle(result: StartupComparison) -> dict[str, Any]:
    """Return the comparison as a figure with alt text, a PNG image and a plain table."""
    return bundle(result.text(), alt_text(result), figure(result))


RENDERERS: dict[type, Callable[[Any], dict[str, Any]]] = {StartupComparison: mimebundle}
