"""A plain table for a terminal: rows of text, their columns aligned. Knows no result."""

from __future__ import annotations


def columns(rows: list[tuple[str, ...]]) -> str:
    """Rows of text as a plain table, its columns aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
                     .rstrip() for row in rows)
