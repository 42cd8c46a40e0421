"""The result of `doctor`: a row for each thing that it checked."""

from __future__ import annotations

from dataclasses import dataclass

from helpers.tables import text_table

NEEDED = ("engine", "Buildx", "Compose", "base image", "a container runs")


@dataclass(frozen=True)
class Row:
    """One check: whether it passed, and what was seen or what to do."""

    name: str
    ok: bool
    seen: str


@dataclass(frozen=True)
class DoctorReport:
    """All checks."""

    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        """Return whether nothing is missing."""
        return all(row.ok for row in self.rows)

    def text(self) -> str:
        """Return a table for a terminal."""
        return text_table((f"{'ok' if r.ok else 'PROBLEM':7}", r.name, r.seen) for r in self.rows)

    def facts(self) -> str:
        """Return what every chapter needs, in words that are the same on every machine."""
        needed = (row for row in self.rows if row.name in NEEDED)
        return "\n".join(f"{row.name}: {'ok' if row.ok else 'missing'}" for row in needed)
