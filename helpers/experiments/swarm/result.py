"""The result of a rolling update under load: the requests of a client, and who answered them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from helpers.tables import text_table

LEAST_REQUESTS = 500
NOT_RUN = "not run on your own engine: swarm mode would change its networks and firewall rules"


@dataclass(frozen=True)
class RollOut:
    """The requests during an update: `versions` counts the answers of each version of the app.

    A request is one attempt without a retry. `ran` is False on a user's engine.
    """

    ran: bool
    seconds: float = 0.0
    sent: int = 0
    answered: int = 0
    failed: int = 0
    versions: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)

    def rows(self) -> list[tuple[str, str]]:
        """Return the cells of the table, its head first."""
        return [
            ("requests (before, during and after the update)", "count"),
            ("sent", str(self.sent)),
            *(
                (f"answered by version {name}", str(count))
                for name, count in sorted(self.versions.items())
            ),
            ("failed", str(self.failed)),
            *((f"  {name}", str(count)) for name, count in self.errors.items()),
        ]

    def facts(self) -> str:
        """Return whether a request failed; the text is the same if the update was not run."""
        if self.failed or (self.ran and self.sent < LEAST_REQUESTS):
            return f"requests sent: {self.sent}, failed: {self.failed}"
        return "failed requests: none, or the update was not run"

    def text(self) -> str:
        """Return the counts as a table, and how long the update took in seconds."""
        if not self.ran:
            return NOT_RUN
        return f"{text_table(self.rows(), align='lr')}\nThe update took {self.seconds:.0f} s."
