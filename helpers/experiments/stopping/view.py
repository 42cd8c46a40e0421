"""The stop times as a table."""

from __future__ import annotations

from typing import Any

from helpers.experiments.stopping.result import HEADS, StopTimes
from helpers.tables import html_table


def mimebundle(result: StopTimes) -> dict[str, Any]:
    """Return the table as HTML, and as text."""
    page = html_table(HEADS, (stop.row() for stop in result.stops), align="llllrr")
    return {"text/plain": result.text(), "text/html": page}


RENDERERS = {StopTimes: mimebundle}
