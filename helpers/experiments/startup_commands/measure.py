"""Runs the image of each Dockerfile in a folder twice: as it is, and with arguments."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.engine.find import connect
from helpers.engine.labels import labels
from helpers.experiments.startup_commands.result import Combination, Run, StartupCommands
from helpers.experiments.variants import build_variants, find_variants, instructions

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

AT_ONCE = 4
RUN_SECONDS = 60


def try_startup_commands(
    folder: str | Path = ".",
    arguments: Sequence[str] = ("echo", "bye"),
    on_progress: Callable[[str], None] | None = None,
    engine: Engine | None = None,
) -> StartupCommands:
    """Run the image of each `Dockerfile.NAME` in `folder`, without and with arguments.

    `docker run IMAGE` and `docker run IMAGE ARGUMENTS`. Raises CourseError if a Dockerfile can't
    be built.

    Example:
        try_startup_commands("apps/cmd-entrypoint", ["echo", "bye"])
    """
    engine = engine or connect()
    progress = on_progress or (lambda _: None)
    with build_variants(folder, engine, progress) as images:
        progress("running each image twice")
        runs = [(image, args) for image in images.values() for args in ((), tuple(arguments))]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            results = list(pool.map(lambda run: _run(engine, *run), runs))
    files = find_variants(folder)
    return StartupCommands(
        tuple(arguments),
        tuple(
            Combination(name, instructions(files[name], "ENTRYPOINT", "CMD"), plain, with_arguments)
            for name, plain, with_arguments in zip(files, results[::2], results[1::2], strict=True)
        ),
    )


def _run(engine: Engine, image: str, arguments: tuple[str, ...]) -> Run:
    """Run a container to its end; a command that can't be started is a result too."""
    from docker.errors import APIError

    container = engine.client.containers.create(
        image,
        list(arguments) or None,
        labels=labels(),
        name=f"course-03-startup-{secrets.token_hex(4)}",
    )
    try:
        container.start()
        code = int(container.wait(timeout=RUN_SECONDS)["StatusCode"])
        return Run(" ".join(container.logs().decode("utf-8", "replace").split()), code)
    except APIError:
        container.reload()
        return Run("can't be started", int(container.attrs["State"]["ExitCode"]))
    finally:
        container.remove(force=True)
