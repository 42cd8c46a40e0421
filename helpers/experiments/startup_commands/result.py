"""What each combination of ENTRYPOINT and CMD printed, without and with arguments."""

from __future__ import annotations

from dataclasses import dataclass

from helpers.tables import text_table


@dataclass(frozen=True)
class Run:
    """What one `docker run` printed, or the error, and its exit code."""

    output: str
    exit_code: int

    def text(self) -> str:
        """Return the output and, unless it is 0, the exit code."""
        text = self.output or "(no output)"
        return text if self.exit_code == 0 else f"{text} (exit code {self.exit_code})"


@dataclass(frozen=True)
class Combination:
    """A Dockerfile's ENTRYPOINT and CMD lines, and its two runs."""

    dockerfile: str
    lines: tuple[str, ...]
    without_arguments: Run
    with_arguments: Run

    def row(self) -> tuple[str, ...]:
        """Return the cells of the table."""
        lines = ", ".join(self.lines) or "neither"
        return lines, self.without_arguments.text(), self.with_arguments.text()


@dataclass(frozen=True)
class StartupCommands:
    """All combinations, and the arguments of the second run."""

    arguments: tuple[str, ...]
    combinations: tuple[Combination, ...]

    def heads(self) -> tuple[str, ...]:
        """Return the heads of the table."""
        return (
            "in the Dockerfile",
            "docker run IMAGE",
            f"docker run IMAGE {' '.join(self.arguments)}",
        )

    def text(self) -> str:
        """Return a table with a row for each combination."""
        return text_table([self.heads(), *(each.row() for each in self.combinations)])

    facts = text  # nothing in it varies
