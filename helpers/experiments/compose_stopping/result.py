"""What is left of a project after each way to end it."""

from __future__ import annotations

from dataclasses import dataclass

from helpers.tables import text_table

HEADS = ("command", "containers", "network", "volumes", "images")
CTRL_C = "Ctrl-C"
NONE = "none"


@dataclass(frozen=True)
class Stop:
    """One command: what happened to each kind of object, in words."""

    command: str
    containers: str
    network: str
    volumes: str
    images: str

    def row(self) -> tuple[str, str, str, str, str]:
        """Return the cells of the table."""
        return (self.command, self.containers, self.network, self.volumes, self.images)


@dataclass(frozen=True)
class StopComparison:
    """The project `project` after each command, compared by the ids before it."""

    project: str
    stops: tuple[Stop, ...]

    def stop(self, command: str) -> Stop:
        """Return the row of a command, such as "down"."""
        return next(stop for stop in self.stops if stop.command.endswith(command))

    def text(self) -> str:
        """Return the table."""
        return text_table([HEADS, *(stop.row() for stop in self.stops)])

    facts = text  # nothing in it varies
