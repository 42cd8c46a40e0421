"""Chapter 07: new code for one service of a running project, with one command."""

from __future__ import annotations

import copy
import json
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from helpers.compose.adapt import adapt_project
from helpers.engine.engine import Engine
from helpers.errors import CourseError, Mistake
from helpers.exercises.answering import read_json, stays_up
from helpers.exercises.checks import HandsOn, Progress, check
from helpers.exercises.compose_command import ComposeCommand, read_compose_command
from helpers.exercises.compose_project import LIMITS, LOGGING, Project, open_project
from helpers.exercises.container import Container
from helpers.exercises.frame import Task
from helpers.exercises.lazy import lazy
from helpers.exercises.sandbox import Sandbox, open_sandbox
from helpers.process import stop_group, wait_until

WEB, DB, PROJECT = "web", "db", "course-visits"
BUILD_SECONDS = 40.0
ATTACHED = "Attaching to"
NOT_STARTED = "The exercise's own project did not start."
SETTLE_SECONDS = 5.0  # until a container that Compose attaches to has started
TASK = Task(
    "07-rebuild-only-web",
    "07",
    "Rebuild only web",
    "compose-command",
    "A project with two services is running: web, built from the folder, and db. The folder is not "
    "mounted in web. You have just edited app.py. Write one docker compose command after which\n"
    "- web has a new image, and a new container that answers with your edit,\n"
    "- db still has the same container.",
    "docker compose up -d web\n",
)
FILE = f"""\
name: {PROJECT}
services:
  web:
    build: .
    init: true
    ports: ["5000:5000"]
    environment:
      DATABASE_URL: postgresql://postgres:${{POSTGRES_PASSWORD}}@db/postgres
    depends_on: {{db: {{condition: service_healthy}}}}
  db:
    image: postgres:17
    environment: {{POSTGRES_PASSWORD: $POSTGRES_PASSWORD}}
    volumes: ["data:/var/lib/postgresql/data"]
    healthcheck: {{test: pg_isready -h localhost -U postgres, interval: 1s, retries: 30}}
volumes:
  data:
"""


@dataclass(frozen=True)
class State:
    """The image that a service's tag names, and the ids of each service's containers."""

    image: str
    web: tuple[str, ...]
    db: tuple[str, ...]


@dataclass
class Trial:
    """One command, the project that runs before it, and the word that app.py answers with."""

    typed: str
    sandbox: Sandbox
    word: str = ""
    started_at: str = ""
    child: subprocess.Popen[bytes] | None = None

    @lazy
    def command(self) -> ComposeCommand:
        """Return the command as it runs in the sandbox."""
        return read_compose_command(self.typed, PROJECT, self.sandbox.folder)

    @lazy
    def project(self) -> Project:
        """Return the project, not started; Compose itself builds its image, as for a student."""
        project = open_project(FILE, self.sandbox, "visits")
        project.adapted = config = copy.deepcopy(project.config)
        del config["name"]
        adapt_project(config, self.sandbox.engine)
        labels = self.sandbox.labels
        for settings in config["services"].values():
            settings.update(LIMITS, logging=LOGGING, labels=labels)
            for port in settings.get("ports", []):
                port.update(host_ip="127.0.0.1", published="0")
        config["services"][WEB]["build"]["labels"] = labels
        config["networks"] = {"default": {"labels": labels}}
        config["volumes"] = {"data": {"labels": labels}}
        return project

    @lazy
    def before(self) -> State:
        """Return the state of the running project, which is started first; app.py is edited then.

        Raises CourseError if it does not start, because the command has no part in that.
        """
        self.edit_app()
        try:
            self.project.compose("up", "--detach", "--build", seconds=BUILD_SECONDS)
            state = self.look()
            has_edit = read_json(self.project.container(WEB)).get("edit") == self.word
        except Mistake as mistake:
            raise CourseError(f"{NOT_STARTED} {mistake.seen}", "Try again.") from None
        if not has_edit:
            raise CourseError(f"{NOT_STARTED} It answers without the edit.", "Try again.")
        self.started_at = self.project.container(WEB).inspect()["State"]["StartedAt"]
        self.edit_app()
        return state

    @lazy
    def after(self) -> State:
        """Return the state after the command. Raises Mistake if Compose can't carry it out."""
        _ = self.before
        log = self.sandbox.folder.parent / "output"
        command = self.project.command("--progress=plain", *self.command.arguments)
        with log.open("w") as file:
            self.child = subprocess.Popen(
                command,
                env={**self.sandbox.engine.env, "COMPOSE_MENU": "false"},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if not wait_until(lambda: self.returned or ATTACHED in log.read_text(), BUILD_SECONDS):
            raise Mistake(
                "without-end",
                f"docker compose {self.command.verb} did not end within {BUILD_SECONDS:g} s.",
                "Does an option make the command wait, or build more than is needed?",
            )
        # In the foreground, Compose starts the containers after it has attached to their output.
        wait_until(lambda: self.returned or self.is_started(), SETTLE_SECONDS)
        self.project.note_volumes()
        if self.returned and self.child.returncode:
            raise self.project.explain(self.command.verb, log.read_text())
        return self.look()

    @property
    def returned(self) -> bool:
        """Return whether the command has ended."""
        return self.child is None or self.child.poll() is not None

    def is_started(self) -> bool:
        """Return whether the containers of web run."""
        ids = self.project.list_ids(WEB)
        return bool(ids) and all(Container(self.sandbox.engine, id).is_running for id in ids)

    def has_restarted(self) -> bool:
        """Return whether the container of web has been started since the project was."""
        container = self.project.container(WEB)
        return bool(container.inspect()["State"]["StartedAt"] != self.started_at)

    def stop(self) -> None:
        """End the command if it is in the foreground."""
        if self.child and not self.returned:
            stop_group(self.child, ((signal.SIGKILL, 5.0),))

    def look(self) -> State:
        """Return the state of the project now."""
        inspected = self.sandbox.engine.run(
            "image", "inspect", "--format={{.Id}}", f"{self.project.name}-{WEB}"
        )
        web, db = (tuple(self.project.list_ids(service)) for service in (WEB, DB))
        return State(inspected.stdout.strip(), web, db)

    def edit_app(self) -> None:
        """Let app.py answer with a new word."""
        app = self.sandbox.folder / "app.py"
        old = f', "edit": "{self.word}"' if self.word else ""
        self.word = uuid.uuid4().hex
        code = app.read_text(encoding="utf-8")
        new = f'{{"visits": n, "edit": "{self.word}"}}'
        app.write_text(code.replace(f'{{"visits": n{old}}}', new), encoding="utf-8")


@contextmanager
def begin(typed: str, engine: Engine, on_progress: Progress) -> Iterator[Trial]:
    """Yield the trial of a command."""
    with open_sandbox(engine, "visits", on_progress) as sandbox:
        trial = Trial(typed, sandbox)
        try:
            yield trial
        finally:
            trial.stop()


@check()
def is_compose_command(trial: Trial) -> str:
    """It is one docker compose command for the running project."""
    return f"docker compose {trial.command.verb}"


@check(needs="is_compose_command")
def runs(trial: Trial) -> str:
    """Compose can carry it out."""
    _ = trial.after
    return "the command returned" if trial.returned else "the command runs in the foreground"


@check(needs="runs")
def has_new_image(trial: Trial) -> str:
    """The service web has a new image."""
    before, after = trial.before, trial.after
    if after.image != before.image:
        return f"image: {after.image.removeprefix('sha256:')[:12]}"
    same = "The image of web is the one from before the edit"
    if not after.web:
        raise Mistake(
            "removed",
            f"{same}, and web has no container any more.",
            "The command has removed the container of web, and nothing has taken its place. One "
            "command can build, replace and start.",
        )
    if set(after.web).isdisjoint(before.web):
        raise Mistake(
            "new-container-old-image",
            f"{same}. The container is a new one.",
            "The new container was made from the old image, which has the old app.py: nothing has "
            "built the image again.",
            "Compose builds before it starts containers if an option says so.",
        )
    if not trial.is_started():
        raise Mistake(
            "stopped",
            f"{same}. The container of web is the old one, and does not run any more.",
            "The command has stopped web, and has not built its image again.",
        )
    if trial.has_restarted():
        raise Mistake(
            "only-restarted",
            f"{same}. The container of web is the old one, started again.",
            "A container that is started again still has the files of its old image, and app.py is "
            "one of them.",
            "The code gets into an image only when that is built.",
        )
    raise Mistake(
        "nothing-built",
        f"{same}. The container of web is the old one too.",
        "Compose compares the Compose file with what runs, and nothing has changed in it. It does "
        "not look at your code unless it builds the image of web.",
        "An option of `docker compose up` builds images before starting containers. Is it there, and "
        "does the command name web?",
    )


@check(needs="has_new_image")
def has_new_container(trial: Trial) -> str:
    """The service web has a new container, of the new image."""
    before, after = trial.before, trial.after
    if not after.web:
        raise Mistake("removed", "web has no container any more.", "web must run afterwards.")
    if not set(after.web).isdisjoint(before.web):
        raise Mistake(
            "only-built",
            "There is a new image, and the container of web is the old one.",
            "A container keeps the image that it was made from. With the new image, a new container "
            "must be made, which the command has not done.",
            "The command that creates and starts containers can also build.",
        )
    trial.project.container(WEB)
    images = {Container(trial.sandbox.engine, id).inspect()["Image"] for id in after.web}
    if images != {after.image}:
        raise Mistake(
            "other-image", "The new container is of another image.", "Was it built afterwards?"
        )
    return f"container: {after.web[0][:12]}"


@check(needs="has_new_container")
def answers(trial: Trial) -> str:
    """The app answers with the edit."""
    container = trial.project.container(WEB)
    if container.status == "created":
        raise Mistake(
            "only-created",
            "The new container of web exists, and has not been started.",
            "Creating a container does not start it, and the old one has been removed: nothing "
            "answers now.",
        )
    body = read_json(container)
    if body.get("edit") != trial.word:
        raise Mistake(
            "without-the-edit",
            f"The app answers without the edit: {json.dumps(body)[:80]}",
            "The image has an app.py from before the edit.",
        )
    stays_up(container)
    return "the answer has the edit"


@check(needs="runs")
def keeps_db(trial: Trial) -> str:
    """The service db keeps its container."""
    before, after = trial.before, trial.after
    if not after.db:
        raise Mistake(
            "db-removed",
            "db has no container any more.",
            "The command has removed it. For as long as it is away, no visit can be counted.",
        )
    if after.db != before.db:
        raise Mistake(
            "db-replaced",
            f"db has a new container: {after.db[0][:12]} instead of {before.db[0][:12]}.",
            "The command has replaced db too, which interrupts everybody who uses it. A command "
            "without a service's name is for all services, and some options also reach what a "
            "service depends on.",
            "Say which service you mean, and leave its dependencies alone.",
        )
    if not trial.project.container(DB).is_running:
        raise Mistake(
            "db-stopped",
            "db has its container, and it does not run any more.",
            "The command has stopped db too. Say which service you mean.",
        )
    return f"container: {after.db[0][:12]}"


EXERCISE = HandsOn(
    TASK, begin, (is_compose_command, runs, has_new_image, has_new_container, answers, keeps_db)
)
