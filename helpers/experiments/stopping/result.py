"""The result of stopping containers: which program is process 1, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from helpers.tables import text_table

# Docker kills a container that has not ended 10 s after the stop signal.
GRACE_SECONDS = 10.0
QUICK_SECONDS = 5.0
INIT = "docker-init"
HEADS = (
    "Dockerfile",
    "started with",
    "process 1",
    "handles the signal",
    "docker stop",
    "exit code",
)


@dataclass(frozen=True)
class Stop:
    """One container that was stopped.

    `signal` is the one that `docker stop` sends first; `handles_signal` is whether process 1 has a
    handler for it.
    """

    dockerfile: str
    init: bool
    process_1: str
    signal: str
    handles_signal: bool
    seconds: float
    exit_code: int

    @property
    def command(self) -> str:
        """Return how the container was started."""
        return "docker run --init" if self.init else "docker run"

    @property
    def handling(self) -> str:
        """Return what process 1 does with the signal."""
        if self.process_1 == INIT:
            return f"{self.signal}: passes it on"
        return f"{self.signal}: {'yes' if self.handles_signal else 'no'}"

    @property
    def duration(self) -> str:
        """Return how long it took, in words that are the same on every machine."""
        if self.seconds >= GRACE_SECONDS:
            return "10 s or more"
        return "under 5 s" if self.seconds < QUICK_SECONDS else "5 to 10 s"

    def row(self) -> tuple[str, ...]:
        """Return the cells of the table."""
        return (
            self.dockerfile,
            self.command,
            self.process_1,
            self.handling,
            f"{self.seconds:.1f} s",
            str(self.exit_code),
        )


@dataclass(frozen=True)
class StopTimes:
    """All containers that were stopped, those of one Dockerfile next to each other."""

    stops: tuple[Stop, ...]

    def facts(self) -> str:
        """Return how long each took and its exit code, without the seconds."""
        return "\n".join(
            f"{stop.dockerfile}{' with --init' if stop.init else ''}: "
            f"{stop.duration}, exit code {stop.exit_code}"
            for stop in self.stops
        )

    def text(self) -> str:
        """Return a table with a row for each container."""
        return text_table([HEADS, *(stop.row() for stop in self.stops)], align="llllrr")
