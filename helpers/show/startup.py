"""How the startup comparison looks: both on one scale, then the container enlarged.

A bar is the median way to being there, cut where its moments are; every single start is a mark:
a triangle for the first output, a circle for the first answer. Must not know how it was measured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from helpers.results.ladder import duration
from helpers.results.startup import (
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
from helpers.show.figure import INK, bundle, canvas, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FILLS = {CONTAINER: "#8ec3e6", "minimal VM": "#f0b98d", "full VM": "#d9cf8f"}
HATCHES = ("", "////", "....", "xxxx", "----", "\\\\\\\\")
MARKERS = {FIRST_OUTPUT: "^", FIRST_ANSWER: "o"}
# A part narrower than this share of the axis cannot hold its name; the table has it.
NARROWEST = 0.075
LEFT_OUT = (EXITED, REMOVED)       # the way to being there ends with the answer


def figure(found: StartupComparison) -> Figure:
    """All kinds on one scale above; the container alone, enlarged, below."""
    enlarged = CONTAINER in found.kinds and len(found.kinds) > 1
    rows = len(found.kinds)
    drawn = canvas(1.4 + 0.7 * rows + (1.4 if enlarged else 0))
    panels = drawn.subplots(2 if enlarged else 1, 1, squeeze=False,
                            height_ratios=[rows, 1.1] if enlarged else None)[:, 0]
    draw(panels[0], found, found.kinds)
    panels[0].set_title("On one scale", loc="left", fontsize=12, fontweight="bold", color=INK)
    if enlarged:
        draw(panels[1], found, (CONTAINER,))
        panels[1].set_title("The container, enlarged", loc="left", fontsize=12,
                            fontweight="bold", color=INK)
    panels[-1].set_xlabel("seconds since the start was asked for", fontsize=11, color=INK)
    drawn.suptitle(title(found), fontsize=13, color=INK)
    handles = [panels[0].plot([], [], MARKERS[m], color=INK, fillstyle="none", linestyle="",
                              label=f"{m}, each start")[0] for m in MARKERS]
    drawn.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=11, frameon=False)
    return drawn


def title(found: StartupComparison) -> str:
    """What was compared, how often, and on what the virtual machine ran."""
    counted = f"{found.rounds} start{'' if found.rounds == 1 else 's'} of each"
    return (f"From asking to the first answer: {counted}, in turn "
            f"(virtual machine: {found.accelerator.short()})")


def draw(axes: Axes, found: StartupComparison, kinds: tuple[str, ...]) -> None:
    """A bar for each kind, its parts named where they are wide enough, every start as marks."""
    longest = max(max(found.all_seconds(kind, FIRST_ANSWER)) for kind in kinds)
    for row, kind in enumerate(kinds):
        began = 0.0
        moments = [(m, found.median_seconds(kind, m)) for m in found.moments(kind)
                   if m not in LEFT_OUT]
        for number, (name, ended) in enumerate(sorted(moments, key=lambda each: each[1])):
            axes.barh(row, ended - began, left=began, height=0.62, color=FILLS[kind],
                      edgecolor=INK, hatch=HATCHES[number % len(HATCHES)], linewidth=0.8)
            if ended - began > longest * NARROWEST:
                axes.text((began + ended) / 2, row, part(kind, name), ha="center", va="center",
                          fontsize=10.5, color=INK, bbox={"facecolor": "white", "alpha": 0.85,
                                                          "edgecolor": "none", "pad": 1.5})
            began = ended
        for moment, marker in MARKERS.items():
            seconds = found.all_seconds(kind, moment)
            axes.plot(seconds, [row + 0.42] * len(seconds), marker, color=INK, fillstyle="none",
                      markersize=6, clip_on=False)
        axes.text(began + longest * 0.015, row, duration(began), va="center", fontsize=11.5,
                  fontweight="bold", color=INK)
    axes.set_yticks(range(len(kinds)), kinds, fontsize=11.5, color=INK)
    axes.set_ylim(len(kinds) - 0.4, -0.55)
    axes.set_xlim(0, longest * 1.1)
    plain(axes)


def part(kind: str, moment: str) -> str:
    """What happens on the way to a moment, in a few words."""
    if moment == FIRST_OUTPUT:
        return "start, up to first output" if kind == CONTAINER else (
            "kernel and init, up to first output")
    return {CREATED: "create", STARTED: "start", FIRST_ANSWER: "answer", FIRMWARE: "QEMU",
            KERNEL: "firmware"}[moment]


def alt_text(found: StartupComparison) -> str:
    """What the figure shows, in sentences."""
    parts = [title(found) + "."]
    for kind in found.kinds:
        told = ", ".join(f"{moment} after {duration(found.median_seconds(kind, moment))}"
                         for moment in found.moments(kind) if moment not in LEFT_OUT)
        parts.append(f"{kind[0].upper()}{kind[1:]}: {told} (medians).")
    return " ".join([*parts, found.meaning])


def mimebundle(found: StartupComparison) -> dict[str, Any]:
    """The comparison as a figure with alt text, a PNG image and a plain table."""
    return bundle(found.text(), alt_text(found), figure(found))


RENDERERS: dict[type, Callable[[Any], dict[str, Any]]] = {StartupComparison: mimebundle}
