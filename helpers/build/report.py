"""Combines BuildKit's progress, its record and the Dockerfile into the rows of one report."""

from __future__ import annotations

import re

from helpers.build.dockerfile import STEP_KEYWORDS, Dockerfile
from helpers.build.progress import BuildProgress
from helpers.build.provenance import Lines
from helpers.build.result import BuildStep

# What BuildKit reports as a step, whatever the version of buildx.
REPORTED = STEP_KEYWORDS | {"FROM"}
_STEP = re.compile(r"^(\[[^\]]*?(\d+)/\d+\])\s+(.*)$", re.S)
# "[context NAME] IMAGE" is a base image that came through a named context; BuildKit does not
# count it as a step of its stage and records no line for it.
_CONTEXT = re.compile(r"^(\[context \S+\]) (?!load )")


def list_rows(
    progress: BuildProgress, dockerfile: Dockerfile, lines: Lines | None, target: str = ""
) -> list[BuildStep | str]:
    """Return a build's steps and, of the stages it built, the instructions that are none.

    They are in the order of the Dockerfile. `target` is the stage that was built, "" for the last.
    """
    if lines is None:
        config = [i.text for i in dockerfile.instructions if i.keyword not in REPORTED]
        return [*_steps_by_label(progress), *config]
    steps = _steps_by_line(progress, dockerfile, lines)
    stages = _stages_built(dockerfile, {step.line for step in steps}, target)
    reported = {step.line for step in steps if not step.instruction.startswith("ONBUILD ")}
    others = [i for i in dockerfile.instructions if i.line not in reported and i.stage in stages]
    base = _base_from_context(progress, dockerfile, {i.line for i in others})
    rows: list[tuple[int, BuildStep | str]] = [(step.line, step) for step in [*base, *steps]]
    rows += [(i.line, i.text) for i in others if i.line not in {step.line for step in base}]
    return [row for _, row in sorted(rows, key=lambda item: item[0])]


def _steps_by_line(
    progress: BuildProgress, dockerfile: Dockerfile, lines: Lines
) -> list[BuildStep]:
    """Return the steps that BuildKit has a Dockerfile line for, in the order of their numbers."""
    steps = []
    for digest, vertex in progress.vertexes.items():
        label, number, text = _split_name(vertex.name)
        covered = [dockerfile.at_line(line) for line in sorted(lines.get(digest, ()))]
        # The vertex of an image that a COPY --from reads has the line of the COPY.
        is_from = text.startswith("FROM ")
        first = next((i for i in covered if i and (i.keyword == "FROM" or not is_from)), None)
        if first and not text.startswith("LINK "):  # the second half of COPY --link
            # An ONBUILD instruction of the base image has the line of the FROM.
            text = text if text.startswith("ONBUILD ") else first.text
            step = BuildStep(text, vertex.seconds, vertex.cached, label, first.line)
            steps.append((number, step))
    return [step for _, step in sorted(steps, key=lambda item: item[0])]


def _steps_by_label(progress: BuildProgress) -> list[BuildStep]:
    """Return the steps as BuildKit names them, for an engine that keeps no record."""
    named = [(*_split_name(vertex.name), vertex) for vertex in progress.vertexes.values()]
    named.sort(key=lambda item: (item[0].rpartition(" ")[0], item[1]))
    return [
        BuildStep(text, v.seconds, v.cached, label) for label, number, text, v in named if number
    ]


def _stages_built(dockerfile: Dockerfile, reported: set[int], target: str) -> set[int]:
    """Return the stages with a step, the target's, their parents, and -1 for ARGs before FROM."""
    named = dockerfile.find_stage(target)
    last = len(dockerfile.stages) - 1
    built = {i.stage for i in dockerfile.instructions if i.line in reported}
    built |= {-1, last if named is None else named}
    for stage in range(last, 0, -1):  # a parent comes before the stages that start from it
        parent = dockerfile.parent(stage)
        if stage in built and parent is not None:
            built.add(parent)
    return built


def _base_from_context(
    progress: BuildProgress, dockerfile: Dockerfile, lines: set[int]
) -> list[BuildStep]:
    """Return the first FROM on `lines` if its image came through a named context (the stand-in)."""
    contexts = [(m, v) for v in progress.vertexes.values() if (m := _CONTEXT.match(v.name))]
    return [
        BuildStep(start.text, vertex.seconds, vertex.cached, match[1], start.line)
        for match, vertex in contexts[:1]
        for start in dockerfile.stages
        if start.line in lines and dockerfile.starts_from_image(start.stage)
    ][:1]


def _split_name(name: str) -> tuple[str, int, str]:
    """Split "[build  2/12] RUN x" into "[build 2/12]", 2 and "RUN x"; without a label: "", 0."""
    match = _STEP.match(name)
    if match is None:
        return "", 0, name
    label = re.sub(r"\[ ", "[", re.sub(r"\s+(?=\d+/)", " ", match[1]))
    return label, int(match[2]), match[3]
