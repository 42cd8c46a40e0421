"""The result of the caching experiment: what an edit rebuilds in each order of a Dockerfile.

Every sentence comes from the builds, never from what Docker is expected to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from helpers.build.dockerfile import shorten
from helpers.build.result import BuildReport
from helpers.tables import spread, text_table

COPY_FIRST, REQUIREMENTS_FIRST = "copy first", "requirements first"


@dataclass(frozen=True)
class StepResult:
    """A build step after the edit: its outcome, and its seconds in each build."""

    instruction: str
    outcome: str
    seconds: tuple[float, ...]

    @property
    def keyword(self) -> str:
        """Return the instruction's first word in capitals."""
        return self.instruction.split(None, 1)[0].upper()


@dataclass(frozen=True)
class OrderResult:
    """One order of the Dockerfile's lines, and the reports of its builds, each after an edit."""

    name: str
    reports: tuple[BuildReport, ...]

    @property
    def seconds(self) -> tuple[float, ...]:
        """Return the time of each build in seconds."""
        return tuple(report.seconds for report in self.reports)

    @property
    def steps(self) -> tuple[StepResult, ...]:
        """Return the build steps without FROM, which has nothing to rebuild."""
        return tuple(
            StepResult(
                builds[0].instruction,
                " or ".join(dict.fromkeys(step.outcome for step in builds)),
                tuple(step.seconds for step in builds),
            )
            for builds in zip(*(report.steps for report in self.reports), strict=True)
            if not builds[0].is_from
        )

    @property
    def install(self) -> StepResult | None:
        """Return the step that installs the packages (the first RUN with "install"), or None."""
        return next(
            (s for s in self.steps if s.keyword == "RUN" and "install" in s.instruction), None
        )


@dataclass(frozen=True)
class OrderExperiment:
    """The orders of one app's Dockerfile, each rebuilt after the same edit."""

    app: str
    edit: str | None
    orders: tuple[OrderResult, ...]

    def order(self, name: str) -> OrderResult:
        """Return one of the orders, such as "copy first"."""
        return next(order for order in self.orders if order.name == name)

    @property
    def edit_phrase(self) -> str:
        """Return the edit as the start of a sentence, such as "after editing app.py"."""
        if self.edit is None:
            return "with nothing edited"
        name = "the Dockerfile (a new ENV above RUN)" if self.edit == "Dockerfile" else self.edit
        return f"after editing {name}"

    def title(self) -> str:
        """Return the result as a headline, such as "After editing app.py: 12.0 s vs. 0.3 s"."""
        times = " vs. ".join(f"{median(order.seconds):.1f} s" for order in self.orders)
        return f"{self.edit_phrase[0].upper()}{self.edit_phrase[1:]}: {times}"

    def facts(self) -> str:
        """Return which steps were cached and which rebuilt, a line for each order, without times."""
        rows = [
            (f"  {order.name}:", ", ".join(f"{s.keyword} {s.outcome}" for s in order.steps))
            for order in self.orders
        ]
        return f"{self.edit_phrase}\n{text_table(rows)}"

    def text(self) -> str:
        """Return a table: a row for each step of each order, and the seconds of the whole build."""
        builds = len(self.orders[0].reports)
        how = "1 build" if builds == 1 else f"median of {builds} builds (min–max)"
        rows = [("", "", f"seconds, {how}")]
        for order in self.orders:
            rows.append((order.name, "whole build", spread(order.seconds)))
            for step in order.steps:
                seconds = "" if step.outcome == "cached" else spread(step.seconds)
                rows.append((f"  {shorten(step.instruction)}", step.outcome, seconds))
        return f"{self.app}, {self.edit_phrase}\n\n{text_table(rows, align='llr')}"
