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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import requests
from docker.errors import APIError

from helpers import process
from helpers.build.run import build_image
from helpers.compose.adapt import adapt_project
from helpers.compose.containers import list_containers, list_volumes
from helpers.engine.engine import Engine
from helpers.engine.find import connect
from helpers.errors import BuildFailed, CourseError, Mistake
from helpers.exercises.checks import CheckFunction, HandsOn
from helpers.exercises.compose_policy import check_model
from helpers.exercises.container import Container
from helpers.exercises.frame import Task
from helpers.exercises.lazy import lazy
from helpers.exercises.sandbox import APPS, copy_folder
from helpers.experiments.layers.measure import inspect_layers
from helpers.process import wait_until

Progress = Callable[[str], None] | None

WEB, DB = "web", "db"
GO = "/tmp/course-go"  # the database starts when its container has this file
WAIT_SECONDS = 3  # for a web container that Compose starts right after the database
START_SECONDS = 60
STOP_SECONDS = 5
COMMAND_SECONDS = 180
ASK_SECONDS = 0.5  # between two questions that start a program in a container


class CapstoneCheck(NamedTuple):
    """One check: its name, whether it passed (None: not tried), what was seen, and a hint."""

    name: str
    passed: bool | None
    seen: str
    hint: str


class Fault(str):
    """What a check returns if it saw something that should not be so."""


@dataclass
class Trial:
    """A copy of the project under another name, and what is known about it so far."""

    engine: Engine
    name: str
    folder: Path
    config: dict[str, Any]
    images: list[str] = field(default_factory=list)
    volumes: set[str] = field(default_factory=set)

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
            raise CourseError(f"the service {service} has no container")
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
            raise CourseError("no program in the web container listens on a port")
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
            raise CourseError(f"the database did not answer within {START_SECONDS} s")
        return answer[0]

    def note_volumes(self) -> None:
        """Remember the volumes of the database's container: `down` keeps anonymous ones."""
        self.volumes |= list_volumes(list_containers(self.engine, self.name, DB))


def check_capstone(
    folder: str | Path = ".", on_progress: Progress = None, engine: Engine | None = None
) -> list[CapstoneCheck]:
    """Build and start a copy of the project in `folder`; return what each check saw.

    Raises CourseError if the folder has no project that Compose can read, or the engine fails.

    Example:
        check_capstone("scratch/capstone")
    """
    engine = engine or connect()
    results: list[CapstoneCheck] = []
    with copy_project(Path(folder), engine) as trial:
        for name, check, hint in CHECKS:
            if on_progress:
                on_progress(name)
            try:
                seen = check(trial)
            except (CourseError, APIError) as error:
                seen = error.message if isinstance(error, CourseError) else str(error)
                results.append(CapstoneCheck(name, None, f"not tried: {seen}", ""))
                continue
            is_fault = isinstance(seen, Fault)
            results.append(CapstoneCheck(name, not is_fault, str(seen), hint if is_fault else ""))
    return results


@contextmanager
def copy_project(folder: Path, engine: Engine) -> Iterator[Trial]:
    """Yield a trial of a copy of the project, and remove everything that it created.

    The copy has its own name, and free ports of 127.0.0.1.
    """
    if not folder.is_dir():
        raise CourseError(f"There is no folder {folder}.", 'Open it with open_app("capstone").')
    with tempfile.TemporaryDirectory(prefix="course-capstone-") as temporary:
        copy = copy_folder(folder, Path(temporary, "project"), "__pycache__", ".git")
        command = ("compose", "--project-directory", str(copy), "config", "--format", "json")
        completed = engine.run(*command)
        if completed.returncode:
            message = process.error_line(completed).replace(f"{copy}/", "")
            raise Mistake(
                "not-readable",
                f"Compose can't read the project: {message}",
                "Check it with: docker compose config",
            )
        config: dict[str, Any] = json.loads(completed.stdout)
        if not {WEB, DB} <= set(config["services"]) or "build" not in config["services"][WEB]:
            raise Mistake(
                "services-missing",
                "The project needs the services web, which is built, and db.",
                "Keep their names in compose.yaml.",
            )
        check_model(config, copy)
        name = f"course-capstone-{uuid.uuid4().hex[:8]}"
        trial = Trial(engine, name, copy, config)
        adapt(trial)
        try:
            yield trial
        finally:
            trial.note_volumes()
            with suppress(CourseError):
                trial.compose("down", "--volumes", "--timeout", "1")
            for volume in trial.volumes:
                engine.run("volume", "rm", "--force", volume)
            if trial.images:
                engine.run("image", "rm", "--force", *trial.images)


def adapt(trial: Trial) -> None:
    """Label all objects, use free local ports and the stand-ins, and delay the database."""
    config = trial.config
    config.pop("name", None)
    for service in config["services"].values():
        service.pop("container_name", None)
        for port in service.get("ports", []):
            port.update(host_ip="127.0.0.1", published="0")
    for kind in ("networks", "volumes"):
        for settings in config.get(kind, {}).values():
            if settings and not settings.get("external"):
                settings.pop("name", None)  # Compose derives it from the project's
    adapt_project(config, trial.engine)
    start = f"until [ -e {GO} ]; do sleep 0.2; done; exec docker-entrypoint.sh postgres"
    config["services"][DB].update(entrypoint=["sh", "-c", start], command=None)


# -- the checks, in the order in which they run


def build(trial: Trial) -> str:
    """Build the image twice, the second time after a change of app.py."""
    settings = trial.config["services"][WEB].pop("build")
    context = Path(settings.get("context", trial.folder))
    tag = f"{trial.name}:1"
    dockerfile = context / settings.get("dockerfile", "Dockerfile")
    try:
        build_image(context, tag=tag, dockerfile=dockerfile, engine=trial.engine)
    except BuildFailed as failure:
        return Fault(str(failure).splitlines()[0])
    trial.images.append(tag)
    trial.config["services"][WEB]["image"] = tag
    return "built"


def rebuild(trial: Trial) -> str:
    """Change app.py, build again, and look which steps run again."""
    need_image(trial)
    app = trial.folder / "app.py"
    app.write_text(f"{app.read_text(encoding='utf-8')}\n# {trial.name}\n", encoding="utf-8")
    tag = f"{trial.name}:2"
    report = build_image(trial.folder, tag=tag, engine=trial.engine)
    trial.images.append(tag)
    again = [
        step
        for step in report.steps
        if not step.cached and re.search(r"\binstall\b", step.instruction)
    ]
    if again:
        return Fault(f"after a change of app.py, this step ran again: {again[0].instruction[:60]}")
    return "after a change of app.py, the packages came from the cache"


def find_password(trial: Trial) -> str:
    """Look for an .env file in the layers."""
    need_image(trial)
    image = trial.config["services"][WEB]["image"]
    paths = [
        change.path
        for layer in inspect_layers(image, trial.engine).layers
        for change in layer.files
        if change.path.rpartition("/")[2] == ".env"
    ]
    if paths:
        return Fault(f"a layer of the image has the file {paths[0]}")
    return "no layer has an .env file"


def start(trial: Trial) -> str:
    """Start the project with a slow database, and look whether web runs afterwards."""
    need_image(trial)
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
    if is_serving(trial):
        return "web runs when the database is ready"
    if is_early and trial.status(WEB) == "exited":
        trial.engine.run("start", trial.container(WEB).id)
        wait_until(lambda: is_serving(trial), 20, ASK_SECONDS)
        return Fault("the web container started before the database was ready, and ended")
    trial.listening()
    request_from_inside(trial, "/")
    raise CourseError("the web container did not answer in time")


def find_user(trial: Trial) -> str:
    """Ask for the user of the app's processes."""
    need_image(trial)
    image = trial.config["services"][WEB]["image"]
    options = [f"--user={user}"] if (user := trial.config["services"][WEB].get("user")) else []
    command = ("run", "--rm", "--network=none", "--entrypoint=id", *options, image, "-u")
    user_id = trial.engine.run(*command).stdout.strip()
    if user_id == "0":
        return Fault("the app's processes run as root")
    return f"the app's processes run as user {user_id}"


def find_address(trial: Trial) -> str:
    """Look at which addresses the app listens on."""
    for port, only_loopback in trial.listening().items():
        if only_loopback:
            return Fault(f"in its container, the app listens on 127.0.0.1:{port}")
    return "the app listens on all addresses of its container"


def find_port(trial: Trial) -> str:
    """Compare the published ports with those that the app listens on."""
    listening = trial.listening()
    published = [port["target"] for port in trial.config["services"][WEB].get("ports", [])]
    if not set(published) & set(listening):
        return Fault(
            f"published: port {', '.join(map(str, published)) or 'none'} of the container; "
            f"the app listens on port {', '.join(map(str, listening))}"
        )
    port = next(iter(set(published) & set(listening)))
    if not listening[port]:
        host_port = trial.container(WEB).host_port(port)
        try:
            status = requests.get(f"http://127.0.0.1:{host_port}/", timeout=5).status_code
        except requests.RequestException as error:
            return Fault(f"a request to the published port: {type(error).__name__}")
        if status != 200:
            return Fault(f"a request to the published port: status {status}")
    return f"port {port} is published, and the app listens on it"


def find_log(trial: Trial) -> str:
    """Send a request from inside, and look for it in `docker logs`."""
    token = uuid.uuid4().hex[:8]
    request_from_inside(trial, f"/?from={token}")

    web = trial.container(WEB).id

    def is_logged() -> bool:
        with suppress(APIError):  # logging is off
            return token.encode() in trial.engine.client.api.logs(web)
        return False

    if not wait_until(is_logged, 2):
        return Fault("docker logs doesn't show a request that the app answered")
    return "docker logs shows the requests"


def stop(trial: Trial) -> str:
    """Stop the web container, and look at its exit code."""
    trial.listening()
    web = trial.container(WEB)
    trial.engine.run("stop", f"--time={STOP_SECONDS}", web.id)
    code = web.inspect()["State"]["ExitCode"]
    if code == 137:
        return Fault(f"docker stop had to kill the web container after {STOP_SECONDS} s")
    return f"docker stop: exit code {code}"


def keep_data(trial: Trial) -> str:
    """Write into the database, remove the containers, start again, and read."""
    need_image(trial)
    trial.query("CREATE TABLE course_check AS SELECT 1")
    trial.note_volumes()
    trial.compose("down", "--timeout", "5")
    trial.compose("up", "--detach", "--no-build", "--no-deps", DB)
    if trial.query("SELECT count(*) FROM course_check") != "1":
        return Fault("after docker compose down and up, the database was empty")
    return "the data was there after docker compose down and up"


def explain_end(service: str, container: Container) -> CourseError:
    """Return that a service does not run, with the last error in its log."""
    log = container.log(40)
    errors = [line for line in log if re.match(r"[\w.]*(Error|Exception)\b", line)]
    last = (errors or log or ["nothing"])[-1]
    return CourseError(f"the service {service} doesn't run; its log says: {last}")


def need_image(trial: Trial) -> None:
    """Raise CourseError if the image could not be built."""
    if not trial.images:
        raise CourseError("the image can't be built")


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


CHECKS: Sequence[tuple[str, Callable[[Trial], str], str]] = (
    ("the image builds", build, "Read the build's message: it names the line."),
    (
        "an edit of app.py doesn't install the packages again",
        rebuild,
        "A step runs again if a file that a step above it copied has changed.",
    ),
    (
        "no layer has the password",
        find_password,
        "Which files does the build context have, and which of them does the app need?",
    ),
    ("web waits for a slow database", start, "“Started” and “ready” are two states of a service."),
    ("the app doesn't run as root", find_user, "Who runs the container's processes?"),
    (
        "the app can be reached from outside its container",
        find_address,
        "Each container has its own 127.0.0.1.",
    ),
    (
        "the published port is the app's",
        find_port,
        "A published port has two numbers. Which one belongs to the container?",
    ),
    ("docker logs shows requests", find_log, "Docker collects what process 1 prints."),
    ("the app stops by itself", stop, "Which program is process 1, and does it pass SIGTERM on?"),
    (
        "the data outlives the containers",
        keep_data,
        "Where does this database keep its files, and what is mounted exactly there?",
    ),
)


# -- the exercise: the same checks, as `grade` runs them


@dataclass
class Attempt:
    """A folder to be graded, and the trial of it once Compose has read it."""

    folder: Path
    engine: Engine
    stack: ExitStack

    @lazy
    def trial(self) -> Trial:
        """Return the trial. Raises Mistake if Compose can't read the project, or it is refused."""
        return self.stack.enter_context(copy_project(self.folder, self.engine))


@contextmanager
def begin(folder: str, engine: Engine, on_progress: Progress) -> Iterator[Attempt]:
    """Yield the attempt in a folder, and remove everything that it created."""
    if not Path(folder).is_dir():
        raise CourseError(f"There is no folder {folder}.", 'Open it with open_app("capstone").')
    with ExitStack() as stack:
        yield Attempt(Path(folder), engine, stack)


def read_project(attempt: Attempt) -> str:
    """Return that Compose can read the project. Raises Mistake if it can't."""
    return f"services: {', '.join(attempt.trial.config['services'])}"


def run_check(check: Callable[[Trial], str], hint: str, attempt: Attempt) -> str:
    """Return what a check saw. Raises Mistake with the hint if that is a fault."""
    try:
        seen = check(attempt.trial)
    except CourseError as error:
        if check is not start or not attempt.trial.images:
            raise
        # Nothing else says why a project does not start.
        raise Mistake("web-does-not-run", error.message, "Read: docker compose logs web") from None
    if isinstance(seen, Fault):
        raise Mistake(check.__name__.replace("_", "-"), seen, hint)
    return seen


TASK = Task(
    "08-capstone",
    "08",
    "Repair a project",
    "folder",
    "A guest book with a database has nine faults: in its Dockerfile, in compose.yaml and in "
    "app.py. Repair your copy of apps/capstone, which open_app makes in scratch/capstone.",
    str(APPS / "capstone"),
)
READS = CheckFunction("read_project", "Compose can read the project", "", read_project)
EXERCISE = HandsOn(
    TASK,
    begin,
    (
        READS,
        *(
            CheckFunction(check.__name__, name, READS.name, partial(run_check, check, hint))
            for name, check, hint in CHECKS
        ),
    ),
)
