"""What the caching experiment measured: two orders of one Dockerfile, three builds of each.

Frozen values and the words for them.  Nothing here knows how a build is run or drawn; every
sentence is derived from the samples, never from what one expects of Docker.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

COLD, UNCHANGED, EDITED = PHASES = ("cold", "unchanged", "edited")
COPY_FIRST, REQUIREMENTS_FIRST = ORDERS = ("copy first", "requirements first")


@dataclass(frozen=True)
class StepSamples:
    """One build step over all runs: whether it was a cache hit, and its seconds, run by run."""

    instruction: str
    cached_runs: tuple[bool, ...]
    seconds: tuple[float, ...]

    @property
    def is_from(self) -> bool:
        """Whether this is FROM, which is not counted: there is nothing in it to rebuild."""
        return self.instruction[:4].upper() == "FROM"

    @property
    def cached(self) -> bool:
        """Whether the step was cached in every run."""
        return all(self.cached_runs)

    @property
    def agrees(self) -> bool:
        """Whether all runs had the same outcome."""
        return len(set(self.cached_runs)) == 1

    @property
    def outcome(self) -> str:
        """What happened to the step: base image, cached, rebuilt, or how the runs disagree."""
        if self.is_from:
            return "base image"
        if not self.agrees:
            return f"cached in {sum(self.cached_runs)} of {len(self.cached_runs)} runs"
        return "cached" if self.cached else "rebuilt"

    @property
    def median_seconds(self) -> float:
        """The median over the runs, in seconds."""
        return median(self.seconds)

    @property
    def spread_seconds(self) -> tuple[float, float]:
        """The fastest and the slowest run, in seconds."""
        return min(self.seconds), max(self.seconds)


@dataclass(frozen=True)
class PhaseResult:
    """One kind of build (cold, unchanged, edited) of one order: its steps and whole times."""

    phase: str
    steps: tuple[StepSamples, ...]
    total_seconds: tuple[float, ...]

    @property
    def counted(self) -> tuple[StepSamples, ...]:
        """The steps without FROM."""
        return tuple(step for step in self.steps if not step.is_from)

    @property
    def judged(self) -> tuple[StepSamples, ...]:
        """The steps a fact speaks of: in a cold build not WORKDIR, which `--no-cache` leaves be."""
        if self.phase != COLD:
            return self.counted
        return tuple(s for s in self.counted if s.instruction[:7].upper() != "WORKDIR")

    @property
    def median_seconds(self) -> float:
        """The median time of the whole build, in seconds."""
        return median(self.total_seconds)

    @property
    def install(self) -> StepSamples | None:
        """The step that installs the dependencies: the first RUN that says install, if any."""
        runs = [step for step in self.counted if step.instruction[:4].upper() == "RUN "]
        return next((step for step in runs if "install" in step.instruction), None)

    def outcome(self) -> str:
        """All steps in a few words: every step cached, every step rebuilt, or the install step."""
        judged = self.judged
        disagreeing = [step for step in judged if not step.agrees]
        if disagreeing:
            return "the runs disagree: " + "; ".join(
                f"{one_line(step.instruction)} {step.outcome}" for step in disagreeing)
        every = "every step" if judged == self.counted else "every RUN and COPY"
        kinds = {step.cached for step in judged}
        if len(kinds) == 1:
            return f"{every} {'cached' if kinds == {True} else 'rebuilt'}"
        if self.install:
            return f"install step {self.install.outcome}"
        return ", ".join(f"{one_line(s.instruction)} {s.outcome}" for s in self.counted)


@dataclass(frozen=True)
class OrderResult:
    """One order of the Dockerfile's lines, and its builds in the order they were run."""

    order: str
    dockerfile: str
    phases: tuple[PhaseResult, ...]

    def phase(self, name: str) -> PhaseResult:
        """The builds of one kind: "cold", "unchanged" or "edited"."""
        return next(phase for phase in self.phases if phase.phase == name)


@dataclass(frozen=True)
class OrderExperiment:
    """Both orders of one app, built cold, unchanged and after an edit, `repeats` times each."""

    app: str
    edit: str | None
    repeats: int
    orders: tuple[OrderResult, ...]

    def order(self, name: str) -> OrderResult:
        """One of the orders: "copy first" or "requirements first"."""
        return next(order for order in self.orders if order.order == name)

    @property
    def edit_words(self) -> str:
        """The edit, to go before a comma: "after editing app.py"."""
        return edit_words(self.edit)

    def phase_words(self, phase: str) -> str:
        """A kind of build in words, for a heading or a fact."""
        return {COLD: "cold build", UNCHANGED: "unchanged rebuild"}.get(phase, self.edit_words)

    def facts(self) -> str:
        """What was cached and what was rebuilt, one line a build, in words without times."""
        return "\n".join(
            f"{self.phase_words(phase)}, {order.order}: {order.phase(phase).outcome()}"
            for phase in PHASES for order in self.orders)

    def text(self) -> str:
        """A table for each order: a row a step, the median seconds and (min–max) of each build."""
        runs = "1 run" if self.repeats == 1 else f"medians of {self.repeats} runs (min–max)"
        parts = [f"{self.app}, {self.edit_words}: {runs}, seconds"]
        for order in self.orders:
            rows = [(order.order, *(self.phase_words(p.phase) for p in order.phases))]
            for samples in zip(*(phase.steps for phase in order.phases), strict=True):
                rows.append((one_line(samples[0].instruction), *map(describe, samples)))
            rows.append(("whole build", *(times(p.total_seconds) for p in order.phases)))
            widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
            lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
                     .rstrip() for row in rows]
            rule = "-" * max(map(len, lines))
            parts.append("\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]]))
        return "\n\n".join(parts)


def edit_words(edit: str | None) -> str:
    """An edit in words that can open a sentence, such as "after editing app.py"."""
    if edit is None:
        return "with nothing edited"
    return "after editing the Dockerfile's middle line" if edit == "Dockerfile" else (
        f"after editing {edit}")


def times(seconds: tuple[float, ...]) -> str:
    """The median in seconds and, with several runs, the fastest and slowest."""
    text = f"{median(seconds):.2f}"
    return text if len(seconds) == 1 else f"{text} ({min(seconds):.2f}–{max(seconds):.2f})"


def describe(step: StepSamples) -> str:
    """A table's cell: the outcome, and the seconds of a step that was not simply cached."""
    outcome = step.outcome
    return outcome if outcome in ("cached", "base image") else f"{outcome} {times(step.seconds)}"


def one_line(instruction: str, width: int = 60) -> str:
    """An instruction on one line, cut to a width in characters."""
    line = " ".join(instruction.split())
    return line if len(line) <= width else line[: width - 1] + "…"
