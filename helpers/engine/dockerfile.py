"""Reads a Dockerfile into instructions with their line numbers and build stages.

Only as much as is needed to show an instruction as its author wrote it and to find the one that
a BuildKit step ``[stage n/m]`` stands for.  It must not know how a build is run, and it judges
nothing: BuildKit alone says whether a Dockerfile is right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

STEP_KEYWORDS = frozenset({"RUN", "COPY", "ADD", "WORKDIR"})
_HEREDOC_KEYWORDS = frozenset({"RUN", "COPY", "ADD"})
_DIRECTIVE = re.compile(r"^#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*$")
_HEREDOC = re.compile(r"(?:^|\s)\d*<<(-?)([\"']?)([^\s<>\"'|&;()]+)\2(?=$|[\s>|&;)])")


@dataclass(frozen=True)
class Instruction:
    """One instruction as written, at its first line (from 1), in a stage (-1: before any FROM)."""

    keyword: str
    text: str
    line: int
    stage: int


@dataclass(frozen=True)
class Stage:
    """One FROM and what follows it; `name` and `base` in lower case, as BuildKit compares them."""

    index: int
    name: str
    base: str
    instructions: tuple[Instruction, ...]

    @property
    def steps(self) -> tuple[Instruction, ...]:
        """The instructions after FROM that BuildKit numbers."""
        return tuple(i for i in self.instructions if i.keyword in STEP_KEYWORDS)


@dataclass(frozen=True)
class Dockerfile:
    """All instructions of a Dockerfile in order."""

    instructions: tuple[Instruction, ...]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The build stages in order."""
        found = []
        for start in (i for i in self.instructions if i.keyword == "FROM"):
            words = [w for w in start.text.split()[1:] if not w.startswith("--") and w != "\\"]
            named = len(words) >= 3 and words[1].upper() == "AS"
            found.append(
                Stage(
                    start.stage,
                    words[2].lower() if named else "",
                    words[0].lower() if words else "",
                    tuple(i for i in self.instructions if i.stage == start.stage),
                )
            )
        return tuple(found)

    def stage_called(self, name: str) -> Stage | None:
        """The stage that BuildKit calls `name`: its name, ``stage-N``, or nothing if alone."""
        stages = self.stages
        if not name:
            return stages[-1] if stages else None
        wanted = name.lower()
        for stage in reversed(stages):
            if wanted in (stage.name, f"stage-{stage.index}"):
                return stage
        return None

    def step(self, stage_name: str, number: int, total: int) -> Instruction | None:
        """The instruction behind the step ``[stage number/total]``, counted from the end.

        From the end, because FROM counts only where its base is an image, not a stage.
        """
        stage = self.stage_called(stage_name)
        if stage is None:
            return None
        from_end = total - number
        if from_end < len(stage.steps):
            return stage.steps[len(stage.steps) - 1 - from_end]
        return stage.instructions[0] if number == 1 else None

    def at_line(self, line: int) -> Instruction | None:
        """The instruction that covers a line (from 1), None before the first."""
        before = [i for i in self.instructions if i.line <= line]
        return before[-1] if before else None

    def parent(self, stage: Stage) -> Stage | None:
        """The earlier stage that this one starts from, None when it starts from an image."""
        for earlier in reversed(self.stages[: stage.index]):
            if stage.base and stage.base in (earlier.name, str(earlier.index)):
                return earlier
        return None


def parse(text: str) -> Dockerfile:
    """Split a Dockerfile's text into instructions; never raises for a wrong one."""
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    escape = _escape(lines)
    found: list[Instruction] = []
    stage = -1
    at = 0
    while at < len(lines):
        if not lines[at].strip() or lines[at].lstrip().startswith("#"):
            at += 1
            continue
        start = at
        logical, at = _logical_line(lines, at, escape)
        keyword = logical.split(None, 1)[0].upper() if logical.split() else ""
        if keyword in _HEREDOC_KEYWORDS:
            at = _after_heredocs(lines, at, logical)
        if keyword == "FROM":
            stage += 1
        written = "\n".join(lines[start:at]).strip()
        found.append(Instruction(keyword, written, start + 1, stage))
    return Dockerfile(tuple(found))


def _escape(lines: list[str]) -> str:
    """The escape character: a backslash unless a directive at the very top says otherwise."""
    for line in lines:
        directive = _DIRECTIVE.match(line.strip())
        if directive is None:
            break
        if directive[1].lower() == "escape" and directive[2] in ("\\", "`"):
            return directive[2]
    return "\\"


def _logical_line(lines: list[str], at: int, escape: str) -> tuple[str, int]:
    """Join a line with its continuations; returns it and the index after its last line."""
    parts: list[str] = []
    end = at
    while at < len(lines):
        line = lines[at]
        at += 1
        if parts and (not line.strip() or line.lstrip().startswith("#")):
            continue
        end = at
        bare = line.rstrip()
        if bare.endswith(escape) and not bare.endswith(escape * 2):
            parts.append(bare[:-1])
            continue
        parts.append(line)
        break
    return "".join(parts), end


def _after_heredocs(lines: list[str], at: int, logical: str) -> int:
    """The index after the bodies of the here-documents that a line opens."""
    for dash, _, name in _HEREDOC.findall(logical):
        for index in range(at, len(lines)):
            candidate = lines[index].lstrip("\t") if dash else lines[index]
            if candidate == name:
                at = index + 1
                break
        else:
            return len(lines)
    return at
