"""Draws tables, as text and as HTML, and writes numbers with their units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from statistics import median

# Ink and ground follow JupyterLab's light or dark theme; the values are for pages without one.
INK = "color:var(--jp-ui-font-color1,#1a1a1a);background:var(--jp-layout-color1,#ffffff);"
_LEFT = (
    "padding:4px 10px;border-bottom:1px solid var(--jp-border-color2,#d0d0d0);"
    "text-align:left;vertical-align:top;"
)
_RIGHT = _LEFT + "text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums;"
_CODE = "color:inherit;background:transparent;overflow-wrap:anywhere"


def text_table(rows: Iterable[Sequence[str]], align: str = "") -> str:
    """Return rows of text as lines with aligned columns.

    `align` has a letter for each column: "r" aligns it right; any other, or none, left.
    """
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = [letter == "r" for letter in align.ljust(len(widths))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in rows
    )


@dataclass(frozen=True)
class Cell:
    """A cell of an HTML table that is more than plain text; `span` is how many columns it fills."""

    text: str
    style: str = ""
    code: bool = False
    title: str = ""
    span: int = 1


def html_table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str | Cell]],
    caption: str = "",
    *,
    align: str = "",
    row_header: int | None = 0,
) -> str:
    """Return an HTML table, its text escaped.

    `align` is that of `text_table`; `row_header` is the column that names its row, if one does.
    """
    styles = [_RIGHT if letter == "r" else _LEFT for letter in align.ljust(len(heads))]
    head = "".join(
        f'<th scope="col" style="{style}">{escape(name)}</th>'
        for name, style in zip(heads, styles, strict=True)
    )
    body = "".join(f"<tr>{_html_row(row, styles, row_header)}</tr>" for row in rows)
    below = (
        f'<caption style="caption-side:bottom;text-align:left;padding:6px 10px;{INK}">'
        f"{escape(caption)}</caption>"
        if caption
        else ""
    )
    return (
        f'<table style="border-collapse:collapse;font-size:15px;line-height:1.4;{INK}">{below}'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _html_row(row: Sequence[str | Cell], styles: Sequence[str], row_header: int | None) -> str:
    cells = []
    for number, item in enumerate(row):
        cell = Cell(item) if isinstance(item, str) else item
        text = escape(cell.text)
        if cell.code:
            title = f' title="{escape(cell.title)}"' if cell.title else ""
            text = f'<code style="{_CODE}"{title}>{text}</code>'
        tag, scope = ("th", ' scope="row"') if number == row_header else ("td", "")
        span = f' colspan="{cell.span}"' if cell.span > 1 else ""
        cells.append(f'<{tag}{scope}{span} style="{styles[number]}{cell.style}">{text}</{tag}>')
    return "".join(cells)


def human_size(size_bytes: int | None) -> str:
    """Return a size on disk in decimal units, as `docker images` prints it; "" for None."""
    if size_bytes is None:
        return ""
    value, unit = _scale(size_bytes, 1000, ("B", "kB", "MB", "GB"))
    return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"


def memory_size(size_bytes: int) -> str:
    """Return a size in memory in binary units, with four digits as `docker stats` prints it."""
    value, unit = _scale(size_bytes, 1024, ("B", "KiB", "MiB", "GiB"))
    return f"{value:.4g} {unit}"


def _scale(value: float, step: int, units: Sequence[str]) -> tuple[float, str]:
    for unit in units[:-1]:
        if value < step:
            return value, unit
        value /= step
    return value, units[-1]


def duration(seconds: float) -> str:
    """Return a time with a fitting unit, such as "0.62 ms", "31 ms" or "3.4 s"."""
    if seconds < 0.01:
        return f"{seconds * 1000:.2f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def spread(seconds: Sequence[float]) -> str:
    """Return the median in seconds and, of several, the shortest and the longest."""
    text = f"{median(seconds):.2f}"
    return text if len(seconds) == 1 else f"{text} ({min(seconds):.2f}–{max(seconds):.2f})"
