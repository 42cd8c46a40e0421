"""What the doctor found: plain rows, with a text form."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One thing looked at: `ok`, and what was seen or the line to type."""

    name: str
    ok: bool
    seen: str


@dataclass(frozen=True)
class DoctorReport:
    """All rows."""

    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is missing."""
        return all(row.ok for row in self.rows)

    def text(self) -> str:
        """A table for a terminal."""
        wide = max(len(row.name) for row in self.rows)
        return "\n".join(f"{'ok     ' if row.ok else 'MISSING'}  {row.name:<{wide}}  {row.seen}"
                         for row in self.rows)

    def facts(self) -> str:
        """What must hold before a chapter is run, in words that do not vary."""
        need = ("engine", "BuildKit", "Compose", "base image", "a container runs")
        return "\n".join(f"{row.name}: {'ok' if row.ok else 'missing'}"
                         for row in self.rows if row.name in need)
