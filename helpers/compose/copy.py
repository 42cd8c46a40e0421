"""Copies of the current folder's project under other names, to try commands on."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from helpers import process
from helpers.compose.adapt import adapt_project, is_foreign
from helpers.compose.containers import PROJECT_LABEL, SERVICE_LABEL, list_containers, list_volumes
from helpers.compose.project import read_config
from helpers.engine.engine import Engine
from helpers.engine.probe import inspect_image
from helpers.errors import CourseError

Item = TypeVar("Item")
Result = TypeVar("Result")

COMMAND_SECONDS = 300
IGNORED = ("__pycache__", ".git", ".venv", ".ipynb_*")


@dataclass(frozen=True)
class Objects:
    """What the engine has of a project, by ids; `running` has the services that run."""

    containers: dict[str, str]  # by service
    running: frozenset[str]
    images: dict[str, str]  # of the services that are built, by service
    volumes: dict[str, str]  # names on the engine, by the names in the file
    networks: dict[str, str]


@dataclass
class ProjectCopy:
    """A project in a temporary folder, without published ports; change `config` to edit its file."""

    engine: Engine
    name: str
    folder: Path
    config: dict[str, Any]
    seen_volumes: set[str] = field(default_factory=set)
    last_volumes: set[str] = field(default_factory=set)  # of the containers seen last

    def command(self, *args: str) -> list[str]:
        """Return the command line of a Compose command on this project."""
        file = self.folder.parent / "project.json"  # outside of the build context
        file.write_text(json.dumps(self.config), encoding="utf-8")
        return self.engine.command("compose", "-p", self.name, "-f", str(file), *args)

    def run(self, *args: str) -> None:
        """Run a Compose command to its end. Raises CourseError with its message if it fails."""
        try:
            completed = process.run(
                self.command(*args), env=self.engine.env, timeout=COMMAND_SECONDS
            )
        except subprocess.TimeoutExpired:
            raise CourseError(
                f"docker compose {' '.join(args)} took more than {COMMAND_SECONDS} s.",
                "Try it in the project's folder.",
            ) from None
        if completed.returncode != 0:
            raise CourseError(
                f"docker compose {' '.join(args)} failed: {process.error_line(completed)}",
                "Repair the project: docker compose up -d --wait must succeed.",
            )

    def objects(self) -> Objects:
        """Return what the engine has of the project now."""
        api, filters = self.engine.client.api, {"label": f"{PROJECT_LABEL}={self.name}"}
        containers = list_containers(self.engine, self.name)
        services = {
            each["Labels"][SERVICE_LABEL]: each
            for each in containers
            if each["Labels"]["com.docker.compose.oneoff"] == "False"
        }
        mounted = list_volumes(containers)
        self.seen_volumes |= mounted
        self.last_volumes = mounted or self.last_volumes
        existing = {each["Name"]: each for each in api.volumes()["Volumes"] or []}
        named = {
            name: (each["Labels"] or {}).get("com.docker.compose.volume", "anonymous")
            for name, each in existing.items()
            if name in self.last_volumes  # an earlier container's anonymous volume may be left
        }
        return Objects(
            containers={name: each["Id"] for name, each in services.items()},
            running=frozenset(
                name for name, each in services.items() if each["State"] == "running"
            ),
            images={
                name: image["Id"]
                for name, settings in self.config["services"].items()
                if "build" in settings
                and (image := inspect_image(self.engine.host, f"{self.name}-{name}"))
            },
            volumes={label: name for name, label in named.items()},
            networks={
                each["Labels"]["com.docker.compose.network"]: each["Id"]
                for each in api.networks(filters=filters)
            },
        )


def try_on_copies(
    engine: Engine,
    items: Sequence[Item],
    try_items: Callable[[ProjectCopy, Sequence[Item]], list[Result]],
) -> list[Result]:
    """Deal the items to two copies of the project, try them side by side, and return the results.

    The results have the order of the items. Raises what `copy_project` and `try_items` raise.
    """

    def try_share(suffix: str, share: Sequence[Item]) -> list[Result]:
        with copy_project(engine, suffix) as copy:
            return try_items(copy, share)

    half = (len(items) + 1) // 2
    shares = [share for share in (items[:half], items[half:]) if share]
    with ThreadPoolExecutor() as pool:
        results = pool.map(try_share, ("copy1", "copy2"), shares)
        return [result for each in results for result in each]


@contextmanager
def copy_project(engine: Engine, suffix: str) -> Iterator[ProjectCopy]:
    """Yield a copy of the current folder's project, and remove all of it afterwards.

    It has its own name and no published ports, so that the project itself can keep running.
    Raises CourseError if the Compose file is wrong, or if the name is somebody else's.
    """
    with tempfile.TemporaryDirectory(
        prefix="course-compose-", ignore_cleanup_errors=True
    ) as temporary:
        folder = Path(temporary) / "project"
        read_config(engine)  # before anything is copied
        shutil.copytree(Path.cwd(), folder, ignore=shutil.ignore_patterns(*IGNORED))
        config = read_config(engine, "--project-directory", str(folder))
        name = f"{config.pop('name')}-{suffix}"
        if is_foreign(name, engine):
            raise CourseError(
                f"The engine already has a Compose project {name!r} that the course did not create.",
                "Change the top-level `name:` in the Compose file, then run the cell again.",
            )
        for kind in ("networks", "volumes"):
            for settings in config.get(kind, {}).values():
                if not settings.get("external"):
                    settings.pop("name", None)  # Compose derives it from the project's
        for settings in config["services"].values():
            for key in ("ports", "container_name", *(["image"] if "build" in settings else [])):
                settings.pop(key, None)
        adapt_project(config, engine)
        copy = ProjectCopy(engine, name, folder, config)
        try:
            yield copy
        finally:
            process.run(
                copy.command("down", "--volumes", "--rmi", "local", "--timeout", "2"),
                env=engine.env,
                timeout=COMMAND_SECONDS,
            )
            # `down` leaves the anonymous volumes of containers that are gone.
            for volume in copy.seen_volumes:
                engine.run("volume", "rm", "--force", volume)
