"""The attempts as an HTML table."""

from __future__ import annotations

from typing import Any

from helpers.experiments.ports.result import HEADS, Publishing
from helpers.tables import html_table


def _bundle(result: Publishing) -> dict[str, Any]:
    rows = [attempt.row() for attempt in result.attempts]
    page = html_table(HEADS, rows, result.note(), row_header=None)
    return {"text/plain": result.text(), "text/html": page}


RENDERERS = {Publishing: _bundle}
