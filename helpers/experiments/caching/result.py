"""The result of the caching experiment: two orders of one Dockerfile, three builds of each.

Every sentence comes from the samples, never from what Docker is expected to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from helpers.build.dockerfile import shorten
from helpers.tables import spread, text_table

COLD, UNCHANGED, EDITED = PHASES = ("cold", "unchanged", "edited")
COPY_FIRST, REQUIREMENTS_FIRST = ORDERS = ("copy first", "requirements first")


@dataclass(frozen=True)
class StepSamples:
    """A build step over all runs: whether it was a cache hit, and its seconds, run by run."""

    instruction: str
    cached_runs: tuple[bool, ...]
    seconds: tuple[float, ...]

    @property
    def is_from(self) -> bool:
        """Return whether this is FROM, which is not counted, as it has nothing to rebuild."""
        return self.instruction[:4].upper() == "FROM"

    @property
    def cached(self) -> bool:
        """Return whether the step was cached in every run."""
        return all(self.cached_runs)

    @property
    def agrees(self) -> bool:
        """Return whether all runs had the same outcome."""
        return len(set(self.cached_runs)) == 1

    @property
    def outcome(self) -> str:
        """Return what happened: "base image", "cached", "rebuilt", or how the runs disagree."""
        if self.is_from:
            return "base image"
        if not self.agrees:
            return f"cached in {sum(self.cached_runs)} of {len(self.cached_runs)} runs"
        return "cached" if self.cached else "rebuilt"

    @property
    def median_seconds(self) -> float:
        """Return the median over the runs, in seconds."""
        return median(self.seconds)

    @property
    def spread_seconds(self) -> tuple[float, float]:
        """Return the fastest and the slowest run, in seconds."""
        return min(self.seconds), max(self.seconds)


@dataclass(frozen=True)
class PhaseResult:
    """One kind of build (cold, unchanged, edited) of one order: its steps and total times."""

    phase: str
    steps: tuple[StepSamples, ...]
    total_seconds: tuple[float, ...]

    @property
    def counted(self) -> tuple[StepSamples, ...]:
        """Return the steps without FROM."""
        return tuple(step for step in self.steps if not step.is_from)

    @property
    def judged(self) -> tuple[StepSamples, ...]:
        """Return the steps that facts are about: not WORKDIR if cold, which ignores `--no-cache`."""
        if self.phase != COLD:
            return self.counted
        return tuple(s for s in self.counted if s.instruction[:7].upper() != "WORKDIR")

    @property
    def median_seconds(self) -> float:
        """Return the median time of the whole build, in seconds."""
        return median(self.total_seconds)

    @property
    def install(self) -> StepSamples | None:
        """Return the step that installs dependencies (the first RUN with "install"), or None."""
        runs = [step for step in self.counted if step.instruction[:4].upper() == "RUN "]
        return next((step for step in runs if "install" in step.instruction), None)

    def outcome(self) -> str:
        """Return the outcome in a few words: that of every step, or of the install step."""
        judged = self.judged
        disagreeing = [step for step in judged if not step.agrees]
        if disagreeing:
            return "the runs disagree: " + "; ".join(
                f"{shorten(step.instruction)} {step.outcome}" for step in disagreeing
            )
        every = "every step" if judged == self.counted else "every RUN and COPY"
        kinds = {step.cached for step in judged}
        if len(kinds) == 1:
            return f"{every} {'cached' if kinds == {True} else 'rebuilt'}"
        if self.install:
            return f"install step {self.install.outcome}"
        return ", ".join(f"{shorten(s.instruction)} {s.outcome}" for s in self.counted)


@dataclass(frozen=True)
class OrderResult:
    """One order of the Dockerfile's lines, and its builds in the order they ran."""

    order: str
    dockerfile: str
    phases: tuple[PhaseResult, ...]

    def phase(self, name: str) -> PhaseResult:
        """Return the builds of one kind: "cold", "unchanged" or "edited"."""
        return next(phase for phase in self.phases if phase.phase == name)


@dataclass(frozen=True)
class OrderExperiment:
    """Both orders of one app, built cold, unchanged and after an edit, `repeats` times each."""

    app: str
    edit: str | None
    repeats: int
    orders: tuple[OrderResult, ...]

    def order(self, name: str) -> OrderResult:
        """Return one of the orders: "copy first" or "requirements first"."""
        return next(order for order in self.orders if order.order == name)

    @property
    def edit_phrase(self) -> str:
        """Return the edit as the start of a sentence, such as "after editing app.py"."""
        if self.edit is None:
            return "with nothing edited"
        name = "the Dockerfile's middle line" if self.edit == "Dockerfile" else self.edit
        return f"after editing {name}"

    def phase_phrase(self, phase: str) -> str:
        """Return a kind of build in words, for a heading or a fact."""
        return {COLD: "cold build", UNCHANGED: "unchanged rebuild"}.get(phase, self.edit_phrase)

    def facts(self) -> str:
        """Return what was cached and what was rebuilt, a line for each build, without times."""
        return "\n".join(
            f"{self.phase_phrase(phase)}, {order.order}: {order.phase(phase).outcome()}"
            for phase in PHASES
            for order in self.orders
        )

    def text(self) -> str:
        """Return a table for each order: a row for each step, the seconds of each build."""
        runs = "1 run" if self.repeats == 1 else f"medians of {self.repeats} runs (min–max)"
        parts = [f"{self.app}, {self.edit_phrase}: {runs}, seconds"]
        for order in self.orders:
            rows = [(order.order, *(self.phase_phrase(p.phase) for p in order.phases))]
            for samples in zip(*(phase.steps for phase in order.phases), strict=True):
                rows.append((shorten(samples[0].instruction), *map(describe, samples)))
            rows.append(("whole build", *(spread(p.total_seconds) for p in order.phases)))
            lines = text_table(rows).splitlines()
            rule = "-" * max(map(len, lines))
            parts.append("\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]]))
        return "\n\n".join(parts)


def describe(step: StepSamples) -> str:
    """Return the outcome of a step, and its seconds if it did some work."""
    outcome = step.outcome
    return outcome if outcome in ("cached", "base image") else f"{outcome} {spread(step.seconds)}"
