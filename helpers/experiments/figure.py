"""What all figures have in common: white background, dark text, alt text, and a plain table.

JupyterLab gives an image/png output no alt text, so the HTML output has a <figure>. The PNG output
is stored as well, for readers of the file who have no kernel.
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
# Font sizes are chosen for this: next to its file browser, JupyterLab shrinks figures to 2/3.
WIDTH_INCHES = 10.0


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


def png(drawing: Figure) -> bytes:
    """Return the figure as a PNG image, WIDTH_PIXELS wide, white in every theme."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(drawing)
    buffer = io.BytesIO()
    drawing.savefig(
        buffer, format="png", dpi=WIDTH_PIXELS / drawing.get_figwidth(), facecolor="white"
    )
    return buffer.getvalue()


def canvas(height_inches: float) -> Figure:
    """Return an empty figure of this height."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained", facecolor="white")


def plain(axes: Axes) -> None:
    """Remove the frame at the top and on the right, and set the size of the numbers."""
    axes.tick_params(labelsize=10.5, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
