"""Splits a Dockerfile into instructions with their lines and stages, as BuildKit does.

A report needs it for the text of each step as its author wrote it, and for the instructions that
are not build steps. Whether a Dockerfile is valid is for BuildKit to decide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

STEP_KEYWORDS = frozenset({"RUN", "COPY", "ADD", "WORKDIR"})
# At the top of the file, possibly after other directives such as # syntax=…
_ESCAPE = re.compile(r"(?:\s*#\s*\w+\s*=.*\n)*?\s*#\s*escape\s*=\s*`", re.I)
_NOT_CODE = re.compile(r"\s*(#|$)")
_HEREDOC = re.compile(r"(?:^|\s)\d*<<(-?)([\"']?)([^\s<>\"'|&;()]+)\2(?=$|[\s>|&;)])")


@dataclass(frozen=True)
class Instruction:
    """One instruction as written, at its first line (from 1), in a stage (-1: before any FROM)."""

    keyword: str
    text: str
    line: int
    stage: int


@dataclass(frozen=True)
class Dockerfile:
    """All instructions of a Dockerfile in order."""

    instructions: tuple[Instruction, ...]

    @property
    def stages(self) -> tuple[Instruction, ...]:
        """Return the FROM of each stage."""
        return tuple(i for i in self.instructions if i.keyword == "FROM")

    def at_line(self, line: int) -> Instruction | None:
        """Return the instruction that covers a line (from 1), None before the first."""
        before = [i for i in self.instructions if i.line <= line]
        return before[-1] if before else None

    def find_stage(self, name: str, before: int | None = None) -> int | None:
        """Return the number of the stage called `name` among those `before` a stage, or None."""
        for start in reversed(self.stages[:before]):
            if name and name.lower() in (_from_words(start)[1], str(start.stage)):
                return start.stage
        return None

    def parent(self, stage: int) -> int | None:
        """Return the earlier stage that this one starts from, None when it starts from an image."""
        return self.find_stage(_from_words(self.stages[stage])[0], before=stage)

    def starts_from_image(self, stage: int) -> bool:
        """Return whether a stage starts from an image, and not from scratch or another stage."""
        return _from_words(self.stages[stage])[0] != "scratch" and self.parent(stage) is None


def _from_words(start: Instruction) -> tuple[str, str]:
    """Return a FROM's base and the stage's name, in lower case as BuildKit compares them."""
    words = [w.lower() for w in start.text.split()[1:] if not w.startswith("--") and w != "\\"]
    name = words[2] if len(words) >= 3 and words[1] == "as" else ""
    return (words[0] if words else ""), name


def shorten(instruction: str, width: int = 60) -> str:
    """Return an instruction on one line, cut to `width` characters.

    Continuation signs and comments are left out, except where "#" may not start a comment.
    """
    lines = instruction.split("\n")
    if "<<" not in instruction and "\n#!" not in instruction:
        lines = [lines[0], *(line for line in lines[1:] if not line.lstrip().startswith("#"))]
    text = " ".join(" ".join(line.rstrip().removesuffix("\\") for line in lines).split())
    return text if len(text) <= width else text[: width - 1] + "…"


def parse(text: str) -> Dockerfile:
    r"""Split a Dockerfile's text into instructions; never raises, whatever the text.

    RUN <<EOF cat \     a line that ends with the escape character goes on,
    # a comment         over comments and blank lines too
      > /file           "RUN <<EOF cat   > /file" is complete, and opens a here-document
    hello
    EOF                 the instruction ends here
    """
    text = text.removeprefix("\ufeff")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    escape = re.escape("`" if _ESCAPE.match(text) else "\\")
    goes_on = re.compile(rf"(?<!{escape}){escape}\s*$")
    instructions: list[Instruction] = []
    stage, at = -1, 0
    while at < len(lines):
        first, at = at, at + 1
        if _NOT_CODE.match(lines[first]):
            continue
        code = [lines[first]]
        while goes_on.search(code[-1]) and at < len(lines):
            code += [] if _NOT_CODE.match(lines[at]) else [lines[at]]
            at += 1
        logical = "".join(goes_on.sub("", line) for line in code)
        keyword = (logical.split() or [""])[0].upper()
        for dash, _, word in _HEREDOC.findall(logical) if keyword in STEP_KEYWORDS else ():
            while at < len(lines) and (lines[at].lstrip("\t") if dash else lines[at]) != word:
                at += 1
            at += 1
        stage += keyword == "FROM"
        written = "\n".join(lines[first:at]).strip()
        instructions.append(Instruction(keyword, written, first + 1, stage))
    return Dockerfile(tuple(instructions))
