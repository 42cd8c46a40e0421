"""The containers of a Compose project, by the labels that Compose gives them."""

from __future__ import annotations

from typing import Any

from helpers.engine.engine import Engine

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"


def list_containers(engine: Engine, project: str, service: str = "") -> list[dict[str, Any]]:
    """Return what the engine lists of a project's containers, running or not.

    `service` selects those of one service. One request to the engine, without starting a program as
    `docker ps` would: it is made again and again while something is waited for.
    """
    wanted = [f"{PROJECT_LABEL}={project}"]
    if service:
        wanted.append(f"{SERVICE_LABEL}={service}")
    return engine.client.api.containers(all=True, filters={"label": wanted})


def list_volumes(containers: list[dict[str, Any]]) -> set[str]:
    """Return the names of the volumes that are mounted in containers."""
    return {
        mount["Name"]
        for each in containers
        for mount in each["Mounts"]
        if mount["Type"] == "volume"
    }
