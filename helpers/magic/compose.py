"""Compose commands of `%docker`: label the project, and leave other people's projects alone.

Compose reads the project, with all files and variables resolved, from its standard input.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from docker.errors import DockerException

from helpers import process
from helpers.engine import base_image
from helpers.engine.engine import Engine
from helpers.engine.labels import OWNER_LABEL, labels
from helpers.errors import CourseError
from helpers.magic.child import Command
from helpers.magic.parse import Plan

CREATING = frozenset(
    f"compose {verb}" for verb in ("up", "run", "create", "build", "scale", "watch")
)
GUARDED = CREATING | {f"compose {verb}" for verb in ("down", "rm", "stop", "restart", "kill")}
PROJECT_LABEL = "com.docker.compose.project"
START_SECONDS = 2.0  # within which Compose starts a container that it has created


def prepare(plan: Plan, engine: Engine, env: Mapping[str, str], folder: Path) -> Command:
    """Return the command of a plan; the folder is for the file that it reads.

    Raises CourseError if the project on the engine is not the course's.
    """
    as_typed = Command((engine.docker, *plan.args))
    if {"-h", "--help"} & set(plan.args):
        return as_typed
    before, rest = plan.args[: plan.at - plan.project.first], plan.args[plan.at :]
    config = (engine.docker, *plan.args[: plan.at], "--profile", "*", "config")
    completed = process.run([*config, "--format", "json"], env=env, timeout=60)
    if plan.command in CREATING and completed.returncode:
        return Command((*config, "--quiet"))  # it prints what is wrong
    project = json.loads(completed.stdout) if completed.returncode == 0 else {}
    typed_name = plan.project.last("--project-name") or env.get("COMPOSE_PROJECT_NAME", "")
    name = project.get("name", typed_name)
    if name and _is_foreign(name, engine):
        raise CourseError(
            f"The engine has a Compose project {name!r} that is not the course's: {plan.typed}",
            "Give this one another name: docker compose -p another-name …, or name: in its file.",
        )
    if plan.command not in CREATING:
        return as_typed
    print(completed.stderr, end="", flush=True)  # warnings
    _adapt_project(project, engine)
    file = folder / "project.json"
    file.write_text(json.dumps(project), encoding="utf-8")
    kept = [
        f"{option.name}={option.value}"
        for option in plan.project.options
        if option.name not in ("--file", "--project-name")
    ]
    argv = (engine.docker, *before, *kept, "-p", name, "-f", "-", *rest)
    running = _containers(name, engine, "running")

    def stop_new_containers() -> None:
        # Compose leaves them running if Ctrl-C came before it listened for one. The engine may
        # still be starting those that it has created.
        process.wait_until(lambda: not _containers(name, engine, "created"), START_SECONDS)
        if new := _containers(name, engine, "running") - running:
            engine.run("stop", *new)

    # Compose gives each container ten seconds to stop.
    return Command(argv, stdin=file, grace_seconds=14, stop_rest=stop_new_containers)


def _is_foreign(project: str, engine: Engine) -> bool:
    """Return whether the engine has anything of a project that the course didn't create."""
    filters = {"label": f"{PROJECT_LABEL}={project}"}
    objects: list[dict[str, Any]] = []
    with suppress(DockerException, OSError):  # docker itself reports that no engine answers
        api = engine.client.api
        objects += api.containers(all=True, filters=filters) + api.networks(filters=filters)
        objects += api.images(filters=filters) + (api.volumes(filters=filters)["Volumes"] or [])
    return any(OWNER_LABEL not in (each["Labels"] or {}) for each in objects)


def _adapt_project(project: dict[str, Any], engine: Engine) -> None:
    """Label what the project creates; use stand-ins and, on the user's engine, local ports."""
    for service in project.get("services", {}).values():
        _add_labels(service)
        if build := service.get("build"):
            _add_labels(build)
            _add_contexts(build, engine)
        elif image := service.get("image"):
            service["image"] = base_image.image_for(engine, image)
        for port in service.get("ports", []) if engine.kind == "user" else []:
            port.setdefault("host_ip", "127.0.0.1")
            port.setdefault("published", "0")  # any; without it Compose ignores the address
    for kind in ("networks", "volumes"):
        for name, settings in project.get(kind, {}).items():
            if not (settings or {}).get("external"):
                project[kind][name] = _add_labels(settings or {})


def _add_contexts(build: dict[str, Any], engine: Engine) -> None:
    dockerfile = Path(build.get("context", "."), build.get("dockerfile", "Dockerfile"))
    for argument in context_args(dockerfile, engine):
        name, equals, value = argument.partition("=")
        if equals:
            build.setdefault("additional_contexts", {}).setdefault(name, value)


def _add_labels(settings: dict[str, Any]) -> dict[str, Any]:
    settings["labels"] = {**settings.get("labels", {}), **labels()}
    return settings


def _containers(project: str, engine: Engine, state: str) -> set[str]:
    """Return the ids of the project's containers in a state, such as "running"."""
    filters = (f"--filter=label={PROJECT_LABEL}={project}", f"--filter=status={state}")
    return set(engine.run("ps", "-aq", "--no-trunc", *filters).stdout.split())


def context_args(dockerfile: Path, engine: Engine) -> list[str]:
    """Return `--build-context` arguments for base images that only a stand-in provides."""
    if not dockerfile.is_file():
        return []
    from helpers.build.run import check_stages

    text = dockerfile.read_text(encoding="utf-8-sig", errors="replace")
    check_stages(engine, text)
    return base_image.named_contexts(engine, text)
