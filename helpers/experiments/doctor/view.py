"""Draws the doctor's report as a table whose state is in words, not only in color."""

from __future__ import annotations

from helpers.experiments.doctor.result import DoctorReport
from helpers.tables import Cell, html_table


def doctor_html(report: DoctorReport) -> str:
    """Return the report as an HTML table."""
    rows = [
        (
            "✓ ok" if row.ok else Cell("✗ problem", "font-weight:600;white-space:nowrap"),
            row.name,
            row.seen,
        )
        for row in report.rows
    ]
    return html_table(("result", "check", "details"), rows, row_header=1)


RENDERERS = {
    DoctorReport: lambda report: {"text/plain": report.text(), "text/html": doctor_html(report)}
}
