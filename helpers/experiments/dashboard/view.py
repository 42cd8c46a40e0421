"""The dashboard as tables, for readers without a kernel. `widget.py` draws the live one."""

from __future__ import annotations

from helpers.experiments.dashboard.result import HEADS, EngineView
from helpers.tables import html_table


def tables_html(view: EngineView) -> str:
    """Return an HTML table for each kind that the course has objects of."""
    return "".join(
        f"<h4>{kind.capitalize()}</h4>{html_table(HEADS[kind], rows)}"
        for kind, rows in view.course_tables().items()
    )


RENDERERS = {EngineView: lambda view: {"text/plain": view.text(), "text/html": tables_html(view)}}
