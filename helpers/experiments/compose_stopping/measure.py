"""Start a copy of the project once per command, run the command, and look at what is left."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from helpers.compose.copy import Objects, ProjectCopy, try_on_copies
from helpers.compose.project import read_config
from helpers.engine.find import connect
from helpers.errors import CourseError
from helpers.experiments.compose_stopping.result import CTRL_C, NONE, Stop, StopComparison
from helpers.process import stop_group, wait_until

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

UP_AND_CTRL_C = ("up, then", CTRL_C)
COMMANDS = (UP_AND_CTRL_C, ("stop",), ("down",), ("down", "-v"))
START_SECONDS = 60
LOG_SECONDS = 3  # services may print nothing


def compare_stops(
    on_progress: Callable[[str], None] | None = None, engine: Engine | None = None
) -> StopComparison:
    """Run Ctrl-C, `stop`, `down` and `down -v` on copies of the current folder's project.

    Before each, a copy is started. What is left is compared by container, network, volume and
    image ids. The project itself stays as it is. Raises CourseError if it doesn't start.

    Example:
        compare_stops()
    """
    engine, progress = engine or connect(), on_progress or (lambda _: None)

    def try_commands(copy: ProjectCopy, commands: Sequence[tuple[str, ...]]) -> list[Stop]:
        return [_try(copy, command, progress) for command in commands]

    project = read_config(engine)["name"]
    return StopComparison(project, tuple(try_on_copies(engine, COMMANDS, try_commands)))


def _try(copy: ProjectCopy, command: tuple[str, ...], progress: Callable[[str], None]) -> Stop:
    """Start the copy, run one command, and compare what the engine has of it."""
    progress(f"docker compose {' '.join(command)}")
    if command == UP_AND_CTRL_C:
        copy.run("create", "--build")
        before = copy.objects()
        _press_ctrl_c(copy)
    else:
        copy.run("up", "-d", "--wait")
        before = copy.objects()
        copy.run(*command)
    return _compare(" ".join(command), before, copy.objects())


def _press_ctrl_c(copy: ProjectCopy) -> None:
    """Run `docker compose up` in the foreground and send it SIGINT once every service runs."""
    services = set(copy.objects().containers)
    with tempfile.TemporaryFile("w+b") as output:
        child = subprocess.Popen(
            copy.command("up"),
            env=copy.engine.env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

        def has_logs() -> bool:
            output.seek(0)
            return b" | " in output.read()

        def has_ended() -> bool:
            return child.poll() is not None

        try:
            started = wait_until(
                lambda: has_ended() or copy.objects().running == services, START_SECONDS
            )
            # Compose listens for Ctrl-C once it prints the logs, not yet at "Attaching".
            wait_until(lambda: has_ended() or has_logs(), LOG_SECONDS)
            if not started or has_ended():
                raise CourseError(
                    "docker compose up did not start all services.",
                    "Repair the project: docker compose up -d --wait must succeed.",
                )
        finally:
            stop_group(child, ((signal.SIGINT, 30.0), (signal.SIGKILL, 5.0)))


def _compare(command: str, before: Objects, after: Objects) -> Stop:
    return Stop(
        command,
        _containers(before, after),
        _kept(before.networks, after.networks),
        _kept(before.volumes, after.volumes, names=True),
        _kept(before.images, after.images),
    )


def _containers(before: Objects, after: Objects) -> str:
    """Return what happened to each container, or one word if it is the same for all."""
    states = {
        service: "removed"
        if after.containers.get(service) != container
        else "running"
        if service in after.running
        else "stopped"
        for service, container in before.containers.items()
    }
    return _in_words(states.items())


def _kept(before: dict[str, str], after: dict[str, str], *, names: bool = False) -> str:
    states = {
        name: "kept" if after.get(name) == object_id else "removed"
        for name, object_id in before.items()
    }
    return _in_words(states.items(), names=names)


def _in_words(states: Iterable[tuple[str, str]], *, names: bool = False) -> str:
    pairs = sorted(states)
    words = {word for _, word in pairs}
    if not pairs:
        return NONE
    if len(words) == 1 and not names:
        return words.pop()
    return ", ".join(f"{name} {word}" for name, word in pairs)
