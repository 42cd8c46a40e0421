"""Removing what the course made, and only that: objects that carry this checkout's label.

Uses the SDK. The build cache on a user's own engine cannot be labelled and is left to that
engine's own garbage collection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from helpers.engine.engine import Engine
from helpers.engine.owner import OWNER_LABEL, TOOLS, is_in_use_elsewhere, owner_id
from helpers.engine.standin import REAL, STANDIN

BUILT_IN_NETWORKS = ("bridge", "host", "none")


@dataclass(frozen=True)
class Cleaned:
    """How many objects were removed, and the bytes that images and volumes gave back.

    `kept` counts the course's objects that a container of somebody else still uses.
    """

    containers: int
    images: int
    volumes: int
    networks: int
    size_bytes: int
    kept: int = 0

    def text(self) -> str:
        """One line for a terminal."""
        counts = ", ".join(f"{getattr(self, name)} {name}"
                           for name in ("containers", "images", "volumes", "networks"))
        text = f"removed {counts}; {self.size_bytes / 1e6:.1f} MB freed"
        return text + (f"; {self.kept} left, in use by others' containers" if self.kept else "")


def clean(engine: Engine, *, also_unlabelled: bool = False, tools: bool = True,
          all_sessions: bool = True) -> Cleaned:
    """Remove the containers, networks, volumes and images of this checkout, in that order.

    Without `all_sessions`, what another running notebook of this checkout made stays. `tools`
    adds the images that are made once for all chapters, and on a user's own engine the stand-in
    base image (which has no owner: what is built on it would inherit that). `also_unlabelled`
    adds what carries no owner at all: on the private engine that was typed in a terminal.
    """
    client = engine.client
    before = _used_bytes(engine)

    def is_removed(labels: dict[str, str] | None) -> bool:
        labels = labels or {}
        if OWNER_LABEL not in labels:
            return also_unlabelled
        return is_ours(labels, all_sessions=all_sessions)

    removed = {"containers": 0, "networks": 0, "volumes": 0, "images": 0}
    kept = 0

    def remove(kind: str, action: Callable[[], object]) -> None:
        nonlocal kept
        if _removed(action):
            removed[kind] += 1
        else:
            kept += 1

    for container in client.containers.list(all=True, ignore_removed=True):
        if is_removed(container.labels):
            remove("containers", partial(container.remove, force=True, v=True))
    for network in client.networks.list():
        if network.name not in BUILT_IN_NETWORKS and is_removed(network.attrs.get("Labels")):
            remove("networks", network.remove)
    for volume in client.volumes.list():
        if is_removed(volume.attrs.get("Labels")):
            remove("volumes", partial(volume.remove, force=True))
    in_use = {container.attrs["ImageID"] for container in
              client.containers.list(all=True, sparse=True, ignore_removed=True)}
    for image in client.images.list():
        if not is_removed(image.labels) or {REAL, STANDIN} & set(image.tags):
            continue
        if is_tool(image.tags) and not tools:
            continue
        if image.id in in_use:
            kept += 1
        else:      # by its id: a tag may meanwhile be another checkout's
            remove("images", partial(client.images.remove, image.id, force=True))
    if tools and engine.kind == "own" and client.images.list(STANDIN):
        remove("images", partial(client.images.remove, STANDIN))
    return Cleaned(**removed, size_bytes=max(0, before - _used_bytes(engine)), kept=kept)


def is_ours(labels: dict[str, str] | None, *, all_sessions: bool) -> bool:
    """Return whether an object is this checkout's and, without `all_sessions`, not in use by
    another of its running notebooks."""
    labels = labels or {}
    return labels.get(OWNER_LABEL) == owner_id() and (
        all_sessions or not is_in_use_elsewhere(labels))


def _removed(action: Callable[[], object]) -> bool:
    """Remove an object; return whether it is gone. One that another container uses stays."""
    from docker.errors import APIError

    try:
        action()
    except APIError as error:
        if error.status_code == 404:
            return True
        # 409 is "in use"; of a network with a container in it the engine says 403.
        if error.status_code not in (403, 409):
            raise
        return False
    return True


def count_ours(engine: Engine) -> int:
    """Return how many objects of this notebook, or of notebooks that have ended, are left."""
    only = {"label": f"{OWNER_LABEL}={owner_id()}"}
    client = engine.client
    labels = [image.labels for image in client.images.list(filters=only) if not is_tool(image.tags)]
    labels += [container.labels for container in client.containers.list(
        all=True, filters=only, ignore_removed=True)]
    labels += [volume.attrs.get("Labels") for volume in client.volumes.list(filters=only)]
    labels += [network.attrs.get("Labels") for network in client.networks.list(filters=only)]
    return sum(is_ours(each, all_sessions=False) for each in labels)


def is_tool(tags: list[str]) -> bool:
    """Whether an image is one of the course's tools, by its names."""
    return any(tag.startswith(TOOLS) for tag in tags)


def _used_bytes(engine: Engine) -> int:
    used = engine.client.df()
    return (used.get("LayersSize") or 0) + sum(
        (volume.get("UsageData") or {}).get("Size", 0) for volume in used.get("Volumes") or [])
