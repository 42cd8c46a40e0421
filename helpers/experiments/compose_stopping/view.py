"""The comparison of the ways to end a project as an HTML table."""

from __future__ import annotations

from typing import Any

from helpers.experiments.compose_stopping.result import HEADS, StopComparison
from helpers.tables import Cell, html_table


def render(result: StopComparison) -> dict[str, Any]:
    """Return the table."""
    rows = [(Cell(stop.command, code=True), *stop.row()[1:]) for stop in result.stops]
    page = html_table(HEADS, rows, "Compared by id, before and after each command")
    return {"text/plain": result.text(), "text/html": page}


RENDERERS = {StopComparison: render}
