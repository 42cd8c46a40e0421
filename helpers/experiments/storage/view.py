"""The storage comparison as an HTML table."""

from __future__ import annotations

from typing import Any

from helpers.experiments.storage.result import EVENTS, StorageComparison
from helpers.tables import Cell, html_table


def mimebundle(result: StorageComparison) -> dict[str, Any]:
    """Return the table as text and as HTML."""
    page = html_table(
        ("data in", "docker run …", *EVENTS),
        [
            (row.kind, Cell(row.options, code=True) if row.options else "", *row.outcomes)
            for row in result.rows
        ],
        result.note(),
    )
    return {"text/plain": result.text(), "text/html": page}


RENDERERS = {StorageComparison: mimebundle}
