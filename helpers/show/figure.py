"""What all figures have in common: white ground, dark ink, alt text, and the same as a table.

JupyterLab gives an image/png output no alt text, so the page gets a <figure>; the image itself is
stored beside it, for readers of the file who have no kernel. Knows no result.
"""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, PALE = "#1b1f24", "#5c6670"
WIDTH_PIXELS = 1240
# Letters are sized for this: beside JupyterLab's file browser a figure is shown at two thirds.
WIDTH_INCHES = 10.0


def bundle(text: str, alt: str, drawn: Figure) -> dict[str, Any]:
    """A figure for IPython: the plain text, the page with alt text and table, the PNG image."""
    image = png(drawn)
    data = base64.b64encode(image).decode("ascii")
    page = (f'<figure style="margin:0"><img alt="{escape(alt, quote=True)}" '
            f'src="data:image/png;base64,{data}" style="max-width:100%"></figure>'
            f"<details><summary>The same as a table</summary><pre>{escape(text)}</pre></details>")
    return {"text/plain": text, "text/html": page, "image/png": image}


def png(drawn: Figure) -> bytes:
    """The figure as a PNG image, 1240 pixels wide, on white whatever the page's theme."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(drawn)
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=WIDTH_PIXELS / drawn.get_figwidth(),
                  facecolor="white")
    return buffer.getvalue()


def canvas(height_inches: float) -> Figure:
    """An empty figure of this height."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained", facecolor="white")


def plain(axes: Axes) -> None:
    """Axes without a frame, their numbers in ink."""
    axes.tick_params(labelsize=10.5, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
