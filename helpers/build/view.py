"""Draws the report of a build as a table."""

from __future__ import annotations

from collections.abc import Sequence

from helpers.build.dockerfile import shorten
from helpers.build.result import BuildReport, BuildStep, describe_config
from helpers.tables import Cell, html_table

_MARKS = {"cached": "✓ cached", "rebuilt": "↻ rebuilt", "base image": "base image"}
_NOWRAP, _BOLD, _PALE = "white-space:nowrap;", "font-weight:600;", "opacity:0.8;"


def build_html(report: BuildReport) -> str:
    """Return the report as an HTML table with a caption, times in seconds."""
    rows = [_step(row) if isinstance(row, BuildStep) else _config(row) for row in report.rows]
    heads = ("step", "instruction", "cache", "seconds")
    return html_table(heads, rows, report.summary(), align="lllr", row_header=None)


def _step(step: BuildStep) -> Sequence[str | Cell]:
    weight = _BOLD if step.outcome == "rebuilt" else ""
    return (
        Cell(step.label, _NOWRAP),
        Cell(shorten(step.instruction, 80), code=True, title=step.instruction),
        Cell(_MARKS[step.outcome], weight + _NOWRAP),
        f"{step.seconds:.1f}",
    )


def _config(instruction: str) -> Sequence[str | Cell]:
    return (
        "",
        Cell(shorten(instruction, 80), _PALE, code=True),
        Cell(describe_config(instruction), _PALE, span=2),
    )


RENDERERS = {
    BuildReport: lambda report: {"text/plain": report.text(), "text/html": build_html(report)}
}
