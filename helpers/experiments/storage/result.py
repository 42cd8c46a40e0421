"""What happened to data in each kind of storage: kept, left behind or lost."""

from __future__ import annotations

from dataclasses import dataclass

from helpers.tables import text_table

STOP, REMOVE, REMOVE_WITH_VOLUMES, REMOVE_VOLUME = EVENTS = (
    "docker stop, start",
    "docker rm",
    "docker rm -v",
    "docker volume rm",
)
# Left behind: the data is there, but the same `docker run` gets a new volume and does not find it.
KEPT, LEFT_BEHIND, LOST, NO_VOLUME = "kept", "left behind", "lost", "(no volume)"
LAYER, NAMED, ANONYMOUS, BIND, TMPFS = (
    "writable layer",
    "named volume",
    "anonymous volume",
    "bind mount",
    "tmpfs",
)


@dataclass(frozen=True)
class Storage:
    """The options of one `docker run`, where Docker put the data, and the outcome of each event."""

    options: str
    kind: str
    outcomes: tuple[str, ...]  # in the order of EVENTS

    def after(self, event: str) -> str:
        """Return the outcome of one event."""
        return self.outcomes[EVENTS.index(event)]


@dataclass(frozen=True)
class StorageComparison:
    """Every kind of storage that was tried, in the order given."""

    rows: tuple[Storage, ...]

    def row(self, kind: str) -> Storage:
        """Return the first row of a kind."""
        return next(row for row in self.rows if row.kind == kind)

    def facts(self) -> str:
        """Return a table: where the data was, and the outcome of each event."""
        return text_table([("data in", *EVENTS), *((row.kind, *row.outcomes) for row in self.rows)])

    def text(self) -> str:
        """Return the table with the options of `docker run`, and what "left behind" means."""
        table = text_table(
            [
                ("data in", "docker run …", *EVENTS),
                *((row.kind, row.options or "(no option)", *row.outcomes) for row in self.rows),
            ]
        )
        return f"{table}\n\n{self.note()}".rstrip()

    def note(self) -> str:
        """Return what "left behind" means if an outcome says so."""
        if not any(LEFT_BEHIND in row.outcomes for row in self.rows):
            return ""
        return (
            "left behind: the data is still on the engine, but the same docker run gets a new "
            "volume and does not find it."
        )
