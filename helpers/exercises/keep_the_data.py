"""Chapter 06: keep an app's data when its container is replaced."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from helpers.engine.engine import Engine
from helpers.errors import CourseError, Mistake
from helpers.exercises.answering import read_json
from helpers.exercises.app_images import ensure_app_image
from helpers.exercises.checks import HandsOn, Progress, check
from helpers.exercises.command import Command, read_command
from helpers.exercises.container import Container
from helpers.exercises.frame import Task
from helpers.exercises.lazy import lazy
from helpers.exercises.sandbox import Sandbox, open_sandbox
from helpers.process import wait_until

IMAGE, DATA, FOLDER = "counter", "/data", "data"
ANONYMOUS = re.compile(r"[0-9a-f]{64}")  # the name that Docker gives to a volume without one
TASK = Task(
    "06-keep-the-data",
    "06",
    "Keep the count",
    "command",
    f"The image {IMAGE} is built from apps/counter: it counts the visits to its page on port 5000 "
    f"and keeps the count in the file {DATA}/count. With the command below, the count starts again "
    "whenever the container is replaced. Change the command so that the count survives "
    "`docker rm -f counter` and a second run of the same line. It is run in a copy of that folder, "
    f"which also has an empty folder {FOLDER}.",
    "docker run -d --name counter -p 5005:5000 counter\n",
)


@dataclass
class Trial:
    """One command, run twice; how often the page was visited before the container was removed."""

    typed: str
    sandbox: Sandbox

    @lazy
    def command(self) -> Command:
        """Return the command as it runs in the sandbox."""
        return read_command(self.typed, IMAGE, self.sandbox)

    @lazy
    def first(self) -> Container:
        """Return the container of the first run."""
        return self.run()

    def run(self) -> Container:
        """Run the line and return its container."""
        image = ensure_app_image(self.sandbox.engine, "counter")
        launch = self.sandbox.launch(self.command.options, image, self.command.words)
        launch.wait(2)
        return launch.container


@contextmanager
def begin(typed: str, engine: Engine, on_progress: Progress) -> Iterator[Trial]:
    """Yield the trial of a command."""
    with open_sandbox(engine, "counter", on_progress) as sandbox:
        (sandbox.folder / FOLDER).mkdir()  # --mount creates no folder, as -v does
        yield Trial(typed, sandbox)


@check()
def is_docker_run(trial: Trial) -> str:
    """It is one docker run command for the image counter."""
    return f"image: {IMAGE}" if trial.command else ""


@check(needs="is_docker_run")
def counts(trial: Trial) -> str:
    """The app counts visits."""
    before = visit(trial.first)
    time.sleep(0.5)
    after = visit(trial.first)
    if after <= before:
        raise Mistake(
            "does-not-count",
            f"Two visits were counted as {before} and {after}.",
            "The container must run the counter app of the image, as it is.",
        )
    return f"visits: {before}, {after}"


@check(needs="counts")
def survives(trial: Trial) -> str:
    """The count survives docker rm -f and a second run of the same line."""
    before = 0
    for _ in range(random.randint(2, 6)):
        before = visit(trial.first)
    mounts = trial.first.mounts
    trial.first.remove()
    if not wait_until(lambda: not trial.first.exists, 10):
        raise CourseError("The first container could not be removed.", "Try again.")
    after = visit(trial.run())
    if after <= before:
        raise explain_loss(mounts, before, after, trial.sandbox)
    return f"{before} visits before docker rm -f, {after} in the second container"


def visit(container: Container) -> int:
    """Visit the page and return the count. Raises Mistake if it can't be visited."""
    if container.is_running and container.host_port(5000) is None:
        raise Mistake(
            "not-published",
            "Container port 5000 is not published, so the page can't be visited.",
            "Keep the -p of the command: only the data is missing.",
        )
    count = read_json(container).get("count")
    if not isinstance(count, int):
        raise Mistake(
            "another-program",
            "Something answers, but not the counter app.",
            "Words after the image's name replace the program that the image starts.",
        )
    return count


def explain_loss(
    mounts: list[dict[str, Any]], before: int, after: int, sandbox: Sandbox
) -> Mistake:
    """Return why the count was lost, from what was mounted in the first container."""
    lost = (
        f"{before} visits before docker rm -f, {after} in the second container: the count was lost."
    )
    if not mounts:
        return Mistake(
            "no-volume",
            f"{lost} Nothing is mounted in the container.",
            f"{DATA}/count is in the container's own writable layer, which is removed together "
            "with the container. Data that should live longer must be stored outside it.",
            "A named volume, or a folder of the host, can be mounted in the container: -v or "
            "--mount.",
        )
    at_data = [m for m in mounts if m["Destination"].rstrip("/") == DATA]
    if not at_data:
        mount = mounts[0]
        name = sandbox.as_typed(mount.get("Name") or mount.get("Source") or mount["Type"])
        if ANONYMOUS.fullmatch(name):
            name = "An anonymous volume"
        return Mistake(
            "wrong-path",
            f"{lost} {name} is mounted at {mount['Destination']}.",
            f"The app writes to {DATA}, and nothing is mounted there.",
        )
    if at_data[0]["Type"] == "tmpfs":
        return Mistake(
            "tmpfs",
            f"{lost} A tmpfs is mounted at {DATA}.",
            "A tmpfs is in memory: it is gone when the container stops.",
        )
    if ANONYMOUS.fullmatch(at_data[0].get("Name") or ""):
        return Mistake(
            "anonymous-volume",
            f"{lost} {DATA} is an anonymous volume, {at_data[0]['Name'][:12]}…",
            "Each run gets a new anonymous volume; the one with the count is not used again.",
            "The second run finds the volume of the first only by a name, the part before the "
            "colon.",
        )
    return Mistake(
        "count-lost",
        lost,
        f"Something is mounted at {DATA}, but the second container did not find the count in it.",
    )


EXERCISE = HandsOn(TASK, begin, (is_docker_run, counts, survives))
