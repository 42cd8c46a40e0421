"""Chapter 08's capstone: start a copy of the student's project, and observe which faults are left.

Each check observes an effect, and as far as possible without the others: the database starts late,
a web container that ended is started again, and the data is written by the database's
own client.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from docker.errors import APIError

from helpers import process
from helpers.build.run import build_image
from helpers.compose.adapt import adapt_project
from helpers.compose.containers import list_containers, list_volumes
from helpers.compose.project import read_config
from helpers.engine.engine import Engine
from helpers.errors import BuildFailed, CourseError, Mistake
from helpers.exercises.checks import HandsOn, Progress, check
from helpers.exercises.compose_policy import check_model
from helpers.exercises.container import Container
from helpers.exercises.frame import Task
from helpers.exercises.lazy import lazy
from helpers.exercises.sandbox import APPS, copy_folder
from helpers.experiments.layers.measure import inspect_layers
from helpers.process import wait_until

WEB, DB = "web", "db"
GO = "/tmp/course-go"  # the database starts when its container has this file
WAIT_SECONDS = 3  # for a web container that Compose starts right after the database
START_SECONDS = 60
STOP_SECONDS = 3
COMMAND_SECONDS = 180
ASK_SECONDS = 0.5  # between two questions that start a program in a container
TASK = Task(
    "08-capstone",
    "08",
    "Repair a project",
    "folder",
    "A guest book with a database has nine faults: in its Dockerfile, in compose.yaml and in "
    "app.py. Repair your copy of apps/capstone, which open_app makes in scratch/capstone.",
    str(APPS / "capstone"),
)


@dataclass
class Trial:
    """A copy of the project under another name, and what is known about it so far."""

    engine: Engine
    folder: Path
    name: str
    images: list[str] = field(default_factory=list)
    volumes: set[str] = field(default_factory=set)

    @lazy
    def config(self) -> dict[str, Any]:
        """Return the project as Compose resolves it, adapted to the trial.

        Raises Mistake if Compose can't read it, or if it is refused.
        """
        try:
            config = read_config(self.engine, "--project-directory", str(self.folder))
        except CourseError as error:
            seen = error.message.replace(f"{self.folder}/", "")
            raise Mistake("not-readable", seen, error.hint) from None
        if not {WEB, DB} <= set(config["services"]) or "build" not in config["services"][WEB]:
            raise Mistake(
                "services-missing",
                "The project needs the services web, which is built, and db.",
                "In compose.yaml, keep both names, and build: for web.",
            )
        check_model(config, self.folder)
        adapt(config, self.engine)
        return config

    @property
    def web(self) -> dict[str, Any]:
        """Return the settings of the service web."""
        return self.config["services"][WEB]

    def compose(self, *args: str) -> None:
        """Run a Compose command on the copy. Raises CourseError with its message if it fails."""
        file = self.folder.parent / "project.json"
        file.write_text(json.dumps(self.config), encoding="utf-8")
        command = ("compose", "-p", self.name, "-f", str(file), *args)
        try:
            completed = self.engine.run(*command, timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            raise CourseError(
                f"docker compose {args[0]} took more than {COMMAND_SECONDS} s."
            ) from None
        if completed.returncode:
            raise CourseError(f"docker compose {args[0]}: {process.error_line(completed)}")

    def container(self, service: str) -> Container:
        """Return a service's container. Raises CourseError if it has none."""
        containers = list_containers(self.engine, self.name, service)
        if not containers:
            raise CourseError(f"The service {service} has no container.")
        return Container(self.engine, containers[0]["Id"])

    def status(self, service: str) -> str:
        """Return the status of a service's container, such as "running", "" if it has none."""
        containers = list_containers(self.engine, self.name, service)
        return str(containers[0]["State"]) if containers else ""

    def run_in(self, service: str, *command: str) -> str:
        """Return what a command in a service's container prints; raise CourseError if it fails."""
        container = self.container(service)
        completed = self.engine.run("exec", container.id, *command, timeout=30)
        if completed.returncode:
            raise explain_end(service, container)
        return completed.stdout

    def listening(self) -> dict[int, bool]:
        """Return the TCP ports that the app listens on, and whether only on loopback.

        Raises CourseError if there are none, or if the container of web does not run.
        """
        container = self.container(WEB)
        ports: dict[int, bool] = {}

        def look() -> bool:
            ports.update(container.listening())
            if not ports and container.status != "running":
                raise explain_end(WEB, container)
            return bool(ports)

        if not wait_until(look, 20, ASK_SECONDS):
            raise CourseError("No program in the web container listens on a port.")
        return ports

    def query(self, sql: str) -> str:
        """Return the answer of the database, waiting until it is ready."""
        command = ("psql", "-h", "localhost", "-U", "postgres", "-tAc", sql)
        password = self.config["services"][DB].get("environment", {}).get("POSTGRES_PASSWORD", "")
        answer: list[str] = []

        database = self.container(DB).id
        self.engine.run("exec", database, "touch", GO)

        def ask() -> bool:
            completed = self.engine.run("exec", f"--env=PGPASSWORD={password}", database, *command)
            if completed.returncode == 0:
                answer.append(completed.stdout.strip())
            elif "does not exist" in completed.stderr:
                answer.append("")
            return bool(answer)

        if not wait_until(ask, START_SECONDS, ASK_SECONDS):
            raise CourseError(f"The database did not answer within {START_SECONDS} s.")
        return answer[0]

    def note_volumes(self) -> None:
        """Remember the volumes of the database's container: `down` keeps anonymous ones."""
        self.volumes |= list_volumes(list_containers(self.engine, self.name, DB))

    def remove(self) -> None:
        """Remove everything that the trial created."""
        self.note_volumes()
        with suppress(CourseError):
            self.compose("down", "--volumes", "--timeout", "1")
        for volume in self.volumes:
            self.engine.run("volume", "rm", "--force", volume)
        if self.images:
            self.engine.run("image", "rm", "--force", *self.images)


@contextmanager
def begin(folder: str, engine: Engine, on_progress: Progress) -> Iterator[Trial]:
    """Yield the trial of the project in a folder, and remove everything that it created.

    The copy has its own name, and free ports of 127.0.0.1.
    """
    if not Path(folder).is_dir():
        raise CourseError(f"There is no folder {folder}.", 'Open it with open_app("capstone").')
    with tempfile.TemporaryDirectory(prefix="course-capstone-") as temporary:
        copy = copy_folder(Path(folder), Path(temporary, "project"), "__pycache__", ".git")
        trial = Trial(engine, copy, f"course-capstone-{uuid.uuid4().hex[:8]}")
        try:
            yield trial
        finally:
            if "config" in vars(trial):
                trial.remove()


def adapt(config: dict[str, Any], engine: Engine) -> None:
    """Label all objects, use free local ports and the stand-ins, and delay the database."""
    config.pop("name", None)
    for service in config["services"].values():
        service.pop("container_name", None)
        for port in service.get("ports", []):
            port.update(host_ip="127.0.0.1", published="0")
    for kind in ("networks", "volumes"):
        for settings in config.get(kind, {}).values():
            if settings and not settings.get("external"):
                settings.pop("name", None)  # Compose derives it from the project's
    adapt_project(config, engine)
    start = f"until [ -e {GO} ]; do sleep 0.2; done; exec docker-entrypoint.sh postgres"
    config["services"][DB].update(entrypoint=["sh", "-c", start], command=None)


# -- the checks, in the order in which they run


@check()
def is_readable(trial: Trial) -> str:
    """Compose can read the project."""
    return f"services: {', '.join(trial.config['services'])}"


@check(needs="is_readable")
def builds(trial: Trial) -> str:
    """The image builds."""
    settings = trial.web.pop("build")
    context = Path(settings.get("context", trial.folder))
    tag = f"{trial.name}:1"
    dockerfile = context / settings.get("dockerfile", "Dockerfile")
    try:
        build_image(context, tag=tag, dockerfile=dockerfile, engine=trial.engine)
    except BuildFailed as failure:
        hint = "Run `docker compose build web` in your folder: its output names the line."
        raise Mistake("not-built", str(failure).splitlines()[0], hint) from None
    trial.images.append(tag)
    trial.web["image"] = tag
    return "built"


@check(needs="builds")
def keeps_packages(trial: Trial) -> str:
    """An edit of app.py doesn't install the packages again."""
    app = trial.folder / "app.py"
    app.write_text(f"{app.read_text(encoding='utf-8')}\n# {trial.name}\n", encoding="utf-8")
    tag = f"{trial.name}:2"
    report = build_image(trial.folder, tag=tag, engine=trial.engine)
    trial.images.append(tag)
    again = [step.instruction for step in report.steps if not step.cached]
    if install := next((text for text in again if re.search(r"\binstall\b", text)), ""):
        raise Mistake(
            "installs-after-app-edit",
            f"After a change of app.py, this step ran again: {install[:60]}",
            "A step runs again if a file that a step above it copied has changed.",
        )
    return "after a change of app.py, the packages came from the cache"


@check(needs="builds")
def keeps_password_out(trial: Trial) -> str:
    """No layer has the password."""
    for layer in inspect_layers(trial.web["image"], trial.engine).layers:
        for change in layer.files:
            if change.path.rpartition("/")[2] == ".env":
                raise Mistake(
                    "password-in-layer",
                    f"A layer of the image has the file {change.path}.",
                    "Which files does the build context have, and which of them does the app need?",
                )
    return "no layer has an .env file"


@check(needs="builds")
def waits_for_database(trial: Trial) -> str:
    """The service web waits for a slow database."""
    try:
        is_early = start(trial)
        if is_serving(trial):
            return "web runs when the database is ready"
        if is_early and trial.status(WEB) == "exited":  # the other checks need it
            trial.engine.run("start", trial.container(WEB).id)
            wait_until(lambda: is_serving(trial), 20, ASK_SECONDS)
        else:
            trial.listening()
            request_from_inside(trial, "/")
            raise CourseError("The web container did not answer in time.")
    except CourseError as error:  # nothing else says why a project does not start
        hint = "Run `docker compose up -d` in your folder, then read `docker compose logs`."
        raise Mistake("web-does-not-run", error.message, hint) from None
    raise Mistake(
        "web-too-early",
        "The web container started before the database was ready, and ended.",
        "“Started” and “ready” are two states of a service.",
    )


@check(needs="builds")
def is_not_root(trial: Trial) -> str:
    """The app doesn't run as root."""
    options = [f"--user={user}"] if (user := trial.web.get("user")) else []
    command = ("run", "--rm", "--network=none", "--entrypoint=id", *options, trial.web["image"])
    user_id = trial.engine.run(*command, "-u").stdout.strip()
    if user_id == "0":
        hint = "Who runs the container's processes?"
        raise Mistake("runs-as-root", "The app's processes run as root.", hint)
    return f"the app's processes run as user {user_id}"


@check(needs="builds")
def is_reachable(trial: Trial) -> str:
    """The app can be reached from outside its container."""
    for port, only_loopback in trial.listening().items():
        if only_loopback:
            seen = f"In its container, the app listens on 127.0.0.1:{port}."
            raise Mistake("on-loopback", seen, "Each container has its own 127.0.0.1.")
    return "the app listens on all addresses of its container"


@check(needs="builds")
def publishes_its_port(trial: Trial) -> str:
    """The published port is the app's."""
    listening = trial.listening()
    published = [port["target"] for port in trial.web.get("ports", [])]
    name = "other-port"
    hint = "A published port has two numbers. Which one belongs to the container?"
    if not set(published) & set(listening):
        seen = (
            f"Published: port {', '.join(map(str, published)) or 'none'} of the container; "
            f"the app listens on port {', '.join(map(str, listening))}"
        )
        raise Mistake(name, seen, hint)
    port = next(iter(set(published) & set(listening)))
    if not listening[port]:
        host_port = trial.container(WEB).host_port(port)
        try:
            status = requests.get(f"http://127.0.0.1:{host_port}/", timeout=5).status_code
        except requests.RequestException as error:
            seen = f"A request to the published port: {type(error).__name__}"
            raise Mistake(name, seen, hint) from None
        if status != 200:
            raise Mistake(name, f"A request to the published port: status {status}", hint)
    return f"port {port} is published, and the app listens on it"


@check(needs="builds")
def logs_requests(trial: Trial) -> str:
    """The output of docker logs has the app's requests."""
    token = uuid.uuid4().hex[:8]
    request_from_inside(trial, f"/?from={token}")
    web = trial.container(WEB).id

    def is_logged() -> bool:
        with suppress(APIError):  # logging is off
            return token.encode() in trial.engine.client.api.logs(web)
        return False

    if not wait_until(is_logged, 1):
        seen = "docker logs doesn't show a request that the app answered."
        raise Mistake("not-logged", seen, "Docker collects what process 1 prints.")
    return "docker logs shows the requests"


@check(needs="builds")
def stops(trial: Trial) -> str:
    """The app ends when docker stop asks it to."""
    trial.listening()
    web = trial.container(WEB)
    trial.engine.run("stop", f"--time={STOP_SECONDS}", web.id)
    code = web.inspect()["State"]["ExitCode"]
    if code == 137:
        seen = f"docker stop had to kill the web container after {STOP_SECONDS} s."
        hint = "Which program is process 1? Does it end on SIGTERM, or pass it on to the app?"
        raise Mistake("killed", seen, hint)
    return f"docker stop: exit code {code}"


@check(needs="builds")
def keeps_data(trial: Trial) -> str:
    """The data outlives the containers."""
    trial.query("CREATE TABLE course_check AS SELECT 1")
    trial.note_volumes()
    trial.compose("down", "--timeout", "5")
    trial.compose("up", "--detach", "--no-build", "--no-deps", DB)
    if trial.query("SELECT count(*) FROM course_check") != "1":
        raise Mistake(
            "data-lost",
            "After docker compose down and up, the database was empty.",
            "Where does this database keep its files, and what is mounted exactly there?",
        )
    return "the data was there after docker compose down and up"


# -- helpers ------------------------------------------------------------------------------


def start(trial: Trial) -> bool:
    """Start the project with a slow database; return whether web was started before it was ready."""
    with ThreadPoolExecutor(1) as pool:
        up = pool.submit(trial.compose, "up", "--detach", "--no-build")
        wait_until(lambda: up.done() or trial.status(DB) == "running", START_SECONDS)
        if up.done():
            up.result()
        is_early = wait_until(lambda: trial.status(WEB) not in ("", "created"), WAIT_SECONDS)
        if is_early:  # it has time to try, and to end
            wait_until(lambda: trial.status(WEB) in ("exited", "restarting"), 2 * WAIT_SECONDS)
        trial.query("SELECT 1")
        up.result()
    wait_until(
        lambda: trial.status(WEB) == "exited" or is_serving(trial), START_SECONDS, ASK_SECONDS
    )
    return is_early


def explain_end(service: str, container: Container) -> CourseError:
    """Return that a service does not run, with the last error in its log."""
    log = container.log(40)
    errors = [line for line in log if re.match(r"[\w.]*(Error|Exception)\b", line)]
    last = (errors or log or ["nothing"])[-1]
    return CourseError(f"The service {service} doesn't run; its log says: {last}")


def is_serving(trial: Trial) -> bool:
    """Return whether the app in the web container answers, asked from inside."""
    if trial.status(WEB) != "running":
        return False
    with suppress(CourseError):
        return bool(request_from_inside(trial, "/"))
    return False


def request_from_inside(trial: Trial, path: str) -> str:
    """Send a request to the app from its own container; raise CourseError if it isn't answered."""
    url = f"http://127.0.0.1:{next(iter(trial.listening()))}{path}"
    fetch = f"import urllib.request as r; print(r.urlopen({url!r}, timeout=10).status)"
    return trial.run_in(WEB, "python", "-c", fetch)


EXERCISE = HandsOn(
    TASK,
    begin,
    (
        is_readable, builds, keeps_packages, keeps_password_out, waits_for_database, is_not_root,
        is_reachable, publishes_its_port, logs_requests, stops, keeps_data,
    ),
)  # fmt: skip
