"""What an engine has, and a set of one object of each kind."""

from __future__ import annotations

from helpers.engine.engine import Engine
from helpers.engine.labels import SESSION_LABEL, labels


def session() -> str:
    """Return the value of the session label of what this process makes."""
    return labels()[SESSION_LABEL]


def inventory(engine: Engine) -> dict[str, set[str]]:
    """Return the names of everything on an engine, by kind."""
    client = engine.client
    return {
        "containers": {c.name for c in client.containers.list(all=True)},
        "images": {t for i in client.api.images() for t in (*(i["RepoTags"] or []), i["Id"])},
        "volumes": {v.name for v in client.volumes.list()},
        "networks": {n.name for n in client.networks.list()},
    }


def list_own(engine: Engine) -> set[str]:
    """Return the ids of what this process has made on an engine that others use too."""
    api, mine = engine.client.api, {"label": f"{SESSION_LABEL}={session()}"}
    return {
        *(each["Id"] for each in api.containers(all=True, filters=mine)),
        *(each["Id"] for each in api.networks(filters=mine)),
        *(each["Id"] for each in api.images(all=True, filters=mine)),
        *(each["Name"] for each in api.volumes(filters=mine)["Volumes"] or ()),
    }


def make_set(engine: Engine, prefix: str, labels: dict[str, str]) -> None:
    """Create a volume, a network, a container and an image with these labels, from `foreign:1`."""
    flags = [part for k, v in labels.items() for part in ("--label", f"{k}={v}")]
    changes = [part for k, v in labels.items() for part in ("--change", f"LABEL {k}={v}")]
    for args in (
        ["volume", "create", *flags, f"{prefix}-volume"],
        ["network", "create", *flags, f"{prefix}-network"],
        ["create", "--name", f"{prefix}-container", *flags, "foreign:1", "true"],
        ["commit", *changes, f"{prefix}-container", f"{prefix}-image:1"],
    ):
        completed = engine.run(*args)
        assert completed.returncode == 0, completed.stderr
