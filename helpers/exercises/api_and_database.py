"""Chapter 07: a Compose file for an API and its database."""

from __future__ import annotations

import json
import random
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from helpers.engine.engine import Engine
from helpers.errors import CourseError, Mistake
from helpers.exercises.answering import read_json, stays_up
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
from helpers.exercises.project_events import HEALTHY, Events, record_events
from helpers.exercises.sandbox import Sandbox, open_sandbox
from helpers.process import wait_until

WEB, DB, PORT, DATA = "web", "db", 5000, "/var/lib/postgresql/data"
UNKNOWN_HOST = "unknown-host"
SLOW_SECONDS = 1.5  # how much later the database starts at first, as on a slow machine
PROBES = {"interval": "1s", "retries": 12}  # so that a check that never succeeds ends in time
TASK = Task(
    "07-api-and-database",
    "07",
    "An API and its database",
    "compose",
    "The folder has the app of apps/visits, its Dockerfile and its .env. Write the Compose file:\n"
    "- web is built from the folder and answers on port 5000,\n"
    "- db uses the image postgres:17,\n"
    "- web starts only after db is healthy,\n"
    "- the count of visits survives `docker compose down` and `up`, but not "
    "`docker compose down -v`.\n"
    "The app reads the address of its database from DATABASE_URL "
    "(postgresql://USER:PASSWORD@HOST/DATABASE). If the database does not answer, the app ends "
    "with an error.",
    'services:\n  web:\n    build: .\n    ports:\n      - "5000:5000"\n',
)


@dataclass
class Trial:
    """One Compose file, the project that has been started from it, and its events."""

    text: str
    sandbox: Sandbox
    token: str
    visits: int = 0

    @lazy
    def project(self) -> Project:
        """Return the project, not started."""
        return open_project(self.text, self.sandbox, "visits")

    @lazy
    def events(self) -> Events:
        """Return the events of the first start, with a slow database."""
        services = self.project.adapted["services"]
        for settings in services.values():
            if health := settings.get("healthcheck"):
                for key in ("start_period", "start_interval"):
                    health.pop(key, None)
                health.update(PROBES)
        db = dict(services[DB])
        if not db.get("entrypoint"):
            wait = f'sleep {SLOW_SECONDS}; exec docker-entrypoint.sh "$$@"'
            slow = {"entrypoint": ["sh", "-c", wait, "--"], "command": db.get("command")}
            services[DB].update(slow, command=slow["command"] or ["postgres"])
        with record_events(self.sandbox.engine, self.project.name) as events:
            try:
                self.up()
            except Mistake as mistake:
                raise explain_failed_start(self.project, mistake) from None
            finally:
                services[DB] = db
            wait_until(lambda: events.first(WEB, "start"), 2)
        return events

    def up(self) -> None:
        """Create and start all services."""
        self.project.compose("up", "--detach", "--no-build")

    def visit(self, *, again: bool = False) -> int:
        """Visit the page and return the count. Raises Mistake if it can't be visited."""
        container = self.project.container(WEB)
        try:
            body = read_json(container)
        except Mistake as mistake:
            explained = explain_no_database(container, mistake)
            if explained.name != UNKNOWN_HOST or not shares_network(container, explained.seen):
                raise explained from None
            if again:
                raise CourseError(
                    "The engine's name server did not know a container that is on web's network.",
                    "Check your answer again.",
                ) from None
            self.up()  # seen once on a busy machine: what the log says is not so
            return self.visit(again=True)
        if body.get("try") != self.token or not isinstance(body.get("visits"), int):
            raise Mistake(
                "another-program",
                f"Something answers, but not the app.py of this folder: {json.dumps(body)[:80]}",
                "The container must start the app.py of the folder.",
            )
        return int(body["visits"])


@contextmanager
def begin(text: str, engine: Engine, on_progress: Progress) -> Iterator[Trial]:
    """Yield the trial of a Compose file; the app's answers have a word that is new in each try."""
    with open_sandbox(engine, "visits", on_progress) as sandbox:
        trial = Trial(text, sandbox, uuid.uuid4().hex)
        app = sandbox.folder / "app.py"
        code = app.read_text(encoding="utf-8")
        app.write_text(code.replace('{"visits": n}', f'{{"visits": n, "try": "{trial.token}"}}'))
        yield trial


@check()
def is_valid(trial: Trial) -> str:
    """Compose can read the file."""
    return f"services: {', '.join(trial.project.services)}"


@check(needs="is_valid")
def has_services(trial: Trial) -> str:
    """There are the services web, built from the folder, and db."""
    services = trial.project.services
    for name, what in ((WEB, "the app"), (DB, "the database")):
        if name not in services:
            raise Mistake(
                f"no-{name}",
                f"The services are: {', '.join(services)}.",
                f"One is missing: {name}, {what}. The name of a service is the key directly below "
                "services:.",
            )
        need_start(name, services[name])
    need_build(WEB, services[WEB])
    image = str(services[DB].get("image", "")).removeprefix("docker.io/").removeprefix("library/")
    if re.fullmatch(r"postgres(:.*)?", image) and not re.fullmatch(r"postgres:17\b.*", image):
        raise Mistake(
            "other-version",
            f"db uses {image}.",
            "The task names the image postgres:17. Another version may keep its files in another "
            "folder, and can't read those of this one. Without a tag, it is the newest.",
        )
    if services[DB].get("build") or "postgres" not in image:
        raise Mistake(
            "not-postgres",
            f"db uses {services[DB].get('image') or 'an image that is built here'}.",
            "The database is not built from the folder: it is an image that exists, postgres:17.",
        )
    return "web is built, db is a PostgreSQL image"


@check(needs="has_services")
def waits_for_database(trial: Trial) -> str:
    """The service web is started only after db is healthy."""
    events = trial.events
    trial.project.container(WEB)  # raises Mistake if there is none
    started, db_started = events.first(WEB, "start"), events.first(DB, "start")
    healthy = events.first(DB, HEALTHY)
    if started is None or db_started is None:
        raise Mistake(
            "not-started",
            f"The engine reported no start of the service {DB if started else WEB}.",
            "`docker compose up` must start both services. Which one does the file leave out?",
        )
    if healthy is None or started < healthy:
        raise explain_early_start(trial.project, started - db_started)
    return f"db was healthy {started - healthy:.1f} s before web was started"


@check(needs="waits_for_database")
def counts(trial: Trial) -> str:
    """The app answers on port 5000, and counts visits."""
    ports = trial.project.services[WEB].get("ports", [])
    shown = ", ".join(f"{each.get('published', 'any')}:{each['target']}" for each in ports)
    if PORT not in [each["target"] for each in ports]:
        raise not_published(shown)
    first = trial.visit()
    for _ in range(random.randint(2, 6)):
        trial.visits = trial.visit()
    if trial.visits <= first:
        raise Mistake(
            "does-not-count",
            f"The first visit was counted as {first}, and the last one as {trial.visits}.",
            "All visits must be counted in one database.",
        )
    stays_up(trial.project.container(WEB))
    return f"visits: {first} to {trial.visits}"


@check(needs="counts")
def survives_down(trial: Trial) -> str:
    """The count survives docker compose down and up."""
    mounts = trial.project.container(DB).mounts
    take_down(trial)
    trial.up()
    before, after = trial.visits, trial.visit()
    if after <= before:
        raise explain_loss(mounts, before, after, trial.sandbox)
    trial.visits = after
    return f"{before} visits before down, {after} after up"


@check(needs="survives_down")
def is_removed_with_volumes(trial: Trial) -> str:
    """The count does not survive docker compose down -v."""
    mounts = trial.project.container(DB).mounts
    take_down(trial, "--volumes")
    left = [mount for mount in mounts if is_left(mount, trial.sandbox.engine)]
    if not left:
        return f"the volume with {trial.visits} visits is gone"
    trial.up()
    after = trial.visit()
    if after <= trial.visits:
        return f"{trial.visits} visits before down -v, {after} after up"
    source = trial.sandbox.as_typed(left[0].get("Name") or left[0]["Source"])
    raise Mistake(
        "folder-not-volume",
        f"{trial.visits} visits before down -v, {after} after the next up. {source} is mounted at "
        f"{left[0]['Destination']}, and is still there.",
        "`down -v` removes the volumes of the project. A folder of the host is not a volume, so "
        "the data stays, even if you want to start afresh.",
        "Before the colon, a path is a folder of the host; a name is a volume, which must also be "
        "declared under the top-level volumes:.",
    )


# -- helpers ------------------------------------------------------------------------------


def take_down(trial: Trial, *options: str) -> None:
    """Remove the project's containers, and see that they are gone."""
    # flask has no handler for SIGTERM as process 1: don't wait for it. PostgreSQL stops at once.
    trial.sandbox.engine.run("kill", *trial.project.list_ids(WEB))
    trial.project.compose("down", "--timeout=3", *options)
    for service in (WEB, DB):
        if trial.project.list_ids(service):
            raise Mistake(
                "still-there",
                f"After docker compose down, there is still a container of {service}.",
                "`down` removes the containers of all services of the file.",
            )


def is_left(mount: dict[str, Any], engine: Engine) -> bool:
    """Return whether what was mounted is still there: a folder, or a volume that exists."""
    if mount["Type"] == "volume":
        return engine.run("volume", "inspect", mount["Name"]).returncode == 0
    return bool(mount["Type"] == "bind")


def explain_early_start(project: Project, seconds: float) -> Mistake:
    """Return why web was started before db was healthy, from what is known of db."""
    when = f"{abs(seconds):.1f} s {'after' if seconds >= 0 else 'before'} db"
    seen = f"The engine's events: web was started {when}, and db was not healthy then."
    if not project.container(DB).inspect()["State"].get("Health"):
        return Mistake(
            "no-healthcheck",
            f"{seen} db has no health check.",
            "A container's process exists long before the database in it answers. Only a health "
            "check can say when db is ready, and web must wait for that.",
            "healthcheck: of db has a test, a command that runs in its container. PostgreSQL has "
            "pg_isready for that.",
        )
    return Mistake(
        "not-waiting",
        f"{seen} db has a health check.",
        "Nothing makes web wait for the result of db's health check: started doesn't mean healthy.",
        "depends_on has a long form, in which each service has a condition.",
    )


def explain_failed_start(project: Project, mistake: Mistake) -> Mistake:
    """Return why `up` failed, from the log of the database if that has ended."""
    if ids := project.list_ids(DB):
        container = Container(project.sandbox.engine, ids[0])
        log = container.log(12)
        for text, name, *hints in DB_LOG:
            if not container.is_running and any(text in line for line in log):
                line = next(line for line in log if text in line)
                return Mistake(name, f"db has ended. Its log says: {line}", *hints)
        if mistake.name == "never-healthy":
            probes = (container.inspect()["State"].get("Health") or {}).get("Log") or [{}]
            output = " ".join(str(probes[-1].get("Output", "")).split())[-160:]
            return Mistake(
                mistake.name,
                f"{mistake.seen} The health check's last output: {output or 'nothing'}",
                *mistake.hints,
            )
    return mistake


DB_LOG = (
    (
        "superuser password is not specified",
        "no-password",
        "The image's first start needs a password for the database's user. It reads it from an "
        "environment variable, which its message names.",
    ),
    (
        "initdb: error: directory",
        "data-not-empty",
        "PostgreSQL creates its files in an empty folder only. What is mounted there?",
    ),
)


def explain_no_database(container: Container, mistake: Mistake) -> Mistake:
    """Return why the app has no database, from its log."""
    log = container.log(12)
    line = next((each for each in reversed(log) if "No database:" in each), "")
    text = " ".join(log[log.index(line) :]) if line else ""
    for pattern, name, *hints in NO_DATABASE:
        if pattern in text:
            return Mistake(name, f"web has ended. Its log says: {text[:240]}", *hints)
    return mistake


NO_DATABASE = (
    (
        "No database: 'DATABASE_URL'",
        "no-database-url",
        "The app reads the environment variable DATABASE_URL, and the container has none. A "
        "variable in .env fills in the Compose file; the container gets what is listed under "
        "environment:.",
    ),
    (
        'missing "="',
        "not-a-url",
        "The value of DATABASE_URL does not begin with postgresql://. In a list, quotes after the = "
        "belong to the value: leave them out, or put them around the whole entry.",
    ),
    (
        "password authentication failed",
        "other-password",
        "The database knows another user or password than the ones in DATABASE_URL. The image sets "
        "them from its own variables, at its first start.",
        "Compare both parts of the URL with the variables of db: the user with POSTGRES_USER (postgres "
        "if that is not set), and the password with POSTGRES_PASSWORD.",
    ),
    (
        "no password supplied",
        "no-password-in-url",
        "DATABASE_URL has no password, and the database asks for one: "
        "postgresql://USER:PASSWORD@HOST/DATABASE.",
    ),
    (
        'database "',
        "other-database",
        "There is no such database. The image creates one, at its first start: POSTGRES_DB, or "
        "one named like its user.",
    ),
    (
        "failed to resolve host",
        UNKNOWN_HOST,
        "No container has this name on the network of web. Each service is found by its name, on "
        "the networks that both are on.",
        "What is the host in DATABASE_URL? It is the part after the @.",
    ),
    (
        "127.0.0.1",
        "localhost",
        "In a container, localhost is that container itself. The database is in another one, which "
        "is found by the name of its service.",
    ),
    (
        "onnection refused",
        "healthy-too-early",
        "Nothing answered at this address and port. If they are right, db was called healthy "
        "before PostgreSQL accepted connections over the network.",
        "While the image prepares its database, PostgreSQL listens on a Unix socket only, and "
        "pg_isready asks there. With -h localhost it asks over the network.",
    ),
)


def shares_network(container: Container, log: str) -> bool:
    """Return whether a running container on a network of this one has the name in the log."""
    host = re.search(r"failed to resolve host '([^']*)'", log)
    own = container.inspect()["NetworkSettings"]["Networks"]
    others = container.engine.client.containers.list(
        filters={"network": list(own)}, ignore_removed=True
    )
    networks = [each.attrs["NetworkSettings"]["Networks"] for each in others]
    names = {
        n for each in networks for key in own.keys() & each for n in each[key]["Aliases"] or ()
    }
    return host is not None and host[1] in names


def explain_loss(
    mounts: list[dict[str, Any]], before: int, after: int, sandbox: Sandbox
) -> Mistake:
    """Return why the count was lost, from what was mounted in the database's container."""
    lost = f"{before} visits before down, {after} after the next up: the count was lost."
    named = [m for m in mounts if m["Type"] != "volume" or len(m["Name"]) != 64]
    at_data = [m for m in named if m["Destination"].rstrip("/") == DATA]
    if not named:
        return Mistake(
            "no-volume",
            f"{lost} No named volume is mounted in db.",
            "The image declares an anonymous volume for its data. Each new container gets a new, "
            "empty one, and the old one is not used again.",
            "Mount a named volume: list it under volumes: of db, and declare it under the top-level "
            "volumes:.",
        )
    if not at_data:
        name = sandbox.as_typed(named[0].get("Name") or named[0].get("Source") or named[0]["Type"])
        return Mistake(
            "wrong-path",
            f"{lost} {name.removeprefix('project_')} is mounted in db at {named[0]['Destination']}.",
            f"PostgreSQL 17 keeps its files in {DATA}. The image declares a volume for exactly that "
            "path: if you mount nothing there, each new container gets a new anonymous volume.",
        )
    if at_data[0]["Type"] == "tmpfs":
        return Mistake(
            "tmpfs",
            f"{lost} A tmpfs is mounted at {DATA}.",
            "A tmpfs is in memory: it is gone when the container stops.",
        )
    return Mistake("count-lost", lost, "The second db did not find the data of the first one.")


EXERCISE = HandsOn(
    TASK,
    begin,
    (is_valid, has_services, waits_for_database, counts, survives_down, is_removed_with_volumes),
)
