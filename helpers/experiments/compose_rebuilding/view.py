"""The comparison of the flags as an HTML table."""

from __future__ import annotations

from typing import Any

from helpers.experiments.compose_rebuilding.result import RebuildComparison
from helpers.tables import Cell, html_table


def render(result: RebuildComparison) -> dict[str, Any]:
    """Return the table."""
    rows: list[list[str | Cell]] = [
        [Cell(flags, code=flags != "(none)"), *cells] for flags, *cells in result.rows()
    ]
    page = html_table(
        result.heads,
        rows,
        f"What docker compose up -d [flags] {result.service} replaced, compared by id",
    )
    return {"text/plain": result.text(), "text/html": page}


RENDERERS = {RebuildComparison: render}
