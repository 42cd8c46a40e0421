"""A submitted Compose file, run as a separate project and removed afterwards.

Compose gets the resolved model with names, labels, limits and ports of the exercise. Images are
built by the sandbox, because its builds have limits and those of Compose have none.
"""

from __future__ import annotations

import copy
import json
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docker.errors import APIError

from helpers import process
from helpers.compose.containers import list_containers, list_volumes
from helpers.engine import base_image
from helpers.engine.probe import inspect_image
from helpers.errors import CourseError, Mistake
from helpers.exercises.compose_policy import resolve
from helpers.exercises.container import MACHINE_TROUBLE, Container
from helpers.exercises.lazy import lazy
from helpers.exercises.sandbox import APPS, DOCTOR, PYTHON_TAGS, Sandbox

UP_SECONDS = 40
LIMITS = {"mem_limit": "512m", "memswap_limit": "512m", "pids_limit": 200, "cpus": 1}
LOGGING = {"driver": "json-file", "options": {"max-size": "2m", "max-file": "1"}}
# Replaced by the limits above, or of no use in an exercise.
DROPPED = (
    "container_name", "env_file", "logging", "pull_policy", "scale", "develop", "deploy", "profiles",
    "cpuset", "cpu_count", "cpu_percent", "cpu_shares", "mem_reservation", "mem_swappiness",
    "blkio_config", "ulimits", "shm_size", "platform", "attach", "mac_address",
)  # fmt: skip


@dataclass
class Project:
    """A Compose project of one try; `config` is as typed and resolved, with its warnings."""

    sandbox: Sandbox
    config: dict[str, Any]
    warnings: list[str]
    volumes: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """Return the project's name on the engine."""
        return self.sandbox.name("project")

    @property
    def services(self) -> dict[str, Any]:
        """Return the settings of all services, as typed and resolved."""
        return self.config["services"]

    def command(self, *args: str) -> list[str]:
        """Return the command line of a Compose command for this project."""
        file = self.sandbox.folder.parent / "project.json"
        file.write_text(json.dumps(self.adapted), encoding="utf-8")
        return self.sandbox.engine.command("compose", "-p", self.name, "-f", str(file), *args)

    def compose(self, *args: str, seconds: float = UP_SECONDS) -> None:
        """Run a Compose command. Raises Mistake with its message if it fails."""
        command = self.command("--progress=plain", *args)
        env = self.sandbox.engine.env
        try:
            completed = process.run(command, env=env, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Mistake(
                "up-without-end",
                f"docker compose {args[0]} did not end within {seconds:g} s.",
                "A service waits for another one that never becomes healthy, or never ends.",
            ) from None
        finally:
            self.note_volumes()
        if completed.returncode:
            raise self.explain(args[0], completed.stderr)

    def explain(self, verb: str, stderr: str) -> CourseError:
        """Return what a failed Compose command says, a Mistake unless the machine is the cause."""
        lines = [line.strip() for line in stderr.splitlines() if line.strip()]
        last = self.sandbox.as_typed(lines[-1] if lines else "nothing")[:300]
        last = last.replace("project-", "").replace("Error response from daemon: ", "")
        if MACHINE_TROUBLE.search(last):
            return CourseError(f"Docker says: {last}", DOCTOR)
        seen = f"docker compose {verb} says: {last}"
        for text, name, *hints in UP_MISTAKES:
            if text in last:
                return Mistake(name, seen, *hints)
        return Mistake("up-fails", seen, "The message names the service and what failed.")

    def container(self, service: str) -> Container:
        """Return the container of a service. Raises Mistake if it has none."""
        if ids := self.list_ids(service):
            return Container(self.sandbox.engine, ids[0])
        raise Mistake(
            "no-container",
            f"docker compose up has started no container of the service {service}.",
            "A service with a profile is not started by `docker compose up` alone.",
        )

    def list_ids(self, service: str) -> list[str]:
        """Return the ids of a service's containers, running or not."""
        containers = list_containers(self.sandbox.engine, self.name, service)
        return [each["Id"] for each in containers]

    def note_volumes(self) -> None:
        """Remember the volumes in use: `down` leaves the anonymous ones."""
        self.volumes |= list_volumes(list_containers(self.sandbox.engine, self.name))

    def close(self) -> None:
        """Remove the volumes that no container has any more; the sandbox removes the rest."""
        self.note_volumes()
        self.sandbox.kill_containers()
        self.sandbox.remove_containers()
        for volume in self.volumes:
            with suppress(APIError):
                self.sandbox.engine.client.api.remove_volume(volume, force=True)

    # -- the exercise's own names, labels, limits and ports ---------------------------------
    @lazy
    def adapted(self) -> dict[str, Any]:
        """Return the model as Compose gets it, its images built. Raises Mistake if one can't be."""
        config = copy.deepcopy(self.config)
        config.pop("name", None)
        labels = self.sandbox.labels
        for name, settings in list(config["services"].items()):
            if settings.get("profiles"):
                del config["services"][name]  # up alone does not start it
                continue
            if alias := settings.get("container_name"):  # others find the container by it, too
                for network, more in settings.get("networks", {}).items():
                    aliases = [*(more or {}).get("aliases", []), alias]
                    settings["networks"][network] = {**(more or {}), "aliases": aliases}
            for key in DROPPED:
                settings.pop(key, None)
            settings.update(
                LIMITS, logging=LOGGING, labels={**settings.get("labels", {}), **labels}
            )
            settings["image"] = self._image(name, settings)
            for port in settings.get("ports", []):
                port.update(host_ip="127.0.0.1", published="0")
        for kind in ("networks", "volumes"):
            for name, settings in (config.get(kind) or {}).items():
                kept = {
                    k: v for k, v in (settings or {}).items() if k not in ("name", "driver_opts")
                }
                if kind == "volumes" and settings and settings.get("driver_opts"):
                    kept["driver_opts"] = settings["driver_opts"]
                config[kind][name] = {**kept, "labels": labels}
        return config

    def _image(self, name: str, settings: dict[str, Any]) -> str:
        """Return the image to run for a service, building it if the file says so."""
        if build := settings.pop("build", None):
            return self._build(build)
        image = str(settings["image"]).removeprefix("docker.io/").removeprefix("library/")
        engine = self.sandbox.engine
        if image.partition(":")[0] == "postgres" and not inspect_image(engine.host, image):
            image = base_image.POSTGRES
        if image in PYTHON_TAGS and not inspect_image(engine.host, image):
            image = base_image.REAL
        if image in base_image.STAND_INS:
            base_image.ensure_base_image(engine, image)
            return base_image.image_for(engine, image)
        if not inspect_image(engine.host, image):
            raise Mistake(
                "other-image",
                f"The service {name} names the image {image!r}, which this exercise does not have.",
                "The exercise pulls no images: it has postgres:17, and the app's own image is built "
                "from its folder, which another key says.",
            )
        return image

    def _build(self, build: dict[str, Any]) -> str:
        """Build the image of a service and return its name."""
        context = Path(build.get("context") or self.sandbox.folder)
        text = build.get("dockerfile_inline")
        if text is None:
            file = Path(context, build.get("dockerfile") or "Dockerfile")
            if not file.is_file():
                shown = self.sandbox.as_typed(str(file))
                raise Mistake(
                    "no-dockerfile",
                    f"There is no file {shown}.",
                    "build: names the folder that has the Dockerfile; it is relative to the "
                    "Compose file's folder.",
                )
            text = file.read_text(encoding="utf-8")
        options = [f"--build-arg={key}={value}" for key, value in (build.get("args") or {}).items()]
        if target := build.get("target"):
            options.append(f"--target={target}")
        return self.sandbox.build(text, folder=context, options=options).tags[0]


UP_MISTAKES = (
    (
        "no such service",
        "no-such-service",
        "The file has no service of this name. Compose wants the key below services:, not the name "
        "of a container, an image or a file.",
    ),
    (
        "is unhealthy",
        "never-healthy",
        "The health check did not succeed, so what depends on it was not started. Does its "
        "command exist in that container, and does it succeed once the service is ready?",
    ),
    (
        "has no healthcheck",
        "no-healthcheck",
        "A service is “healthy” only if a health check says so, and this one has none.",
        "healthcheck: has a test, a command that runs inside the container of that service.",
    ),
    (
        "exited (",
        "dependency-ended",
        "A service that another one waits for has ended. To see why, start the file yourself and "
        "run `docker compose logs`.",
    ),
    (
        "not found",
        "no-such-program",
        "A container could not be started, because its program does not exist in the image.",
    ),
)


def open_project(text: str, sandbox: Sandbox, app: str) -> Project:
    """Return the project of a Compose file in the app's folder, with its Dockerfile. Starts nothing.

    It is removed with the sandbox. Raises Mistake if Compose can't read the file, or if it is refused.
    """
    dockerfile = (APPS / app / "Dockerfile").read_text(encoding="utf-8")
    (sandbox.folder / "Dockerfile").write_text(dockerfile, encoding="utf-8")
    project = Project(sandbox, *resolve(text, sandbox.folder, sandbox.engine))
    sandbox.on_close.append(project.close)
    return project


def need_build(service: str, settings: dict[str, Any]) -> None:
    """Raise Mistake if a service, whose settings these are, is not built."""
    if not settings.get("build"):
        raise Mistake(
            "not-built",
            f"{service} uses the image {settings.get('image')!r}, and builds none.",
            "The app's image is not in a registry: it is built from the folder that has its "
            "Dockerfile.",
        )


def need_start(service: str, settings: dict[str, Any]) -> None:
    """Raise Mistake if `docker compose up` alone starts no container of a service."""
    replicas = settings.get("scale", settings.get("deploy", {}).get("replicas"))
    if settings.get("profiles"):
        raise Mistake(
            "has-profile",
            f"{service} has profiles: {', '.join(settings['profiles'])}.",
            "A service with a profile is started only when its profile is asked for. "
            "`docker compose up` alone leaves it out.",
        )
    if replicas == 0:
        raise Mistake(
            "no-replica",
            f"The file asks for 0 containers of {service}.",
            "Without such a setting, Compose starts one.",
        )


def not_published(shown: str) -> Mistake:
    """Return the mistake that nothing leads to the app's port; `shown` has the published ones."""
    return Mistake(
        "not-published",
        f"Published ports of web (host:container): {shown or 'none'}.",
        "The app listens on container port 5000. Nothing on the host leads there.",
        'ports: has a list of "HOST:CONTAINER". expose: only documents a port.',
    )
