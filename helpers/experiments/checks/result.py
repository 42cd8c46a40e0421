"""The warnings of `docker build --check`."""

from __future__ import annotations

from dataclasses import dataclass

from helpers.tables import text_table


@dataclass(frozen=True)
class CheckWarning:
    """One warning: the rule, the first line of the Dockerfile that it is about, and the reason."""

    rule: str
    line: int
    detail: str


@dataclass(frozen=True)
class Checks:
    """The warnings, or in `unsupported` why Docker can't check Dockerfiles here."""

    dockerfile: str
    warnings: tuple[CheckWarning, ...] = ()
    unsupported: str = ""

    def facts(self) -> str:
        """Return the rules with their lines, which are the same on every engine."""
        if self.unsupported:
            return f"not checked: {self.unsupported}"
        rules = ", ".join(f"{each.rule} (line {each.line})" for each in self.warnings)
        return f"{self.dockerfile}: {rules or 'no warnings'}"

    def text(self) -> str:
        """Return a table of the warnings, or one line if there are none."""
        if self.unsupported or not self.warnings:
            return self.facts()
        return text_table([(f"line {each.line}", each.rule, each.detail) for each in self.warnings])
