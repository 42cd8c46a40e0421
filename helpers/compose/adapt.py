"""Adapt a Compose project to the engine: labels, stand-in images, ports on 127.0.0.1.

A project here is what `docker compose config --format json` prints: all files merged, variables
and paths resolved. Compose reads the adapted project from its standard input.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from docker.errors import DockerException

from helpers.compose.containers import PROJECT_LABEL
from helpers.engine import base_image
from helpers.engine.engine import Engine
from helpers.engine.labels import OWNER_LABEL, labels


def is_foreign(project: str, engine: Engine) -> bool:
    """Return whether the engine has anything of a project that the course didn't create."""
    filters = {"label": f"{PROJECT_LABEL}={project}"}
    objects: list[dict[str, Any]] = []
    with suppress(DockerException, OSError):  # docker itself reports that no engine answers
        api = engine.client.api
        objects += api.containers(all=True, filters=filters) + api.networks(filters=filters)
        objects += api.images(filters=filters) + (api.volumes(filters=filters)["Volumes"] or [])
    return any(OWNER_LABEL not in (each["Labels"] or {}) for each in objects)


def adapt_project(project: dict[str, Any], engine: Engine) -> None:
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


def context_args(dockerfile: Path, engine: Engine) -> list[str]:
    """Return `--build-context` arguments for base images that only a stand-in provides."""
    if not dockerfile.is_file():
        return []
    from helpers.build.run import check_stages

    text = dockerfile.read_text(encoding="utf-8-sig", errors="replace")
    check_stages(engine, text)
    return base_image.named_contexts(engine, text)


def _add_contexts(build: dict[str, Any], engine: Engine) -> None:
    dockerfile = Path(build.get("context", "."), build.get("dockerfile", "Dockerfile"))
    for argument in context_args(dockerfile, engine):
        name, equals, value = argument.partition("=")
        if equals:
            build.setdefault("additional_contexts", {}).setdefault(name, value)


def _add_labels(settings: dict[str, Any]) -> dict[str, Any]:
    settings["labels"] = {**settings.get("labels", {}), **labels()}
    return settings
