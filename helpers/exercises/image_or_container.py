"""Chapter 02's exercise: which statements are true for an image, which for a container?

Grading tries each statement on an image and on containers started from it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from helpers.engine import base_image
from helpers.engine.engine import Engine
from helpers.engine.find import connect
from helpers.exercises.container import Container
from helpers.exercises.frame import Check, Task
from helpers.exercises.prediction import Answers, Prediction, Progress
from helpers.exercises.sandbox import Sandbox

TASK_ID = "02-image-or-container"
IMAGE, CONTAINER, BOTH = ANSWERS = ("image", "container", "both")
GROUP = "is true for"
CONTAINERS = 3


@dataclass(frozen=True)
class Trial:
    """An image, and three containers started from it."""

    engine: Engine
    image: str
    containers: tuple[Container, ...]

    def inspect_image(self) -> dict:
        """Return what the engine knows about the image."""
        return self.engine.client.api.inspect_image(self.image)


@dataclass(frozen=True)
class Observation:
    """Whether a statement is true for the image and for a container, and how that was seen."""

    image: bool
    container: bool
    seen: str

    @property
    def answer(self) -> str:
        """Return the right answer."""
        if self.image and self.container:
            return BOTH
        return IMAGE if self.image else CONTAINER


def has_process(trial: Trial) -> Observation:
    """Look for a process id."""
    pid = trial.containers[0].inspect()["State"]["Pid"]
    in_image = "State" in trial.inspect_image()
    return Observation(
        in_image, pid > 0, "docker inspect shows a process id for the container only"
    )


def has_address(trial: Trial) -> Observation:
    """Look for an address in a network."""
    networks = trial.containers[0].inspect()["NetworkSettings"]["Networks"]
    has_one = any(network["IPAddress"] for network in networks.values())
    in_image = "NetworkSettings" in trial.inspect_image()
    return Observation(
        in_image, has_one, "docker inspect shows an address for a running container only"
    )


def can_be_written(trial: Trial) -> Observation:
    """Write a file in one container, and look for it in the image and in another container."""
    first, second, _ = trial.containers
    before = trial.inspect_image()["RootFS"]
    written = trial.engine.run("exec", first.id, "touch", "/note").returncode == 0
    seen_by_other = trial.engine.run("exec", second.id, "test", "-e", "/note").returncode == 0
    changed = seen_by_other or trial.inspect_image()["RootFS"] != before
    return Observation(
        changed,
        written,
        "a file was written in one container; the image's layers stayed the same, and the next "
        "container does not have the file",
    )


def is_shared(trial: Trial) -> Observation:
    """Compare what the three containers were started from, and their ids."""
    sources = {container.inspect()["Image"] for container in trial.containers}
    ids = {container.id for container in trial.containers}
    return Observation(
        len(sources) == 1,
        len(ids) == 1,
        f"{len(ids)} containers were started, each with its own id, all from one image",
    )


def survives_removal(trial: Trial) -> Observation:
    """Remove a container, and look for both."""
    last = trial.containers[-1]
    last.remove()
    return Observation(
        trial.engine.run("image", "inspect", trial.image).returncode == 0,
        last.exists,
        "after docker rm -f of a container, its image was still there",
    )


def has_command(trial: Trial) -> Observation:
    """Look for the command that starts the program."""
    in_image = trial.inspect_image()["Config"]["Cmd"]
    in_container = trial.containers[0].inspect()["Config"]["Cmd"]
    return Observation(
        bool(in_image),
        bool(in_container),
        f"docker inspect shows it for both: {json.dumps(in_image)}",
    )


def can_be_stopped(trial: Trial) -> Observation:
    """Try docker stop on both."""

    def stop(name: str) -> bool:
        return trial.engine.run("stop", "--time=0", name).returncode == 0

    return Observation(
        stop(trial.image),
        stop(trial.containers[1].id),
        "docker stop ended the container; for the image it says: No such container",
    )


def has_id(trial: Trial) -> Observation:
    """Look for an id."""
    return Observation(
        bool(trial.inspect_image()["Id"]),
        bool(trial.containers[0].inspect()["Id"]),
        "docker image ls and docker ps show an id for each of them",
    )


STATEMENTS: dict[str, Callable[[Trial], Observation]] = {
    "has a process": has_process,
    "can be written to": can_be_written,
    "is shared by three others": is_shared,
    "has an id": has_id,
    "has an IP address": has_address,
    "knows the command to start": has_command,
    "can be stopped": can_be_stopped,
    "is still there after docker rm -f": survives_removal,
}


def make_task() -> Task:
    """Return the task; it needs no engine."""
    return Task(
        TASK_ID,
        "02",
        "Image or container?",
        "prediction",
        "Three containers are started from one image. For each statement say whether it is true "
        "for the image, for a container, or for both.",
        list_questions(),
        ANSWERS,
        "Check: try it",
    )


def list_questions() -> Answers:
    """Return the statements, none of them answered."""
    return {GROUP: dict.fromkeys(STATEMENTS)}


def measure(on_progress: Progress) -> dict[str, Observation]:
    """Start three containers from one image, and try each statement on them."""
    engine = connect()
    with tempfile.TemporaryDirectory(prefix="course-exercise-") as scratch:
        folder = Path(scratch, "folder")
        folder.mkdir()
        sandbox = Sandbox(engine, folder)
        try:
            if on_progress:
                on_progress("starting three containers")
            tag = sandbox.build_own(f'FROM {base_image.REAL}\nCMD ["sleep", "600"]\n')
            containers = tuple(sandbox.start(tag) for _ in range(CONTAINERS))
            trial = Trial(engine, tag, containers)
            return {name: observe(trial) for name, observe in STATEMENTS.items()}
        finally:
            sandbox.close()


def check_answer(
    group: str, statement: str, answer: str, observations: dict[str, Observation]
) -> Check:
    """Return the check of one answer, with what was seen if it is wrong."""
    observation = observations[statement]
    if answer == observation.answer:
        return Check(statement, True)
    return Check(
        statement, False, hint=f"you said {answer}; it is {observation.answer}: {observation.seen}"
    )


EXERCISE = Prediction(TASK_ID, make_task, measure, check_answer, "group", "statement")
