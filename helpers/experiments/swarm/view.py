"""The requests of a rolling update as a table."""

from __future__ import annotations

from helpers.experiments.swarm.result import RollOut
from helpers.tables import html_table


def show_roll_out(result: RollOut) -> dict[str, str]:
    """Return the counts as a MIME bundle."""
    if not result.ran:
        return {"text/plain": result.text()}
    heads, *rows = result.rows()
    table = html_table(heads, rows, align="lr")
    return {
        "text/plain": result.text(),
        "text/html": f"{table}<p>The update took {result.seconds:.0f} s.</p>",
    }


RENDERERS = {RollOut: show_roll_out}
