"""Tables on a page: readable in JupyterLab's light and dark theme. Knows no result."""

from __future__ import annotations

import html
from collections.abc import Sequence

INK = "color:var(--jp-ui-font-color1,#1a1a1a);background:var(--jp-layout-color1,#ffffff);"
CELL = ("padding:4px 10px;border-bottom:1px solid var(--jp-border-color2,#d0d0d0);"
         "text-align:left;vertical-align:top;")
NUMBER = CELL + "text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums;"
TABLE = f"border-collapse:collapse;font-size:15px;line-height:1.4;{INK}"


def table(heads: Sequence[tuple[str, str]], rows: Sequence[str], caption: str = "") -> str:
    """An HTML table of ready-made rows; a head is its words and the style of its cell."""
    head = "".join(f'<th scope="col" style="{style}">{name}</th>' for name, style in heads)
    below = (f'<caption style="caption-side:bottom;text-align:left;padding:6px 10px;{INK}">'
             f"{html.escape(caption)}</caption>") if caption else ""
    return (f'<table style="{TABLE}">{below}<thead><tr>{head}</tr></thead>'
            f"<tbody>{''.join(rows)}</tbody></table>")


def words(heads: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """An HTML table of plain words; the first cell of a row names it."""
    lines = []
    for first, *rest in rows:
        cells = "".join(f'<td style="{CELL}">{html.escape(cell)}</td>' for cell in rest)
        lines.append(f'<tr><th scope="row" style="{CELL}">{html.escape(first)}</th>{cells}</tr>')
    return table([(html.escape(head), CELL) for head in heads], lines, caption)
