"""Builds an image with BuildKit and reports each build step: cached or rebuilt, and its time.

It runs ``docker buildx build --progress=rawjson`` and reads BuildKit's own status messages while
they arrive.  It must not know notebooks or how a report is drawn; progress goes to a callable.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from helpers.engine import dockerfile as dockerfiles
from helpers.engine.owner import labels
from helpers.errors import CourseError
from helpers.results.build import BuildReport, BuildStep, short

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

OUTPUT_LINES = 10
INTERRUPT_SECONDS = 5.0

_STEP = re.compile(
    r"^\[\s*(?:(?P<stage>\S.*?)\s+)?(?P<n>\d+)/(?P<total>\d+)\]\s+(?P<text>.*)$", re.S
)
_CONTEXT = re.compile(r"^\[context (\S+)\] (?!load )")
_WRITTEN = re.compile(r"^(?:writing image|exporting config) (sha256:[0-9a-f]{64})")
_TAG = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
)


class BuildFailed(CourseError):
    """A build that ended with an error: the Dockerfile's line, the last output, what to do."""

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        line: int | None = None,
        instruction: str = "",
        output: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint)
        self.line = line
        self.instruction = instruction
        self.output = output


@dataclass
class Vertex:
    """What BuildKit has said so far of one node of the build graph."""

    name: str
    cached: bool = False
    error: str = ""
    intervals: dict[str, str] = field(default_factory=dict)
    output: bytearray = field(default_factory=bytearray)

    @property
    def seconds(self) -> float:
        """How long it ran: the sum of its intervals, in seconds."""
        return sum(
            max(0.0, (_moment(end) - _moment(start)).total_seconds())
            for start, end in self.intervals.items()
            if end
        )


@dataclass
class Progress:
    """BuildKit's status messages gathered by vertex, and the plain text between them."""

    vertexes: dict[str, Vertex] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    image_id: str = ""

    def apply(self, message: Mapping[str, Any]) -> str | None:
        """Take in one message; returns the name of a step that has just begun to run."""
        begun = None
        for item in message.get("vertexes") or ():
            vertex = self.vertexes.setdefault(item["digest"], Vertex(item["name"]))
            started, completed = item.get("started"), item.get("completed")
            if started:
                vertex.intervals[started] = completed or vertex.intervals.get(started, "")
                if not completed:
                    begun = vertex.name
            vertex.cached = bool(item.get("cached")) or (vertex.cached and not completed)
            vertex.error = item.get("error") or vertex.error
        for item in message.get("statuses") or ():
            written = _WRITTEN.match(item.get("id", ""))
            if written:
                self.image_id = written[1]
        for item in message.get("logs") or ():
            if item.get("vertex") in self.vertexes:
                data = base64.b64decode(item.get("data") or "")
                self.vertexes[item["vertex"]].output += data
        return begun


def build_image(
    context: str | Path,
    *,
    tag: str,
    dockerfile: str | Path | None = None,
    build_args: Mapping[str, str] | None = None,
    no_cache: bool = False,
    target: str = "",
    on_progress: Callable[[str], None] | None = None,
    engine: Engine | None = None,
) -> BuildReport:
    """Build the folder `context` as the image `tag` and report its steps, times in seconds.

    `target` is the stage to stop at (default: the last). Raises BuildFailed when the build fails,
    CourseError when it cannot begin.
    """
    folder, file, text = _inputs(context, tag, dockerfile, build_args)
    if engine is None:
        from helpers.engine.find import connect

        engine = connect()
    parsed = dockerfiles.parse(text)
    began = time.monotonic()
    try:
        command = _command(engine, folder, file, text, tag, build_args or {}, no_cache, target)
        progress, code = _run(command, engine.env, on_progress)
    except FileNotFoundError:
        raise CourseError(
            f"The docker command ({engine.docker}) is not on this machine.",
            "Run: python3 -m helpers doctor",
        ) from None
    seconds = time.monotonic() - began
    if code != 0:
        raise failure(progress, parsed, file.name, engine_answers=_answers(engine))
    try:
        image_id, history = _history(engine, progress.image_id or tag)
    except Exception:  # the SDK lets through errors of several libraries below it
        if _answers(engine):
            raise
        raise BuildFailed(*_STOPPED) from None
    return report(progress, parsed, tag, seconds, image_id, history)


def report(
    progress: Progress,
    parsed: dockerfiles.Dockerfile,
    tag: str,
    seconds: float,
    image_id: str,
    history: list[dict[str, Any]],
) -> BuildReport:
    """Put what BuildKit said beside the Dockerfile's instructions."""
    sizes = _sizes(parsed, history)
    steps = []
    for place, vertex in locate(progress, parsed):
        written = place.instruction
        line = written.line if written else 0
        steps.append(
            BuildStep(
                instruction=written.text if written else place.text,
                seconds=vertex.seconds,
                cached=vertex.cached,
                size_bytes=sizes.get(line),
                number=place.number,
                total=place.total,
                stage=place.stage,
                line=line,
            )
        )
    steps.sort(key=lambda step: (step.line, step.number))
    used = {step.line for step in steps}
    built = _stages_built(parsed, used)
    config = [i for i in parsed.instructions if i.line not in used and i.stage in built]
    return BuildReport(
        image_id=image_id or progress.image_id,
        tags=(tag,),
        seconds=seconds,
        steps=tuple(steps),
        config=tuple(i.text for i in config),
        config_lines=tuple(i.line for i in config),
    )


@dataclass
class Place:
    """Where a build step stands: BuildKit's label for it, and the Dockerfile's instruction."""

    stage: str
    number: int
    total: int
    text: str
    instruction: dockerfiles.Instruction | None = None


def locate(
    progress: Progress, parsed: dockerfiles.Dockerfile
) -> list[tuple[Place, Vertex]]:
    """Find each step's instruction.

    By its label, ``[stage n/m]``.  But while two builds on one engine share a step, BuildKit
    names it for both as the first of them did; such a borrowed label is told by its count of
    steps or its keyword, and the step is then found by its text.
    """
    found: list[tuple[Place, Vertex]] = []
    for vertex in progress.vertexes.values():
        label = _STEP.match(vertex.name)
        if label:
            stage = (label["stage"] or "").split(" ")[-1]
            place = Place(stage, int(label["n"]), int(label["total"]), label["text"])
            found.append((place, vertex))
    _settle_named_contexts(progress, parsed, found)
    totals = _totals(parsed, [place for place, _ in found])
    claimed: set[int] = set()
    for place, _ in found:
        written = parsed.step(place.stage, place.number, place.total)
        known = totals.get(place.stage.lower()) == place.total
        if written and known and written.keyword == place.text.split(" ", 1)[0].upper():
            place.instruction = written
            claimed.add(written.line)
    for place, _ in found:
        if place.instruction is None:
            built = {p.instruction.stage for p, _ in found if p.instruction}
            _find_by_text(place, parsed, totals, claimed, built)
        if place.instruction is None:
            _find_by_text(place, parsed, totals, claimed, set())
    _settle_shared_bases([place for place, _ in found], parsed, totals)
    return _each_base_once(found, parsed)


def _each_base_once(
    found: list[tuple[Place, Vertex]], parsed: dockerfiles.Dockerfile
) -> list[tuple[Place, Vertex]]:
    """Leave out a base image told twice: as a named context, or as another build called it."""
    kept: list[tuple[Place, Vertex]] = []
    bases: set[str] = set()
    for place, vertex in sorted(found, key=lambda f: f[0].instruction.line if f[0].instruction
                                else 0):
        if _is_from(place):
            if place.instruction is None:
                continue
            words = [w for w in place.instruction.text.split()[1:] if w.startswith("--")]
            base = " ".join([*words, parsed.stages[place.instruction.stage].base])
            if base in bases:
                continue
            bases.add(base)
        kept.append((place, vertex))
    return kept


def _is_from(place: Place) -> bool:
    return place.text.upper().startswith("FROM ")


def _settle_named_contexts(
    progress: Progress, parsed: dockerfiles.Dockerfile, found: list[tuple[Place, Vertex]]
) -> None:
    """Put a base image that came through a named context (the stand-in) in its FROM's place.

    BuildKit then reports ``[context NAME] …`` for the FROM, counts it in the stage's total, and
    numbers the steps after it from 1.
    """
    for vertex in progress.vertexes.values():
        told = _CONTEXT.match(vertex.name)
        if told is None:
            continue
        stages = [s for s in parsed.stages if _plain_name(s.base) == _plain_name(told[1])]
        labels_of = {_stage_label(parsed, stage) for stage in stages}
        for place, _ in found:
            if place.stage.lower() in labels_of and not _is_from(place):
                place.number += 1
        found.append((Place("", 0, 0, f"FROM {told[1]}"), vertex))


def _plain_name(image: str) -> str:
    """An image's name without Docker Hub's own prefixes, in lower case."""
    return image.lower().removeprefix("docker.io/").removeprefix("library/")


def _settle_shared_bases(
    places: list[Place], parsed: dockerfiles.Dockerfile, totals: dict[str, int]
) -> None:
    """Give a FROM that several stages share to the first of them.

    BuildKit reports it once, under the label of whichever stage it came to first.
    """
    built = {p.instruction.stage for p in places if p.instruction}
    taken = {p.instruction.line for p in places if p.instruction}
    for place in places:
        if place.instruction is None or place.instruction.keyword != "FROM":
            continue
        base = parsed.stages[place.instruction.stage].base
        for stage in parsed.stages[: place.instruction.stage]:
            written = stage.instructions[0]
            if stage.base == base and stage.index in built and written.line not in taken:
                place.stage = _stage_label(parsed, stage)
                place.instruction, place.total = written, totals[place.stage]
                break


def _stage_label(parsed: dockerfiles.Dockerfile, stage: dockerfiles.Stage) -> str:
    """What BuildKit calls a stage; a Dockerfile's only stage has no name in labels."""
    return "" if len(parsed.stages) == 1 else stage.name or f"stage-{stage.index}"


def _totals(parsed: dockerfiles.Dockerfile, places: list[Place]) -> dict[str, int]:
    """How many steps each stage has, by its label: as reported where that can be right."""
    totals: dict[str, int] = {}
    for stage in parsed.stages:
        label = _stage_label(parsed, stage)
        count = len(stage.steps)
        own_image = stage.base != "scratch" and parsed.parent(stage) is None
        expected = count + (1 if own_image else 0)
        reported = [p.total for p in places if p.stage.lower() == label and p.total >= count]
        if reported and expected not in reported:  # FROM $VAR, or ONBUILD steps of the base
            expected = max(set(reported), key=reported.count)
        totals[label] = expected
    return totals


def _find_by_text(
    place: Place,
    parsed: dockerfiles.Dockerfile,
    totals: dict[str, int],
    claimed: set[int],
    built: set[int],
) -> None:
    """Give a step with a borrowed label its instruction and its own label, if it has one.

    Looks in the stages `built`, or in all when that is empty.
    """
    keyword, _, rest = place.text.partition(" ")
    for stage in parsed.stages:
        if built and stage.index not in built:
            continue
        label = _stage_label(parsed, stage)
        options = [i for i in stage.instructions if i.keyword == keyword.upper()]
        for written in options:
            if written.line in claimed:
                continue
            if keyword.upper() == "FROM":
                image, base = _plain_name(rest.partition("@")[0]), _plain_name(stage.base)
                same = "$" in base or image in (base, f"{base}:latest")
                if not built:  # the last attempt: any image, whatever another build called it
                    same = base != "scratch" and parsed.parent(stage) is None
                number = 1
            else:
                same = short(written.text).split()[1:] == short(place.text).split()[1:]
                number = totals[label] - len(stage.steps) + 1 + stage.steps.index(written)
            if same:
                claimed.add(written.line)
                place.instruction = written
                place.stage, place.number, place.total = label, number, totals[label]
                return


def failure(
    progress: Progress,
    parsed: dockerfiles.Dockerfile,
    file_name: str,
    engine_answers: bool = True,
) -> BuildFailed:
    """Turn a build that ended with an error into one message that says what to do."""
    failed = [v for v in progress.vertexes.values() if v.error]
    # Steps that ran beside the failed one are cancelled, and say so as their error.
    failed = [v for v in failed if "context canceled" not in v.error] or failed
    vertex = failed[0] if failed else None
    text = "\n".join(progress.text)
    error = vertex.error if vertex else _last_error(progress.text)
    output = _last_lines(vertex.output) if vertex else ()
    instruction = _failed_instruction(vertex, parsed, text, file_name)
    if not engine_answers:  # whatever else was said follows from that
        text += f"\n{_ENGINE_GONE[0]}"
        error = error.partition(" did not complete successfully")[0]
    what, hint = _cause(error, text, output, vertex)
    where = ""
    if instruction:
        where = f"{file_name}, line {instruction.line}: {short(instruction.text)}"
    message = f"{what}\n  {where}" if where else what
    if output:
        message += "".join(f"\n  | {line}" for line in output)
    return BuildFailed(
        message,
        hint,
        line=instruction.line if instruction else None,
        instruction=instruction.text if instruction else "",
        output=output,
    )


def messages(lines: Iterator[str] | IO[str], text: list[str]) -> Iterator[dict[str, Any]]:
    """Split a progress stream into its JSON messages, one to a line or spread over several.

    Lines that belong to no message are appended to `text`.
    """
    pending: list[str] = []
    for line in lines:
        bare = line.rstrip("\r\n")
        if not pending and not bare.startswith("{"):
            if bare:
                text.append(bare)
            continue
        pending.append(bare)
        if bare != "}" and (len(pending) > 1 or not bare.endswith("}")):
            continue
        try:
            message = json.loads("\n".join(pending))
        except json.JSONDecodeError:
            text.extend(pending)
        else:
            if isinstance(message, dict):
                yield message
        pending = []
    text.extend(pending)


def _inputs(
    context: str | Path,
    tag: str,
    dockerfile: str | Path | None,
    build_args: Mapping[str, str] | None,
) -> tuple[Path, Path, str]:
    """The context's folder, the Dockerfile's path and its text, or one clear message."""
    for name, given, wanted in (
        ("context", context, (str, Path)),
        ("tag", tag, str),
        ("dockerfile", dockerfile, (str, Path, type(None))),
        ("build_args", build_args, (Mapping, type(None))),
    ):
        if not isinstance(given, wanted):
            raise CourseError(
                f"{name} is {given!r}.",
                'For instance: build_image(".", tag="my-flask-app", build_args={"VERSION": "1"})',
            )
    folder = Path(context).expanduser()
    if not folder.is_dir():
        kind = "is a file, not a folder" if folder.exists() else "does not exist"
        raise CourseError(
            f"The build context {str(context)!r} {kind}.",
            f"Give the folder that holds the Dockerfile; you are in {Path.cwd()}.",
        )
    if not _TAG.fullmatch(tag):
        raise CourseError(
            f"{tag!r} is not a valid image tag.",
            "Use lower-case letters, digits and . _ - such as my-flask-app or my-flask-app:1.0.",
        )
    file = folder / (dockerfile or "Dockerfile")
    if dockerfile and not file.is_file() and Path(dockerfile).is_file():
        file = Path(dockerfile)
    if not file.is_file():
        names = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
        raise CourseError(
            f"There is no {dockerfile or 'Dockerfile'} in {str(context)!r}.",
            f"The folder holds: {names}. Create the file there, or name it with dockerfile=….",
        )
    return folder, file, file.read_text(encoding="utf-8-sig", errors="replace")


def _command(
    engine: Engine,
    folder: Path,
    file: Path,
    text: str,
    tag: str,
    build_args: Mapping[str, str],
    no_cache: bool,
    target: str,
) -> list[str]:
    """The docker command line of a build."""
    from helpers.engine.standin import named_contexts

    command = [engine.docker, "buildx", "build", "--progress=rawjson", "--load", "-t", tag]
    for key, value in labels().items():
        command += ["--label", f"{key}={value}"]
    for key, value in build_args.items():
        command += ["--build-arg", f"{key}={value}"]
    if no_cache:
        command.append("--no-cache")
    if target:
        command += ["--target", target]
    command += ["-f", str(file), *named_contexts(engine, text), str(folder)]
    return command


def _run(
    command: list[str], env: Mapping[str, str], on_progress: Callable[[str], None] | None
) -> tuple[Progress, int]:
    """Run a build to its end; on Ctrl-C (or any error here) stop it, await it, and re-raise."""
    child = subprocess.Popen(
        command,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    progress = Progress()
    try:
        assert child.stderr is not None
        for message in messages(child.stderr, progress.text):
            begun = progress.apply(message)
            if begun and on_progress:
                on_progress(short(begun, 72))
        return progress, child.wait()
    except BaseException:
        _stop(child)
        raise
    finally:
        if child.stderr is not None:
            child.stderr.close()


def _answers(engine: Engine) -> bool:
    """Whether the engine is still there, asked after a build that failed."""
    try:
        return bool(engine.client.ping())
    except Exception:  # the SDK lets through errors of several libraries below it
        return False


def _stop(child: subprocess.Popen[str]) -> None:
    """Interrupt the child and all that it started; kill what has not ended in a few seconds."""
    for sent in (signal.SIGINT, getattr(signal, "SIGKILL", signal.SIGTERM)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(child.pid, sent)
            else:
                child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            # The pipe is drained meanwhile, so that the child cannot block on a full one.
            child.communicate(timeout=INTERRUPT_SECONDS)
    # A second Ctrl-C may cut the above short; the group's kill is sent in any case.


def _history(engine: Engine, image: str) -> tuple[str, list[dict[str, Any]]]:
    """The image's id and its history, newest first."""
    entries: list[dict[str, Any]] = engine.client.api.history(image)
    first = str(entries[0].get("Id", "")) if entries else ""
    return (image if image.startswith("sha256:") else first), entries


def _sizes(parsed: dockerfiles.Dockerfile, history: list[dict[str, Any]]) -> dict[int, int]:
    """Bytes by Dockerfile line, for the steps of the final stage and the stages it starts from."""
    sizes: dict[int, int] = {}
    stage = parsed.stages[-1] if parsed.stages else None
    entries = list(history)
    while stage is not None:
        for instruction in reversed(stage.instructions[1:]):
            if instruction.keyword in ("ARG", "ONBUILD") and not _is_made_by(entries, instruction):
                continue
            if not _is_made_by(entries, instruction):
                return sizes
            size = int(entries.pop(0).get("Size") or 0)
            if instruction.keyword in dockerfiles.STEP_KEYWORDS:
                sizes[instruction.line] = size
        parent = parsed.parent(stage)
        if parent is None and stage.base != "scratch":
            sizes[stage.instructions[0].line] = sum(int(e.get("Size") or 0) for e in entries)
        stage = parent
    return sizes


def _is_made_by(entries: list[dict[str, Any]], instruction: dockerfiles.Instruction) -> bool:
    """Whether the newest entry of the history belongs to this instruction."""
    made = str(entries[0].get("CreatedBy", "")) if entries else ""
    return made.upper().startswith(instruction.keyword)


def _stages_built(parsed: dockerfiles.Dockerfile, used: set[int]) -> set[int]:
    """Stages with a reported step, the final one, and -1 for what stands before any FROM."""
    built = {i.stage for i in parsed.instructions if i.line in used} | {-1}
    return built | ({parsed.stages[-1].index} if parsed.stages else set())


def _failed_instruction(
    vertex: Vertex | None, parsed: dockerfiles.Dockerfile, text: str, file_name: str
) -> dockerfiles.Instruction | None:
    """The instruction to blame: by the line that BuildKit names, else by the failed step."""
    named = re.search(rf"^{re.escape(file_name)}:(\d+)$", text, re.M) or re.search(
        r"parse error on line (\d+)", text
    )
    if named:
        return parsed.at_line(int(named[1]))
    found = _STEP.match(vertex.name) if vertex else None
    if found:
        stage = (found["stage"] or "").split(" ")[-1]
        return parsed.step(stage, int(found["n"]), int(found["total"]))
    return None


def _last_error(lines: list[str]) -> str:
    """The last line that says ERROR, without that word."""
    for line in reversed(lines):
        if line.startswith("ERROR:"):
            return line.removeprefix("ERROR:").strip()
    return lines[-1] if lines else "the build ended without a message"


def _last_lines(output: bytes | bytearray) -> tuple[str, ...]:
    """The last lines of a command's output that hold anything, without terminal escapes."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", bytes(output).decode("utf-8", "replace"))
    lines = [line.rstrip().split("\r")[-1] for line in plain.splitlines() if line.strip()]
    return tuple(lines[-OUTPUT_LINES:])


_ENGINE_GONE = (
    "error reading from server",
    "Cannot connect to the Docker daemon",
    "connection refused",
    "transport is closing",
    "client connection is closing",
    "code = Unavailable",
    "failed to receive status",
    "no such file or directory: docker.sock",
    "broken pipe",
    "connection reset by peer",
    "no active session",
)

_STOPPED = (
    "The build was cut off: the Docker Engine stopped answering.",
    "Start it again (python3 -m helpers engine start, or Docker Desktop) and build again; "
    "steps that had finished are in the cache.",
)


def _cause(
    error: str, text: str, output: tuple[str, ...], vertex: Vertex | None
) -> tuple[str, str]:
    """What went wrong in one line, and what to do about it."""
    everything = "\n".join((error, text, *output))
    if "no space left on device" in everything or "disk quota exceeded" in everything:
        return (
            "The build failed: the engine's disk is full (no space left on device).",
            "Free some space: python3 -m helpers clean removes what the course made; "
            "docker system df shows the rest.",
        )
    exit_code = re.search(r"did not complete successfully: exit code: (\d+)", error)
    if exit_code:
        return _failed_command(int(exit_code[1]), "\n".join(output))
    if "is not a docker command" in text or "unknown flag: --progress" in text:
        return (
            "The build could not begin: docker has no buildx plugin.",
            "Run: python3 -m helpers doctor",
        )
    if any(sign in everything for sign in _ENGINE_GONE):
        return _STOPPED
    missing = re.search(r'"([^"]+)": not found', error) or re.search(
        r"(?:lstat|stat) (\S+): no such file", error
    )
    if missing and "failed to calculate checksum" in everything:
        return (
            f"The build failed: {missing[1].lstrip('/')!r} is not in the build context.",
            "Check the spelling, that the file is in the context's folder, and that "
            ".dockerignore does not leave it out.",
        )
    image = _unavailable_image(error, text, vertex)
    if image:
        hint = (
            "Check the name and the tag. Offline, only images that the engine already has can be "
            "used: docker images lists them."
        )
        if "docker/dockerfile" in image:
            hint = "Offline, leave out the '# syntax=' line: the engine has its own reader."
        return f"The build failed: the base image {image!r} is not to be had.", hint
    if "unknown instruction" in everything:
        word = re.search(r"unknown instruction: (\S+)", everything)
        near = re.search(r"did you mean ([A-Z]+)", everything)
        hint = "A line must begin with an instruction such as FROM, RUN, COPY, WORKDIR or CMD"
        hint += f"; did you mean {near[1]}?" if near else "; or the line before lacks its final \\."
        return (
            f"The Dockerfile has an unknown instruction: {word[1] if word else '?'}.",
            hint,
        )
    if "dockerfile parse error" in everything or "failed to parse" in everything:
        said = re.search(r"parse error(?: on)? line \d+: (.+)", everything)
        return (
            f"The Dockerfile cannot be read: {said[1] if said else _bare(error)}.",
            "Correct that line.",
        )
    if "cannot be empty" in everything and "ockerfile" in everything:
        return "The Dockerfile is empty.", "Begin with FROM, such as FROM python:3.13-slim."
    if "no build stage in current context" in everything:
        return "The Dockerfile does not begin with FROM.", "Put FROM before the first instruction."
    return f"The build failed: {_bare(error)}.", "Correct the line named above and build again."


def _failed_command(code: int, output: str) -> tuple[str, str]:
    """The message and hint for a RUN whose command ended with a code other than 0."""
    what = f"The build failed: a RUN command ended with exit code {code}."
    if code == 127:
        return what, "127: the command was not found in the image. Is it spelled right, installed?"
    if code == 126:
        return what, "126: the file is there but cannot be executed. Add RUN chmod +x before it."
    if code == 137:
        return what, "137: the command was killed; it may have used up the memory."
    if re.search(r"Temporary failure (in name )?resol|Could not resolve|NewConnectionErr", output):
        return what, "The command asked the network and got no answer. Is this machine online?"
    if "No matching distribution found" in output or "Could not find a version" in output:
        return what, "pip found no such package or version. Check the name in the requirements."
    if "No such file or directory" in output or "Could not open requirements file" in output:
        return what, "A file was missing. Does a COPY before this RUN bring it to this folder?"
    return what, "Read the last lines of its output above; try the command in a container."


def _unavailable_image(error: str, text: str, vertex: Vertex | None) -> str:
    """The base image that could not be found or pulled, empty if that was not the matter."""
    name = vertex.name if vertex else ""
    if not re.search(r"load metadata for|FROM |resolve image config", name) and not re.search(
        r"failed to (resolve source|load) metadata|pull access denied", error + text
    ):
        return ""
    reference = r"(?:docker-image://)?([^\s:]+(?::[^\s:]+)?)"
    asked = re.search(rf"resolve source metadata for {reference}", f"{error}\n{text}") or re.search(
        rf"(?:load metadata for|resolve image config for|FROM) {reference}", name
    )
    image = asked[1] if asked else "?"
    return image.removeprefix("docker.io/").removeprefix("library/")


def _bare(error: str) -> str:
    """BuildKit's error without its outer wrappers, on one line."""
    line = " ".join(error.split())
    for wrapper in ("failed to solve: ", "rpc error: code = Unknown desc = "):
        line = line.replace(wrapper, "")
    return line.rstrip(".")


def _moment(stamp: str) -> datetime:
    """BuildKit's time stamp, cut from nanoseconds to the microseconds that Python keeps."""
    head, _, fraction = stamp.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{head}.{fraction[:6].ljust(6, '0')}")
