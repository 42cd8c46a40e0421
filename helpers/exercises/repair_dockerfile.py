"""Chapter 03: the slide's sample Dockerfile, repaired."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from helpers.engine.engine import Engine
from helpers.errors import Mistake
from helpers.exercises.answering import expect_message
from helpers.exercises.checks import HandsOn, Progress, check
from helpers.exercises.container import Container
from helpers.exercises.frame import Task
from helpers.exercises.lazy import lazy
from helpers.exercises.sandbox import Sandbox, open_sandbox

TASK = Task(
    "03-repair-dockerfile",
    "03",
    "Repair the slide's Dockerfile",
    "dockerfile",
    "This is the sample Dockerfile of the slides, as printed. Change it so that it does what the "
    "text on the slide promises:\n"
    "- the working directory is /app,\n"
    "- port 5000 is exposed,\n"
    "- the app answers requests from outside the container.\n"
    "The app is in apps/flask-app (app.py, requirements.txt). Use the base image python:3.13-slim.",
    'FROM python:3.10\nRUN pip install flask\nCOPY . .\nCMD ["flask", "run", "--host", ""]\n',
)


@dataclass
class Trial:
    """One Dockerfile, and what has been built and started from it."""

    dockerfile: str
    sandbox: Sandbox
    token: str

    @lazy
    def image(self) -> dict[str, Any]:
        """Return what the engine knows about the image, building it first."""
        report = self.sandbox.build(self.dockerfile)
        return self.sandbox.engine.client.api.inspect_image(report.tags[0])

    @lazy
    def container(self) -> Container:
        """Return a container of the image, starting it first."""
        return self.sandbox.start(self.image["Id"])


@contextmanager
def begin(dockerfile: str, engine: Engine, on_progress: Progress) -> Iterator[Trial]:
    """Yield the trial of a Dockerfile; the app answers with a word that is new in each try."""
    with open_sandbox(engine, "flask-app", on_progress) as sandbox:
        token = uuid.uuid4().hex
        app = sandbox.folder / "app.py"
        app.write_text(app.read_text().replace("Hello from a container!", token))
        yield Trial(dockerfile, sandbox, token)


@check()
def builds(trial: Trial) -> str:
    """The image builds."""
    return f"built: {trial.image['Id'][7:19]}"


@check(needs="builds")
def answers(trial: Trial) -> str:
    """The app answers on port 5000 from outside the container."""
    return expect_message(
        trial.container,
        trial.token,
        "The image must contain the app.py of the folder that is built.",
    )


@check(needs="builds")
def works_in_app(trial: Trial) -> str:
    """The working directory is /app."""
    folder = trial.image["Config"].get("WorkingDir") or "/"
    if folder.rstrip("/") != "/app":
        raise Mistake(
            "working-directory",
            f"The image's working directory is {folder}.",
            "The task asks for /app. Which instruction sets the working directory, for the "
            "instructions after it and for the container?",
            "A `RUN cd` holds for that one RUN only. WORKDIR holds from its line on.",
        )
    return "working directory: /app"


@check(needs="builds")
def exposes(trial: Trial) -> str:
    """Port 5000 is exposed."""
    ports = sorted(trial.image["Config"].get("ExposedPorts") or {})
    if "5000/tcp" not in ports:
        seen = f"exposes {', '.join(ports)}" if ports else "exposes no port"
        raise Mistake(
            "not-exposed",
            f"The image {seen}.",
            "One instruction tells people, and `docker run -P`, which port the app listens on. It "
            "publishes nothing by itself.",
            "The instruction is EXPOSE, with the port that the app uses in the container.",
        )
    return f"exposed: {', '.join(ports)}"


EXERCISE = HandsOn(TASK, begin, (builds, answers, works_in_app, exposes))
