"""How the doctor's report looks: a table whose state is said in words, not by colour alone."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from helpers.results.doctor import DoctorReport


def doctor_html(report: DoctorReport) -> str:
    """The rows as an HTML table."""
    rows = "".join(
        f"<tr><td style='text-align:left'>{'✓ ok' if row.ok else '✗ <b>missing</b>'}</td>"
        f"<th scope='row' style='text-align:left'>{escape(row.name)}</th>"
        f"<td style='text-align:left'>{escape(row.seen)}</td></tr>" for row in report.rows)
    return (f"<table style='font-size:15px'><thead><tr><th>state</th><th>what</th>"
            f"<th style='text-align:left'>seen</th></tr></thead><tbody>{rows}</tbody></table>")


def _bundle(report: DoctorReport) -> dict[str, Any]:
    return {"text/plain": report.text(), "text/html": doctor_html(report)}


RENDERERS: dict[type, Callable[[Any], dict[str, Any]]] = {DoctorReport: _bundle}
