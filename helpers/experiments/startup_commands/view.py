"""The startup commands as a table."""

from __future__ import annotations

from typing import Any

from helpers.experiments.startup_commands.result import StartupCommands
from helpers.tables import Cell, html_table


def mimebundle(result: StartupCommands) -> dict[str, Any]:
    """Return the table as HTML, and as text."""
    rows = [[Cell(text, code=True) for text in each.row()] for each in result.combinations]
    return {"text/plain": result.text(), "text/html": html_table(result.heads(), rows)}


RENDERERS = {StartupCommands: mimebundle}
