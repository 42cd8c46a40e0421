"""Who can connect to an app, for each combination of EXPOSE and `-p`."""

from __future__ import annotations

from dataclasses import dataclass

from helpers.tables import text_table

HEADS = (
    "EXPOSE",
    "-p",
    "docker ps shows",
    "from inside",
    "from another container",
    "from the host",
)


@dataclass(frozen=True)
class Attempt:
    """One container: how it was built and started, what `docker ps` shows, and who got an answer."""

    has_expose: bool
    is_published: bool
    shown: str
    inside: bool
    from_container: bool
    from_host: bool

    def row(self) -> tuple[str, ...]:
        """Return the cells of its row, in the order of HEADS."""
        flags = (self.has_expose, self.is_published)
        answers = (self.inside, self.from_container, self.from_host)
        return (*map(_word, flags), self.shown or "(nothing)", *map(_word, answers))


@dataclass(frozen=True)
class Publishing:
    """The four attempts; `port` is the container's port that was tried, `host_port` the host's."""

    port: int
    host_port: int
    attempts: tuple[Attempt, ...]

    def attempt(self, *, has_expose: bool, is_published: bool) -> Attempt:
        """Return the attempt with this combination."""
        return next(
            attempt
            for attempt in self.attempts
            if (attempt.has_expose, attempt.is_published) == (has_expose, is_published)
        )

    def facts(self) -> str:
        """Return the attempts without the number of the host's port."""
        rows = [
            [cell.replace(str(self.host_port), "HOST_PORT") for cell in attempt.row()]
            for attempt in self.attempts
        ]
        return text_table([HEADS, *rows])

    def note(self) -> str:
        """Return what was tried."""
        return (
            f"Does the app answer? Tried on port {self.port} from inside its container and from "
            f"another one, and on 127.0.0.1:{self.host_port} from the host."
        )

    def text(self) -> str:
        """Return the attempts as a table."""
        return (
            f"{text_table([HEADS, *(attempt.row() for attempt in self.attempts)])}\n{self.note()}"
        )


def _word(value: bool) -> str:
    return "yes" if value else "no"
