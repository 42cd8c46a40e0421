"""Stops containers and measures how long it takes, with and without an init process.

All containers are stopped at the same time, so that the experiment takes as long as the slowest.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.engine.find import connect
from helpers.engine.labels import labels
from helpers.errors import CourseError
from helpers.experiments.stopping.result import Stop, StopTimes
from helpers.experiments.variants import build_variants
from helpers.process import wait_until

if TYPE_CHECKING:
    from docker.models.containers import Container

    from helpers.engine.engine import Engine

READY = re.compile(rb"Running on|Listening at")  # Flask's line, gunicorn's line
READY_SECONDS = 30


def compare_stop_times(
    folder: str | Path = ".",
    on_progress: Callable[[str], None] | None = None,
    engine: Engine | None = None,
) -> StopTimes:
    """Measure the seconds of `docker stop` for each `Dockerfile.NAME`, without and with `--init`.

    Also reads from /proc which program process 1 is. Raises CourseError if
    a Dockerfile can't be built or its container ends by itself.

    Example:
        print(compare_stop_times("apps/stop-times").facts())
    """
    engine = engine or connect()
    progress = on_progress or (lambda _: None)
    with build_variants(folder, engine, progress) as images:
        ways = [(name, init) for name in images for init in (False, True)]
        progress(f"starting {len(ways)} containers")
        with _run_all(engine, [(images[name], init) for name, init in ways]) as containers:
            for (name, _), container in zip(ways, containers, strict=True):
                _wait_until_ready(name, container)
            progress("stopping all of them at once")
            with ThreadPoolExecutor(len(ways)) as pool:
                stops = pool.map(partial(_stop, engine), *zip(*ways, strict=True), containers)
                return StopTimes(tuple(stops))


@contextmanager
def _run_all(engine: Engine, ways: list[tuple[str, bool]]) -> Iterator[list[Container]]:
    """Start a container of each image, with an init process or without; remove them after."""
    from docker.errors import DockerException

    containers: list[Container] = []
    try:
        for image, init in ways:
            name = f"course-03-stop-{secrets.token_hex(4)}"
            container = engine.client.containers.create(
                image, init=init, labels=labels(), name=name
            )
            containers.append(container)
            container.start()
        yield containers
    finally:
        for container in containers:
            with contextlib.suppress(DockerException):
                container.remove(force=True)


def _wait_until_ready(name: str, container: Container) -> None:
    """Wait until the server in the container listens. Raises CourseError if it has ended.

    A program that never prints one of the READY lines is stopped anyway.
    """

    def is_ready() -> bool:
        container.reload()
        return container.status != "running" or bool(READY.search(container.logs()))

    wait_until(is_ready, READY_SECONDS)
    if container.status != "running":
        lines = container.logs().decode("utf-8", "replace").strip().splitlines()
        raise CourseError(
            f"The container of Dockerfile.{name} ended by itself: {(lines or ['no output'])[-1]}",
            "Correct its CMD, then run the cell again.",
        )


def _stop(engine: Engine, name: str, init: bool, container: Container) -> Stop:
    """Stop a container and return what process 1 was and how it ended."""
    sent = container.attrs["Config"].get("StopSignal") or "SIGTERM"
    status = dict(
        line.split(":\t", 1)
        for line in engine.exec(container, "cat", "/proc/1/status").splitlines()
    )
    began = time.perf_counter()
    container.stop()
    seconds = time.perf_counter() - began
    container.reload()
    return Stop(
        dockerfile=name,
        init=init,
        process_1=status["Name"],
        signal=sent,
        handles_signal=_has_handler(status, sent),
        seconds=seconds,
        exit_code=int(container.attrs["State"]["ExitCode"]),
    )


def _has_handler(status: dict[str, str], name: str) -> bool:
    """Return whether a process has a handler for a signal.

    SigCgt is a bit mask in hexadecimal: bit 14 is set if signal 15 is caught (see proc(5)).
    """
    return bool(int(status["SigCgt"], 16) >> (signal.Signals[name] - 1) & 1)
