"""What a build reported: its steps in Dockerfile order, with the time each took.

These are plain frozen values.  They must not know how a build is run, nor how a notebook draws.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BuildStep:
    """One step BuildKit reported: FROM, RUN, COPY, ADD or WORKDIR (seconds, bytes)."""

    instruction: str
    seconds: float
    cached: bool
    size_bytes: int | None
    number: int = 0
    total: int = 0
    stage: str = ""
    line: int = 0

    @property
    def label(self) -> str:
        """The step's name as BuildKit prints it, such as ``[2/5]`` or ``[build 2/5]``."""
        return f"[{self.stage} {self.number}/{self.total}]" if self.stage else (
            f"[{self.number}/{self.total}]"
        )

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
    """A finished build: the image, the whole time in seconds, and each step."""

    image_id: str
    tags: tuple[str, ...]
    seconds: float
    steps: tuple[BuildStep, ...]
    config: tuple[str, ...] = ()
    config_lines: tuple[int, ...] = ()

    @property
    def all_cached(self) -> bool:
        """Whether every step but FROM was a cache hit."""
        return all(step.cached for step in self.steps if not step.is_from)

    def rows(self) -> tuple[BuildStep | str, ...]:
        """Steps and configuration instructions (plain strings) in Dockerfile order."""
        lines = self.config_lines or (10**9,) * len(self.config)
        keyed: list[tuple[int, int, BuildStep | str]] = [
            (step.line, i, step) for i, step in enumerate(self.steps)
        ]
        start = len(keyed)
        keyed += [
            (line, start + i, text)
            for i, (line, text) in enumerate(zip(lines, self.config, strict=True))
        ]
        return tuple(row for _, _, row in sorted(keyed, key=lambda item: item[:2]))

    def text(self) -> str:
        """The report as a plain table; times in seconds, sizes in decimal units."""
        cells = [("step", "instruction", "cache", "seconds", "size")]
        for row in self.rows():
            if isinstance(row, str):
                cells.append(("", short(row), beside(row), "", ""))
            else:
                cells.append(
                    (
                        row.label,
                        short(row.instruction),
                        row.outcome,
                        f"{row.seconds:.1f}",
                        human_size(row.size_bytes),
                    )
                )
        widths = [max(len(line[i]) for line in cells) for i in range(5)]
        table = [
            "  ".join(
                (
                    line[0].ljust(widths[0]),
                    line[1].ljust(widths[1]),
                    line[2].ljust(widths[2]),
                    line[3].rjust(widths[3]),
                    line[4].rjust(widths[4]),
                )
            ).rstrip()
            for line in cells
        ]
        return "\n".join([*table, "", self.summary()])

    def summary(self) -> str:
        """One sentence: the tag, how many steps were cached, and the time in seconds."""
        counted = [step for step in self.steps if not step.is_from]
        hits = sum(step.cached for step in counted)
        name = ", ".join(self.tags) or self.image_id[:19]
        return f"Built {name} in {self.seconds:.1f} s: {hits} of {len(counted)} steps cached."


def beside(instruction: str) -> str:
    """What an instruction without a build step of its own does, in a word or three."""
    return "starts a stage" if instruction[:4].upper() == "FROM" else "configuration"


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
