"""What a build reported: its steps in Dockerfile order, with the time each took.

These are plain frozen values.  They must not know how a build is run, nor how a notebook draws.
"""

from __future__ import annotations

from dataclasses import dataclass

from helpers.results.columns import columns


@dataclass(frozen=True)
class BuildStep:
    """One step BuildKit reported: FROM, RUN, COPY, ADD or WORKDIR, and its time in seconds.

    `label` is what BuildKit prints, such as "[2/5]" or "[build 2/5]"; `line` is 0 where unknown.
    """

    instruction: str
    seconds: float
    cached: bool
    label: str = ""
    line: int = 0

    @property
    def is_from(self) -> bool:
        """Whether this is a stage's FROM, which has nothing to rebuild."""
        return self.instruction[:4].upper() == "FROM"

    @property
    def outcome(self) -> str:
        """What happened to the step, in a word: base image, cached or rebuilt."""
        if self.is_from:
            return "base image"
        return "cached" if self.cached else "rebuilt"


@dataclass(frozen=True)
class BuildReport:
    """A finished build: the image, the whole time in seconds, and each step.

    `rows` has the Dockerfile's order: the steps, and as text what is no step (configuration).
    """

    image_id: str
    tags: tuple[str, ...]
    seconds: float
    rows: tuple[BuildStep | str, ...]

    @property
    def steps(self) -> tuple[BuildStep, ...]:
        """The build steps."""
        return tuple(row for row in self.rows if isinstance(row, BuildStep))

    @property
    def config(self) -> tuple[str, ...]:
        """The instructions that are no build step, as written."""
        return tuple(row for row in self.rows if isinstance(row, str))

    @property
    def all_cached(self) -> bool:
        """Whether every step but FROM was a cache hit."""
        return all(step.cached for step in self.steps if not step.is_from)

    def text(self) -> str:
        """The report as a plain table; times in seconds."""
        table = [("step", "instruction", "cache", "seconds")]
        for row in self.rows:
            table.append(("", short(row), beside(row), "") if isinstance(row, str) else (
                row.label, short(row.instruction), row.outcome, f"{row.seconds:7.1f}"))
        return f"{columns(table)}\n\n{self.summary()}"

    def summary(self) -> str:
        """One sentence: the tag, how many steps were cached, and the time in seconds."""
        counted = [step for step in self.steps if not step.is_from]
        hits = sum(step.cached for step in counted)
        name = ", ".join(self.tags) or self.image_id[:19]
        return f"Built {name} in {self.seconds:.1f} s: {hits} of {len(counted)} steps cached."


def beside(instruction: str) -> str:
    """Return what an instruction without a build step of its own does, in a few words."""
    keyword = instruction.split(None, 1)[0].upper()
    if keyword in ("RUN", "COPY", "ADD", "WORKDIR"):
        return "shared with another stage"
    return "starts a stage" if keyword == "FROM" else "configuration"


def human_size(size: int | None) -> str:
    """A number of bytes in decimal units, as ``docker images`` prints it; empty for None."""
    if size is None:
        return ""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return ""


def short(instruction: str, width: int = 60) -> str:
    """An instruction on one line, cut to a width in characters."""
    lines = instruction.split("\n")
    written = [lines[0], *(text for text in lines[1:] if not text.lstrip().startswith("#"))]
    if any(mark in instruction for mark in ("<<", "\n#!")):
        written = lines
    line = " ".join(" ".join(text.rstrip().removesuffix("\\") for text in written).split())
    return line if len(line) <= width else line[: width - 1] + "…"
