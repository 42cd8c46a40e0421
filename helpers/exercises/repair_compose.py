"""Chapter 07: the slide's sample Compose file, repaired."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.engine.engine import Engine
from helpers.errors import Mistake
from helpers.exercises.answering import expect_message, read_json
from helpers.exercises.checks import HandsOn, Progress, check
from helpers.exercises.compose_project import (
    Project,
    need_build,
    need_start,
    not_published,
    open_project,
)
from helpers.exercises.container import Container
from helpers.exercises.frame import Task
from helpers.exercises.lazy import lazy
from helpers.exercises.sandbox import Sandbox, open_sandbox
from helpers.process import wait_until

WEB, PORT = "web", 5000
RELOAD_SECONDS = 2
TASK = Task(
    "07-repair-compose",
    "07",
    "Repair the slide's Compose file",
    "compose",
    "This is the sample docker-compose.yml of the slides, as printed. Compose can't read it. Change "
    "it until Compose reads it without a warning and it does what the slide says:\n"
    "- the service web is built from the current folder (apps/flask-app, with its Dockerfile),\n"
    "- container port 5000 is published on host port 5000,\n"
    "- the current folder is at /app in the container, so that an edit of app.py is in the "
    "container without another build.",
    'version: "3"\n    build: .\n      - "5000:5000"\n      - .:/app\n',
)


@dataclass
class Trial:
    """One Compose file, and the project that has been started from it."""

    text: str
    sandbox: Sandbox
    token: str

    @lazy
    def project(self) -> Project:
        """Return the project, not started."""
        return open_project(self.text, self.sandbox, "flask-app")

    @lazy
    def web(self) -> Container:
        """Return the container of the service web, starting the project first."""
        self.project.compose("up", "--detach", "--no-build")
        return self.project.container(WEB)

    def edit_app(self, new: str) -> None:
        """Let app.py answer with a new word."""
        app = self.sandbox.folder / "app.py"
        app.write_text(app.read_text().replace(self.token, new))
        self.token = new


@contextmanager
def begin(text: str, engine: Engine, on_progress: Progress) -> Iterator[Trial]:
    """Yield the trial of a Compose file; the app answers with a word that is new in each try."""
    with open_sandbox(engine, "flask-app", on_progress) as sandbox:
        trial = Trial(text, sandbox, "Hello from a container!")
        trial.edit_app(uuid.uuid4().hex)
        yield trial


@check()
def is_valid(trial: Trial) -> str:
    """Compose can read the file."""
    return f"services: {', '.join(trial.project.services)}"


@check(needs="is_valid")
def has_no_warnings(trial: Trial) -> str:
    """Compose prints no warning."""
    for warning in trial.project.warnings:
        if "version" in warning:
            raise Mistake(
                "version",
                f"Compose warns: {warning[:200]}",
                "Old releases chose the file's format by this line. Today there is one format, and "
                "the line only confuses.",
                "The attribute that the warning names can be removed.",
            )
        raise Mistake(
            "warning",
            f"Compose warns: {warning[:200]}",
            "A variable that is not set becomes an empty string, which is probably not what you meant.",
        )
    return "no warning"


@check(needs="is_valid")
def builds_web(trial: Trial) -> str:
    """The service web is built from the current folder."""
    services = trial.project.services
    if WEB not in services:
        raise Mistake(
            "no-web",
            f"The services are: {', '.join(services)}.",
            "The slide calls its service web. The name of a service is the key directly below "
            "services:.",
        )
    need_start(WEB, services[WEB])
    need_build(WEB, services[WEB])
    build = services[WEB]["build"]
    if " - " in build["context"]:
        raise Mistake(
            "joined-lines",
            f"web is built from the folder “{trial.sandbox.as_typed(build['context'])}”.",
            "YAML has joined the lines below `build: .` into one value. The entries of a list belong "
            "below a key of their own.",
            "Which key has the ports of a service, and which one its mounts?",
        )
    if Path(build["context"]).resolve() != trial.sandbox.folder.resolve():
        raise Mistake(
            "other-folder",
            f"web is built from {trial.sandbox.as_typed(build['context'])}.",
            "The Dockerfile and the app are in the folder of the Compose file itself.",
        )
    return "web: built from ."


@check(needs="builds_web")
def answers(trial: Trial) -> str:
    """The app answers on host port 5000."""
    container = trial.web
    ports = trial.project.services[WEB].get("ports", [])
    pairs = [(str(each.get("published", "")), each["target"]) for each in ports]
    shown = ", ".join(f"{host or 'a free port'}:{target}" for host, target in pairs)
    if (str(PORT), PORT) not in pairs:
        if PORT in [target for _, target in pairs]:
            raise Mistake(
                "other-host-port",
                f"Published ports of web (host:container): {shown}.",
                "Container port 5000 is published, but on another port of the host than 5000.",
                "The number before the colon is the host's. An entry with one number is the "
                "container's port, and Docker takes any free port of the host.",
            )
        raise not_published(shown)
    return expect_message(
        container, trial.token, "The container must start the app.py of the folder."
    )


@check(needs="answers")
def is_live(trial: Trial) -> str:
    """An edit of app.py on the host is live in the container."""
    trial.edit_app(uuid.uuid4().hex)
    if not wait_until(lambda: read_json(trial.web).get("message") == trial.token, RELOAD_SECONDS):
        # flask run reads the file again only with --debug, or when it starts again.
        trial.sandbox.engine.run("restart", "--time=0", trial.web.id)
        if read_json(trial.web).get("message") != trial.token:
            raise explain_old_app(trial.web.inspect()["Mounts"], trial.sandbox)
        return (
            "after an edit of app.py and a restart of the container: the app answers with the edit"
        )
    return "after an edit of app.py: the app answers with the edit"


def explain_old_app(mounts: list[dict[str, Any]], sandbox: Sandbox) -> Mistake:
    """Return why an edit did not reach the container, from what is mounted in it."""
    seen = "After an edit of app.py on the host, the container still has the old one."
    binds = [mount for mount in mounts if mount["Type"] == "bind"]
    if binds:
        places = ", ".join(
            f"{sandbox.as_typed(mount['Source'])} at {mount['Destination']}" for mount in binds
        )
        return Mistake(
            "wrong-path",
            f"{seen} Mounted: {places}.",
            "The app runs in /app. A folder that is mounted anywhere else does not change it.",
            "The path after the colon is the one in the container.",
        )
    if mounts:
        return Mistake(
            "volume-not-folder",
            f"{seen} Mounted: a volume at {mounts[0]['Destination']}.",
            "A volume has its own copy of the files. What is needed is the folder of the host.",
            "Before the colon, a name is a volume; a path, such as one that starts with a dot, is a "
            "folder of the host.",
        )
    return Mistake(
        "no-mount",
        f"{seen} Nothing is mounted in the container.",
        "The image has a copy of app.py from when it was built. The slide's file mounts the folder "
        "of the host over it.",
        "The line `- .:/app` of the slide is an entry of the list volumes:.",
    )


EXERCISE = HandsOn(TASK, begin, (is_valid, has_no_warnings, builds_web, answers, is_live))
