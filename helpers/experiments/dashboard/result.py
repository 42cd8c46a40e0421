"""What the dashboard shows: one row for each object of the engine, and what a container uses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from helpers.tables import memory_size, text_table

HEADS = {
    "containers": ("name", "image", "state", "ports"),
    "images": ("name", "size"),
    "volumes": ("name", "driver"),
    "networks": ("name", "driver"),
}


@dataclass(frozen=True)
class Port:
    """A port of a container; a published TCP port has the URL at which the host reaches it."""

    text: str
    url: str = ""


@dataclass(frozen=True)
class Row:
    """One object of the engine. `cells` follow the name; `is_course` is whether it has buttons."""

    id: str
    name: str
    cells: tuple[str, ...]
    is_course: bool
    is_running: bool = False
    ports: tuple[Port, ...] = ()

    def texts(self) -> tuple[str, ...]:
        """Return all its cells as text."""
        ports = (" ".join(port.text for port in self.ports),) if self.ports else ()
        return (self.name, *self.cells, *ports)

    def to_json(self) -> dict[str, Any]:
        """Return the row for the page."""
        return {
            "id": self.id,
            "name": self.name,
            "cells": list(self.cells),
            "ports": [[port.text, port.url] for port in self.ports],
            "running": self.is_running,
            "course": self.is_course,
        }


@dataclass(frozen=True)
class Usage:
    """What a running container uses: percent of one CPU, and bytes of memory."""

    cpu_percent: float
    memory_bytes: int

    def to_json(self) -> list[str]:
        """Return both as text, as `docker stats` prints them."""
        return [f"{self.cpu_percent:.2f}%", memory_size(self.memory_bytes)]


@dataclass
class EngineView:
    """The rows of each kind, as they were last listed."""

    rows: dict[str, tuple[Row, ...]] = field(default_factory=lambda: dict.fromkeys(HEADS, ()))

    def course_tables(self) -> dict[str, list[tuple[str, ...]]]:
        """Return the cells of the course's objects by kind; other objects are left out."""
        return {
            kind: [pad(row.texts(), len(HEADS[kind])) for row in rows if row.is_course]
            for kind, rows in self.rows.items()
            if any(row.is_course for row in rows)
        }

    def text(self) -> str:
        """Return a table for each kind that the course has objects of."""
        tables = self.course_tables().items()
        return "\n\n".join(text_table([HEADS[kind], *rows]) for kind, rows in tables)


def pad(texts: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Return so many texts, the last ones empty."""
    return (*texts, *[""] * (count - len(texts)))
