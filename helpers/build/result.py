"""The report of a build: its steps in the order of the Dockerfile, and how long each took."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from helpers.build.dockerfile import STEP_KEYWORDS, shorten
from helpers.tables import text_table


@dataclass(frozen=True)
class BuildStep:
    """A step that BuildKit reported: FROM, RUN, COPY, ADD or WORKDIR, and its time in seconds.

    `label` is what BuildKit prints, such as "[2/5]" or "[build 2/5]"; `line` is 0 if unknown.
    """

    instruction: str
    seconds: float
    cached: bool
    label: str = ""
    line: int = 0

    @property
    def is_from(self) -> bool:
        """Return whether this is a stage's FROM, which has nothing to rebuild."""
        return self.instruction[:4].upper() == "FROM"

    @property
    def outcome(self) -> str:
        """Return what happened to the step: "base image", "cached" or "rebuilt"."""
        if self.is_from:
            return "base image"
        return "cached" if self.cached else "rebuilt"


@dataclass(frozen=True)
class BuildReport:
    """A finished build: the image, the total time in seconds, and each step.

    `rows` follows the Dockerfile: build steps, and the text of instructions that are none.
    """

    image_id: str
    tags: tuple[str, ...]
    seconds: float
    rows: tuple[BuildStep | str, ...]

    @property
    def steps(self) -> tuple[BuildStep, ...]:
        """Return the build steps."""
        return tuple(row for row in self.rows if isinstance(row, BuildStep))

    @property
    def config(self) -> tuple[str, ...]:
        """Return the instructions that are not build steps, as written."""
        return tuple(row for row in self.rows if isinstance(row, str))

    @property
    def all_cached(self) -> bool:
        """Return whether every step except FROM was a cache hit."""
        return all(step.cached for step in self.steps if not step.is_from)

    def text(self) -> str:
        """Return the report as a plain table, times in seconds."""
        rows = [("step", "instruction", "cache", "seconds")]
        for row in self.rows:
            if isinstance(row, BuildStep):
                shown = (row.label, shorten(row.instruction), row.outcome, f"{row.seconds:.1f}")
            else:
                shown = ("", shorten(row), describe_config(row), "")
            rows.append(shown)
        return f"{text_table(rows, align='lllr')}\n\n{self.summary()}"

    def summary(self) -> str:
        """Return one sentence: the tag, the total time, and what happened to the steps."""
        name = ", ".join(self.tags) or self.image_id[:19]
        return f"Built {name} in {self.seconds:.1f} s: {self.count_outcomes()}."

    def count_outcomes(self) -> str:
        """Return how many steps were cached and rebuilt; a FROM is neither."""
        outcomes = Counter(step.outcome for step in self.steps)
        return f"{outcomes['cached']} cached, {outcomes['rebuilt']} rebuilt"


def describe_config(instruction: str) -> str:
    """Return what an instruction does that has no build step in the report."""
    keyword = instruction.split(None, 1)[0].upper()
    if keyword in STEP_KEYWORDS:
        return "shared with another stage"
    return "starts a stage" if keyword == "FROM" else "configuration"
