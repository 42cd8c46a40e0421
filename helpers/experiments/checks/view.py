"""The warnings of a check as a table."""

from __future__ import annotations

from typing import Any

from helpers.experiments.checks.result import Checks
from helpers.tables import html_table


def mimebundle(result: Checks) -> dict[str, Any]:
    """Return the warnings as an HTML table, and as text."""
    if not result.warnings:
        return {"text/plain": result.text()}
    rows = [(str(each.line), each.rule, each.detail) for each in result.warnings]
    page = html_table(("line", "rule", "warning"), rows, align="rll")
    return {"text/plain": result.text(), "text/html": page}


RENDERERS = {Checks: mimebundle}
