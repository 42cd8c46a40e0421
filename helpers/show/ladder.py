"""How the ladder looks: a rung a line on a logarithmic axis, and others' numbers apart, named.

A measured rung is a filled mark with its spread, a missing one says why, a published number is an
empty diamond. Must not know how it was measured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from helpers.results.ladder import Ladder, duration, told
from helpers.show.figure import INK, PALE, bundle, canvas, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOWEST, HIGHEST = 0.0003, 300.0
BAR = "#2f6f9f"


def figure(found: Ladder) -> Figure:
    """Rungs from the top down, the lowest first; below them what others have published."""
    count = len(found.rungs) + len(found.references)
    drawn = canvas(1.2 + 0.36 * (count + 1))
    axes = drawn.subplots()
    names = []
    for row, rung in enumerate(found.rungs):
        names.append((row, rung.name))
        middle = rung.median_seconds
        if middle is None:
            axes.text(LOWEST * 1.3, row, f"missing: {rung.missing}", va="center", fontsize=10.5,
                      style="italic", color=PALE)
            continue
        axes.barh(row, middle - LOWEST, left=LOWEST, height=0.5, color=BAR, alpha=0.35)
        axes.errorbar(middle, row, xerr=[[middle - min(rung.seconds)],
                                         [max(rung.seconds) - middle]],
                      fmt="o", color=INK, capsize=3.5, markersize=6)
        axes.text(max(rung.seconds) * 1.25, row, duration(middle), va="center", fontsize=11.5,
                  fontweight="bold", color=INK)
    gap = len(found.rungs)
    axes.axhline(gap, color=PALE, linewidth=0.8, linestyle=":")
    axes.text(LOWEST * 1.3, gap, "measured by others, elsewhere", va="center", fontsize=10.5,
              color=PALE, bbox={"facecolor": "white", "edgecolor": "none", "pad": 2})
    for row, ref in enumerate(found.references, gap + 1):
        names.append((row, ref.what.partition(" (")[0]))
        axes.plot(ref.seconds, row, "D", color=INK, fillstyle="none", markersize=7)
        axes.text(ref.seconds * 1.35, row, f"{duration(ref.seconds)}  ({name_of(ref.what)}"
                  f"{ref.source})", va="center", fontsize=10.5, color=INK)
    axes.set_yticks([row for row, _ in names], [name for _, name in names], fontsize=11, color=INK)
    axes.set_ylim(count + 0.5, -0.6)
    axes.set_xscale("log")
    axes.set_xlim(LOWEST, HIGHEST)
    axes.set_xticks([10.0 ** power for power in range(-3, 3)],
                    ["1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s"])
    axes.grid(axis="x", color="#d8dde2", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel("time to the program's first line (each line to the right: ten times as long)",
                    fontsize=11, color=INK)
    plain(axes)
    drawn.suptitle("The same small program, started in more and more of a machine", fontsize=13,
                   color=INK)
    return drawn


def name_of(what: str) -> str:
    """The name in brackets at the end of what others timed, to go before its source."""
    name = what.partition(" (")[2].rstrip(")")
    return f"{name}; " if name else ""


def alt_text(found: Ladder) -> str:
    """What the figure shows, in sentences."""
    rungs = "; ".join(f"{rung.name}: {' '.join(told(rung).split())}" for rung in found.rungs)
    others = "; ".join(f"{ref.what}: {duration(ref.seconds)}, {ref.source}"
                       for ref in found.references)
    return (f"Time to the first line of one small program, on a logarithmic axis. {rungs}. "
            f"Measured by others: {others}.")


def mimebundle(found: Ladder) -> dict[str, Any]:
    """The ladder as a figure with alt text, a PNG image and a plain table."""
    return bundle(found.text(), alt_text(found), figure(found))


RENDERERS: dict[type, Callable[[Any], dict[str, Any]]] = {Ladder: mimebundle}
