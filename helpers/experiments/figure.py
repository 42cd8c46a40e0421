"""What the drawn results have in common: figures with alt text and a table, and plain tables.

JupyterLab gives an image/png output no alt text, so the HTML output has a <figure>. The PNG output
is stored as well, for readers of the file who have no kernel.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from helpers.tables import html_table, text_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, PALE = "#1b1f24", "#5c6670"
WIDTH_PIXELS = 1240
# Next to its file browser, JupyterLab shrinks figures to 2/3: 12 points are then 13 pixels.
WIDTH_INCHES = 10.0
POINTS = 12
LABEL: dict[str, Any] = {"fontsize": POINTS, "color": INK}
# Okabe and Ito's colors, which differ for color-blind readers too; the pattern repeats it in print.
PARTS = (
    ("#56b4e9", ""),
    ("#e69f00", "//"),
    ("#009e73", ".."),
    ("#cc79a7", "xx"),
    ("#f0e442", "--"),
    ("#0072b2", "\\\\"),
)


def bundle(text: str, alt: str, drawing: Figure) -> dict[str, Any]:
    """Return a figure for IPython: plain text, HTML with alt text and a table, and a PNG image."""
    image = png(drawing)
    data = base64.b64encode(image).decode("ascii")
    page = (
        f'<figure style="margin:0"><img alt="{escape(alt, quote=True)}" '
        f'src="data:image/png;base64,{data}" style="max-width:100%"></figure>'
        f"<details><summary>Show as a table</summary><pre>{escape(text)}</pre></details>"
    )
    return {"text/plain": text, "text/html": page, "image/png": image}


def table(rows: Sequence[Sequence[str]], note: str = "") -> dict[str, Any]:
    """Return a table for IPython, with a note below it; the first row has the heads."""
    head, *body = rows
    return {
        "text/plain": f"{text_table(rows)}\n\n{note}".rstrip(),
        "text/html": html_table(head, body, note),
    }


def png(drawing: Figure) -> bytes:
    """Return the figure as a PNG image, WIDTH_PIXELS wide, white in every theme."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(drawing)
    buffer = io.BytesIO()
    drawing.savefig(
        buffer, format="png", dpi=WIDTH_PIXELS / drawing.get_figwidth(), facecolor="white"
    )
    return buffer.getvalue()


def canvas(height_inches: float, title: str = "") -> Figure:
    """Return an empty figure of this height."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained", facecolor="white")
    if title:
        drawing.suptitle(title, fontsize=14, color=INK)
    return drawing


def plain(axes: Axes) -> None:
    """Remove the frame at the top and on the right, and set the size of the numbers."""
    axes.tick_params(labelsize=POINTS, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)


def stack_bars(
    axes: Axes,
    bars: Mapping[str, Mapping[str, float]],
    parts: Sequence[str],
    write: Callable[[float], str],
) -> None:
    """Draw a horizontal bar from zero for each name, divided into its parts, and its total.

    `parts` are the names of the parts in all bars, which gives each its color; `write` returns a
    total as text.
    """
    longest = max(sum(values.values()) for values in bars.values())
    for row, values in enumerate(bars.values()):
        left = 0.0
        for part, value in values.items():
            color, hatch = PARTS[parts.index(part)]
            axes.barh(row, value, left=left, height=0.6, color=color, hatch=hatch, edgecolor=INK)
            left += value
        axes.text(left + longest * 0.01, row, write(left), va="center", fontweight="bold", **LABEL)
    axes.set_yticks(range(len(bars)), list(bars), **LABEL)
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_xlim(0, longest * 1.17)
    plain(axes)


def add_legend(drawing: Figure, parts: Sequence[str]) -> None:
    """Add a legend of parts below the figure."""
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=color, hatch=hatch, edgecolor=INK, label=part)
        for part, (color, hatch) in zip(parts, PARTS, strict=False)
    ]
    drawing.legend(
        handles=handles, loc="outside lower center", ncols=3, fontsize=POINTS, frameon=False
    )
