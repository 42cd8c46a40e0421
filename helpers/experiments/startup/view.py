"""The startup comparison as a figure: all kinds on one scale, then the container enlarged.

A bar is a kind's median startup, divided into its phases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from helpers.experiments.figure import INK, LABEL, add_legend, bundle, canvas, stack_bars
from helpers.experiments.startup.result import (
    CONTAINER,
    CREATED,
    FIRMWARE,
    FIRST_ANSWER,
    FIRST_OUTPUT,
    KERNEL,
    REMOVED,
    StartupComparison,
)
from helpers.tables import duration

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What happens before a moment.
PHASES = {
    CREATED: "the engine creates the container",
    FIRMWARE: "QEMU starts",
    KERNEL: "the firmware runs",
    FIRST_ANSWER: "the server answers",
}
SET_UP, BOOT = "the engine starts the container", "the guest boots"
LEGEND = (PHASES[CREATED], SET_UP, PHASES[FIRST_ANSWER], PHASES[FIRMWARE], PHASES[KERNEL], BOOT)


def figure(result: StartupComparison) -> Figure:
    """Draw all kinds on one scale, and below them the container alone, enlarged."""
    rows = len(result.kinds)
    drawing = canvas(2.5 + 0.5 * rows, result.title())
    bars = {kind: phases(result, kind) for kind in result.kinds}
    top, bottom = drawing.subplots(2, 1, height_ratios=[rows, 1])
    stack_bars(top, bars, LEGEND, duration)
    stack_bars(bottom, {CONTAINER: phases(result, CONTAINER)}, LEGEND, duration)
    bottom.set_title("The container, enlarged", loc="left", fontsize=12, color=INK)
    bottom.set_xlabel("seconds since the container was requested (median)", **LABEL)
    add_legend(drawing, LEGEND)
    return drawing


def phases(result: StartupComparison, kind: str) -> dict[str, float]:
    """Return the phases of a kind's startup in order, each with its seconds by the medians."""
    parts, began = {}, 0.0
    moments = result.moments(kind)
    for moment in moments:
        if moment == REMOVED:  # startup ends with the first answer
            continue
        starting = SET_UP if kind == CONTAINER else BOOT
        ended = result.median_seconds(kind, moment)
        if moment == KERNEL and FIRMWARE not in moments:  # on arm64, QEMU starts the kernel itself
            moment = FIRMWARE
        parts[starting if moment == FIRST_OUTPUT else PHASES[moment]] = max(0.0, ended - began)
        began = ended
    return parts


def mimebundle(result: StartupComparison) -> dict[str, Any]:
    """Return the comparison as a figure with alt text, a PNG image and a plain table."""
    alt = f"{result.title()}. Bars divided into phases; the table below has all values."
    return bundle(result.text(), alt, figure(result))


RENDERERS = {StartupComparison: mimebundle}
