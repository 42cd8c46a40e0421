"""Runs `docker buildx build`, reads BuildKit's progress as it arrives, and returns the report.

BuildKit has no Python client (the SDK's `build` is the legacy builder), so the command is run.
Source: docker buildx build, `--progress=rawjson`, `--metadata-file`, BUILDX_METADATA_PROVENANCE.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from helpers.build.dockerfile import parse, shorten
from helpers.build.failure import ENGINE_STOPPED, LOST_LAYER, NO_STAGE, explain
from helpers.build.progress import BuildProgress, read_messages
from helpers.build.provenance import read_record
from helpers.build.report import list_rows
from helpers.build.result import BuildReport
from helpers.engine import probe
from helpers.engine.base_image import named_contexts
from helpers.engine.engine import Engine
from helpers.engine.find import connect
from helpers.engine.labels import label_args
from helpers.errors import BuildFailed, CourseError
from helpers.process import stop_group

# Older engines crash on a Dockerfile that holds only ARG, with all their containers.
CHECKS_STAGES_ITSELF = 27
MOST_TRIES = 3  # of a build in which the engine removes layers that are in use


def build_image(
    context: str | Path,
    *,
    tag: str,
    dockerfile: str | Path | None = None,
    build_args: Mapping[str, str] | None = None,
    no_cache: bool = False,
    target: str = "",
    options: Sequence[str] = (),
    on_start: Callable[[subprocess.Popen[str]], None] = lambda child: None,
    on_progress: Callable[[str], None] | None = None,
    engine: Engine | None = None,
) -> BuildReport:
    """Build the folder `context` as the image `tag` and report its steps, times in seconds.

    `target` is the stage to stop at (default: the last), `options` are further arguments of the
    command, and `on_start` receives its process, which can be stopped. Raises BuildFailed when the build fails,
    CourseError when it can't start.
    """
    folder, file = _find_files(context, tag, dockerfile, build_args)
    text = file.read_text(encoding="utf-8-sig", errors="replace")
    engine = engine or connect()
    check_stages(engine, text)
    if not shutil.which(engine.docker, path=engine.env.get("PATH")):
        raise CourseError(
            f"The docker command ({engine.docker}) is not on this machine.",
            "Run: python3 -m helpers doctor",
        )
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="course-build-") as record_folder:
        metadata = Path(record_folder, "metadata.json")
        command = engine.command("buildx", "build", "--progress=rawjson", "--load")
        command += [f"--tag={tag}", f"--file={file}", f"--target={target}"]
        command += label_args()
        command += [f"--build-arg={key}={value}" for key, value in (build_args or {}).items()]
        command += [*(["--no-cache"] if no_cache else []), f"--metadata-file={metadata}"]
        command += [*named_contexts(engine, text), *options, str(folder)]
        progress, code = _run(command, engine, on_start, on_progress)
        for _ in range(MOST_TRIES - 1):
            if code == 0 or not lost_layer(progress):
                break
            again, code = _run(command, engine, on_start, on_progress)
            progress = again.with_earlier(progress)
        seconds = time.monotonic() - start
        try:
            if code != 0:  # if the engine is gone, whatever was printed is a consequence of that
                probe.ask(engine.host)
                raise explain(progress, file.name)
            image_id, lines = read_record(metadata)
        except (OSError, ValueError):
            raise BuildFailed(*ENGINE_STOPPED) from None
    rows = list_rows(progress, parse(text), lines, target)
    return BuildReport(image_id, (tag,), seconds, tuple(rows))


def lost_layer(progress: BuildProgress) -> bool:
    """Return whether a build failed because the engine removed a layer that it was using."""
    errors = (vertex.error for vertex in progress.vertexes.values())
    return any(LOST_LAYER.search(text) for text in [*errors, *progress.text])


def check_stages(engine: Engine, text: str) -> None:
    """Raise BuildFailed for a Dockerfile without FROM that would make an old engine crash."""
    parsed = parse(text)
    if engine.major < CHECKS_STAGES_ITSELF and parsed.instructions and not parsed.stages:
        raise BuildFailed(*NO_STAGE)


def _find_files(
    context: str | Path, tag: str, dockerfile: str | Path | None, build_args: object
) -> tuple[Path, Path]:
    """Return the context's folder and the Dockerfile. Raises CourseError if an argument is wrong."""
    are_paths = isinstance(context, str | Path) and isinstance(dockerfile, str | Path | None)
    if not (are_paths and isinstance(tag, str) and isinstance(build_args, Mapping | None)):
        raise CourseError(
            "build_image needs a folder and a tag, and build_args as a dict.",
            'For example: build_image(".", tag="app", build_args={"VERSION": "1"})',
        )
    folder = Path(context).expanduser()
    if not folder.is_dir():
        kind = "is a file, not a folder" if folder.exists() else "does not exist"
        raise CourseError(
            f"The build context {str(context)!r} {kind}.",
            f"Give the folder that holds the Dockerfile; you are in {Path.cwd()}.",
        )
    name = dockerfile or "Dockerfile"
    file = folder / name if (folder / name).is_file() or not dockerfile else Path(name)
    if not file.is_file():
        names = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
        raise CourseError(
            f"There is no {name} in {str(context)!r}.",
            f"The folder holds: {names}. Create the file there, or name it with dockerfile=….",
        )
    return folder, file


def _run(
    command: list[str],
    engine: Engine,
    on_start: Callable[[subprocess.Popen[str]], None],
    on_progress: Callable[[str], None] | None,
) -> tuple[BuildProgress, int]:
    """Run a build to its end; on Ctrl-C (or any error here) stop it, wait for it, and re-raise."""
    progress = BuildProgress()
    with subprocess.Popen(
        command,
        env={**engine.env, "BUILDX_METADATA_PROVENANCE": "max"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as child:
        try:
            on_start(child)
            for message in read_messages(child.stderr or (), progress.text):
                started = progress.apply(message)
                if started and on_progress:
                    on_progress(shorten(started, 72))
            return progress, child.wait()
        except BaseException:
            stop_group(child)
            raise
