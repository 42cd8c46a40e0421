"""Draws the caching experiment: both orders side by side, with a bar for each build step.

A cached step is hatched and labelled "cached"; a rebuilt one is solid, with its seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from helpers.build.dockerfile import shorten
from helpers.experiments.caching.result import PHASES, OrderExperiment, PhaseResult, StepSamples
from helpers.experiments.figure import INK, bundle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REBUILT, CACHED = "#b5460f", "#d7e8f5"


def mimebundle(experiment: OrderExperiment) -> dict[str, Any]:
    """Return the experiment as a figure with alt text, a PNG image and a plain table."""
    return bundle(experiment.text(), alt_text(experiment), figure(experiment))


def alt_text(experiment: OrderExperiment) -> str:
    """Return what the figure shows, in sentences."""
    parts = [title(experiment) + "."]
    for phase in PHASES:
        for order in experiment.orders:
            result = order.phase(phase)
            steps = ", ".join(f"{shorten(s.instruction, 40)} {s.outcome}" for s in result.counted)
            parts.append(
                f"{capitalize(experiment.phase_phrase(phase))}, {order.order}: {steps}; "
                f"{result.median_seconds:.1f} s in total."
            )
    return " ".join(parts)


def title(experiment: OrderExperiment) -> str:
    """Return the figure's title: the app, the edit, and how many runs each bar is from."""
    runs = f"median of {experiment.repeats} runs, whiskers from fastest to slowest"
    if experiment.repeats == 1:
        runs = "1 run"
    return f"{experiment.app} in two orders, {experiment.edit_phrase} ({runs})"


def figure(experiment: OrderExperiment) -> Figure:
    """Return a figure: a column for each order, a panel for each build, a bar for each step."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    steps = max(len(phase.counted) for order in experiment.orders for phase in order.phases)
    seconds = [
        second
        for order in experiment.orders
        for phase in order.phases
        for step in phase.counted
        for second in step.seconds
    ]
    longest = max(seconds, default=0.0) or 1.0
    drawn = Figure(
        figsize=(12.4, 1.9 + len(PHASES) * (0.55 + 0.27 * steps)),
        layout="constrained",
        facecolor="white",
    )
    panels = drawn.subplots(len(PHASES), len(experiment.orders), squeeze=False, sharex=True)
    for column, order in enumerate(experiment.orders):
        for row, phase in enumerate(PHASES):
            result, axes = order.phase(phase), panels[row][column]
            draw_panel(axes, result, longest)
            heading = f"{capitalize(experiment.phase_phrase(phase))}: {result.median_seconds:.1f} s"
            if row == 0:
                heading = f"{order.order.upper()}\n{heading}"
            axes.set_title(heading, loc="left", fontsize=12, fontweight="bold", color=INK)
        panels[-1][column].set_xlabel("seconds", fontsize=11, color=INK)
    drawn.suptitle(title(experiment), fontsize=13.5, color=INK)
    drawn.legend(
        handles=[
            Patch(facecolor=REBUILT, edgecolor=INK, label="rebuilt"),
            Patch(facecolor=CACHED, edgecolor=INK, hatch="////", label="cached (no work done)"),
        ],
        loc="outside lower center",
        ncols=2,
        fontsize=11,
        frameon=False,
    )
    return drawn


def draw_panel(axes: Axes, result: PhaseResult, longest: float) -> None:
    """Draw the bars of one build, first step on top; `longest` is the longest bar in seconds."""
    for place, step in enumerate(result.counted):
        draw_step(axes, place, step, longest)
    axes.set_yticks(
        range(len(result.counted)),
        [shorten(step.instruction, 36) for step in result.counted],
        fontsize=10.5,
        family="monospace",
        color=INK,
    )
    axes.set_ylim(len(result.counted) - 0.4, -0.6)
    axes.set_xlim(0, longest * 1.75)
    axes.tick_params(axis="x", labelsize=10, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)


def draw_step(axes: Axes, place: int, step: StepSamples, longest: float) -> None:
    """Draw the bar of a step, hatched if it was cached, and its label."""
    stub = longest * 0.035
    low, high = step.spread_seconds
    if step.outcome == "cached":
        axes.barh(place, stub, height=0.68, color=CACHED, edgecolor=INK, hatch="////")
        end, label = stub, "cached"
    else:
        hatch = None if step.agrees else "////"
        axes.barh(
            place, step.median_seconds, height=0.68, color=REBUILT, edgecolor=INK, hatch=hatch
        )
        end, label = high, f"{step.outcome}, {step.median_seconds:.2f} s"
        if high - low > longest * 0.02:
            middle = step.median_seconds
            axes.errorbar(
                middle,
                place,
                xerr=[[middle - low], [high - middle]],
                color=INK,
                capsize=3,
                linewidth=1.3,
            )
    axes.text(end + longest * 0.02, place, label, va="center", fontsize=11, color=INK)


def capitalize(text: str) -> str:
    """Return the text with a capital first letter, the rest unchanged."""
    return text[:1].upper() + text[1:]


RENDERERS: dict[type, Callable[[Any], dict[str, Any]]] = {OrderExperiment: mimebundle}
