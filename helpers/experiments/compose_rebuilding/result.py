"""Which images and containers each attempt replaced."""

from __future__ import annotations

from dataclasses import dataclass

from helpers.tables import text_table

NO_CHANGE, CODE, CONFIGURATION = CHANGES = ("no change", "code changed", "configuration changed")
NOTHING = "nothing"


@dataclass(frozen=True)
class Attempt:
    """One `docker compose up -d FLAGS SERVICE` after one change, and what it replaced."""

    flags: tuple[str, ...]
    change: str
    images: tuple[str, ...]
    containers: tuple[str, ...]

    def text(self) -> str:
        """Return what was replaced, such as "web: image, container"."""
        services = sorted({*self.images, *self.containers})
        return (
            "; ".join(
                f"{service}: "
                + ", ".join(
                    kind
                    for kind, names in (("image", self.images), ("container", self.containers))
                    if service in names
                )
                for service in services
            )
            or NOTHING
        )


@dataclass(frozen=True)
class RebuildComparison:
    """All attempts for `service`."""

    service: str
    attempts: tuple[Attempt, ...]

    def attempt(self, change: str, *flags: str) -> Attempt:
        """Return the attempt with these flags after this change."""
        return next(each for each in self.attempts if each.change == change and each.flags == flags)

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads of the table."""
        return ("flags", *CHANGES)

    def rows(self) -> list[tuple[str, ...]]:
        """Return the table: a row for each set of flags, a column for each change."""
        flag_sets = dict.fromkeys(each.flags for each in self.attempts)
        return [
            (
                " ".join(flags) or "(none)",
                *(self.attempt(change, *flags).text() for change in CHANGES),
            )
            for flags in flag_sets
        ]

    def text(self) -> str:
        """Return the table."""
        return (
            f"What docker compose up -d [flags] {self.service} replaced\n\n"
            f"{text_table([self.heads, *self.rows()])}"
        )

    facts = text  # nothing in it varies
