"""Draws the caching experiment: a bar for each order, as long as its build after the edit."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from helpers.experiments.caching.result import OrderExperiment, OrderResult
from helpers.experiments.figure import INK, bundle, canvas, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REBUILT, CACHED = "#b5460f", "#2f6f9f"


def label(order: OrderResult) -> str:
    """Return the text at a bar: its seconds, and what happened to the install step."""
    text = f"{median(order.seconds):.1f} s"
    return f"{text}: install {order.install.outcome}" if order.install else text


def alt_text(experiment: OrderExperiment) -> str:
    """Return what the figure shows, in sentences."""
    bars = "; ".join(f"{order.name}, {label(order)}" for order in experiment.orders)
    return f"{experiment.title()}. Time of the build: {bars}."


def figure(experiment: OrderExperiment) -> Figure:
    """Draw a bar for each order from zero, with its label, and its range if it has one."""
    drawing = canvas(1.4 + 0.8 * len(experiment.orders))
    axes = drawing.subplots()
    longest = max(max(order.seconds) for order in experiment.orders)
    for row, order in enumerate(experiment.orders):
        middle, low, high = median(order.seconds), min(order.seconds), max(order.seconds)
        color = CACHED if order.install and order.install.outcome == "cached" else REBUILT
        axes.barh(row, middle, height=0.55, color=color)
        if len(order.seconds) > 1:
            axes.errorbar(middle, row, xerr=[[middle - low], [high - middle]], color=INK, capsize=4)
        axes.text(high + longest * 0.015, row, label(order), va="center", fontsize=13, color=INK)
    names = [order.name for order in experiment.orders]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, longest * 1.4)
    builds = len(experiment.orders[0].reports)
    runs = "1 build each" if builds == 1 else f"median and range of {builds} builds each"
    axes.set_xlabel(f"seconds for the whole build of {experiment.app} ({runs})", fontsize=12)
    plain(axes)
    axes.tick_params(axis="both", labelsize=13)
    drawing.suptitle(experiment.title(), fontsize=16, fontweight="bold", color=INK)
    return drawing


def mimebundle(experiment: OrderExperiment) -> dict[str, Any]:
    """Return the experiment as a figure with alt text, a PNG image and a plain table."""
    return bundle(experiment.text(), alt_text(experiment), figure(experiment))


RENDERERS = {OrderExperiment: mimebundle}
