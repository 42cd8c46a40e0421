"""Read a Compose project: what its file says, and what the engine runs of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import process
from helpers.engine.engine import Engine
from helpers.errors import CourseError

CONFIG_SECONDS = 60


@dataclass(frozen=True)
class Container:
    """A service's container; `health` is "" if it has no health check."""

    id: str
    state: str
    health: str
    exit_code: int

    @property
    def status(self) -> str:
        """The state in words, such as "running, healthy" or "exited (1)"."""
        if self.state == "exited":
            return f"exited ({self.exit_code})"
        return f"{self.state}, {self.health}" if self.health else self.state


@dataclass(frozen=True)
class Service:
    """One service: `ports` are "5000:5000", `volumes` "data:/path", `networks` their names.

    A folder is relative to the project's. `depends_on` has the condition for each service that this one waits for.
    """

    name: str
    image: str
    ports: tuple[str, ...]
    volumes: tuple[str, ...]
    networks: tuple[str, ...]
    depends_on: tuple[tuple[str, str], ...]
    containers: tuple[Container, ...]

    @property
    def status(self) -> str:
        """The states of its containers, or "not created"."""
        return "; ".join(each.status for each in self.containers) or "not created"


@dataclass(frozen=True)
class Project:
    """A project with its services in alphabetical order."""

    name: str
    services: tuple[Service, ...]

    def service(self, name: str) -> Service:
        """Return the service with this name."""
        return next(service for service in self.services if service.name == name)


def read_config(engine: Engine, *options: str) -> dict[str, Any]:
    """Return the project of the current folder, with all files merged and variables resolved.

    `options` precede the subcommand, such as `--profile tools`. Raises CourseError with Compose's
    message if the file is wrong.
    """
    command = ("compose", *options, "config", "--format", "json")
    completed = engine.run(*command, timeout=CONFIG_SECONDS)
    if completed.returncode != 0:
        raise CourseError(
            f"Compose can't read the project: {process.error_line(completed)}",
            "Check it with: docker compose config",
        )
    return json.loads(completed.stdout)


def read_project(engine: Engine) -> Project:
    """Return the project of the current folder and its containers on the engine.

    Raises CourseError with Compose's message if the file is wrong.
    """
    config = read_config(engine)
    listed = engine.run("compose", "ps", "--all", "--no-trunc", "--format", "json").stdout
    running = [json.loads(line) for line in listed.splitlines()]
    services = tuple(
        _service(name, settings, config, [each for each in running if each["Service"] == name])
        for name, settings in sorted(config["services"].items())
    )
    return Project(config["name"], services)


def _service(
    name: str, settings: dict[str, Any], config: dict[str, Any], running: list[dict[str, Any]]
) -> Service:
    """Return a service from its settings and from what `docker compose ps` lists of it."""
    return Service(
        name=name,
        image=settings.get("image") or f"{config['name']}-{name}",
        ports=_running_ports(running)
        or tuple(
            f"{each.get('published', '')}:{each['target']}" for each in settings.get("ports", [])
        ),
        volumes=tuple(f"{_source(each)}:{each['target']}" for each in settings.get("volumes", [])),
        networks=tuple(sorted(settings.get("networks") or ())),
        depends_on=tuple(
            (other, how["condition"])
            for other, how in sorted(settings.get("depends_on", {}).items())
        ),
        containers=tuple(
            Container(each["ID"], each["State"], each["Health"], each["ExitCode"])
            for each in running
        ),
    )


def _source(volume: dict[str, Any]) -> str:
    """Return what is mounted: a volume's name, "anonymous", or a folder relative to this one."""
    source: str = volume.get("source", "anonymous")
    path = Path(source)
    if not path.is_absolute() or not path.is_relative_to(Path.cwd()):
        return source
    relative = path.relative_to(Path.cwd()).as_posix()
    return relative if relative == "." else f"./{relative}"


def _running_ports(running: list[dict[str, Any]]) -> tuple[str, ...]:
    published = {
        f"{port['PublishedPort']}:{port['TargetPort']}"
        for each in running
        for port in each["Publishers"] or ()
        if port["PublishedPort"]
    }
    return tuple(sorted(published))
