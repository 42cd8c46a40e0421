"""Combines BuildKit's progress, its record and the Dockerfile into one report."""

from __future__ import annotations

import re

from helpers.build.dockerfile import STEP_KEYWORDS, Dockerfile
from helpers.build.progress import BuildProgress
from helpers.build.provenance import BuildRecord
from helpers.build.result import BuildReport, BuildStep

# What BuildKit reports as a step, whatever the version of buildx.
REPORTED = STEP_KEYWORDS | {"FROM"}
_STEP = re.compile(r"^(\[[^\]]*?(\d+)/\d+\])\s+(.*)$", re.S)
# "[context NAME] IMAGE" is a base image that came through a named context; BuildKit does not
# count it as a step of its stage and records no line for it.
_CONTEXT = re.compile(r"^(\[context \S+\]) (?!load )")


def make_report(
    progress: BuildProgress,
    dockerfile: Dockerfile,
    record: BuildRecord,
    *,
    tag: str,
    seconds: float,
    target: str = "",
) -> BuildReport:
    """Return the report of a finished build, in the order of the Dockerfile."""
    if not record.has_lines:
        config = [i.text for i in dockerfile.instructions if i.keyword not in REPORTED]
        return BuildReport(record.image_id, (tag,), seconds, (*_steps_by_label(progress), *config))
    steps = _steps_by_line(progress, dockerfile, record)
    stages = _stages_built(dockerfile, {step.line for step in steps}, target)
    reported = {step.line for step in steps if not step.instruction.startswith("ONBUILD ")}
    base = _base_from_context(progress, dockerfile, reported, stages)
    if base:
        steps.append(base)
        reported.add(base.line)
    rows: list[tuple[int, BuildStep | str]] = [
        (i.line, i.text)
        for i in dockerfile.instructions
        if i.line not in reported and i.stage in stages
    ]
    rows += [(step.line, step) for step in steps]
    return BuildReport(
        record.image_id,
        (tag,),
        seconds,
        tuple(row for _, row in sorted(rows, key=lambda item: item[0])),
    )


def _steps_by_line(
    progress: BuildProgress, dockerfile: Dockerfile, record: BuildRecord
) -> list[BuildStep]:
    """Return the steps that BuildKit has a Dockerfile line for, in the order of their numbers."""
    steps = []
    for digest, vertex in progress.vertexes.items():
        label, number, text = _split_name(vertex.name)
        if text.startswith("LINK "):  # the second half of COPY --link
            continue
        lines = sorted(record.lines.get(digest, ()))
        instructions = [i for line in lines if (i := dockerfile.at_line(line))]
        if text.startswith("FROM "):
            # The vertex of an image that a COPY --from reads has the line of the COPY.
            instructions = [i for i in instructions if i.keyword == "FROM"]
        if instructions:
            first = instructions[0]
            # An ONBUILD instruction of the base image has the line of the FROM.
            text = text if text.startswith("ONBUILD ") else first.text
            step = BuildStep(text, vertex.seconds, vertex.cached, label, first.line)
            steps.append((number, step))
    return [step for _, step in sorted(steps, key=lambda item: item[0])]


def _steps_by_label(progress: BuildProgress) -> tuple[BuildStep, ...]:
    """Return the steps as BuildKit names them, for a buildx that records no lines."""
    named = [(*_split_name(vertex.name), vertex) for vertex in progress.vertexes.values()]
    named.sort(key=lambda item: (item[0].rpartition(" ")[0], item[1]))
    return tuple(
        BuildStep(text, vertex.seconds, vertex.cached, label)
        for label, number, text, vertex in named
        if number
    )


def _stages_built(dockerfile: Dockerfile, reported: set[int], target: str) -> set[int]:
    """Return the stages with a step, the target's, their parents, and -1 for ARGs before FROM."""
    named = dockerfile.find_stage(target)
    last = len(dockerfile.stages) - 1
    built = {i.stage for i in dockerfile.instructions if i.line in reported}
    built.add(last if named is None else named)
    for stage in sorted(built - {-1}, reverse=True):
        parent: int | None = stage
        while parent is not None:
            built.add(parent)
            parent = dockerfile.parent(parent)
    return built | {-1}


def _base_from_context(
    progress: BuildProgress, dockerfile: Dockerfile, reported: set[int], stages: set[int]
) -> BuildStep | None:
    """Return the FROM whose image came through a named context (the stand-in), or None."""
    contexts = [
        (match, vertex)
        for vertex in progress.vertexes.values()
        if (match := _CONTEXT.match(vertex.name))
    ]
    for start in dockerfile.stages:
        if (
            contexts
            and start.stage in stages
            and start.line not in reported
            and dockerfile.starts_from_image(start.stage)
        ):
            match, vertex = contexts[0]
            return BuildStep(start.text, vertex.seconds, vertex.cached, match[1], start.line)
    return None


def _split_name(name: str) -> tuple[str, int, str]:
    """Split "[build  2/12] RUN x" into "[build 2/12]", 2 and "RUN x"; without a label: "", 0."""
    match = _STEP.match(name)
    if match is None:
        return "", 0, name
    label = re.sub(r"\[ ", "[", re.sub(r"\s+(?=\d+/)", " ", match[1]))
    return label, int(match[2]), match[3]
