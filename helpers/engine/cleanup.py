"""Removing what the course made, and only that: objects that carry this checkout's label.

Uses the SDK. The build cache on a user's own engine cannot be labelled and is left to that
engine's own garbage collection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from helpers.engine.engine import Engine
from helpers.engine.owner import OWNER_LABEL, owner_id
from helpers.engine.standin import REAL, STANDIN

BUILT_IN_NETWORKS = ("bridge", "host", "none")
# Images under this name are the course's tools: made once, kept from chapter to chapter.
TOOLS = "dockercourse/"


@dataclass(frozen=True)
class Cleaned:
    """How many objects were removed, and the bytes that images and volumes gave back.

    `kept` counts those of ours that a container of somebody else still uses.
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
        told = f"removed {counts}; {self.size_bytes / 1e6:.1f} MB freed"
        return told + (f"; {self.kept} left, in use by others' containers" if self.kept else "")


def clean(engine: Engine, *, also_unlabelled: bool = False, tools: bool = True) -> Cleaned:
    """Remove the containers, networks, volumes and images with our label, in that order.

    `tools` adds the images that are made once for all chapters, and on a user's own engine the
    stand-in base image (which has no owner: what is built on it would inherit that). With
    `also_unlabelled` goes what carries no owner at all: on the private engine that was typed by
    hand in a terminal, and is the course's too. Other checkouts' objects stay.
    """
    client = engine.client
    before = _used_bytes(engine)

    def ours(labels: dict[str, str] | None) -> bool:
        owner = (labels or {}).get(OWNER_LABEL)
        return owner == owner_id() or (also_unlabelled and owner is None)

    removed = {"containers": 0, "networks": 0, "volumes": 0, "images": 0}
    kept = 0

    def remove(kind: str, how: Callable[[], object]) -> None:
        nonlocal kept
        if _removed(how):
            removed[kind] += 1
        else:
            kept += 1

    for container in client.containers.list(all=True, ignore_removed=True):
        if ours(container.labels):
            remove("containers", partial(container.remove, force=True, v=True))
    for network in client.networks.list():
        if network.name not in BUILT_IN_NETWORKS and ours(network.attrs.get("Labels")):
            remove("networks", network.remove)
    for volume in client.volumes.list():
        if ours(volume.attrs.get("Labels")):
            remove("volumes", partial(volume.remove, force=True))
    for image in client.images.list():
        if not ours(image.labels) or {REAL, STANDIN} & set(image.tags):
            continue
        if tools or not is_tool(image.tags):
            remove("images", partial(_remove_image, engine, image.tags or [image.id]))
    if tools and engine.kind == "own" and client.images.list(STANDIN):
        remove("images", partial(_remove_image, engine, [STANDIN]))
    return Cleaned(**removed, size_bytes=max(0, before - _used_bytes(engine)), kept=kept)


def _remove_image(engine: Engine, names: list[str]) -> None:
    for name in names:
        engine.client.images.remove(name)


def _removed(how: Callable[[], object]) -> bool:
    """Whether an object is gone; one that somebody else's container uses stays."""
    from docker.errors import APIError

    try:
        how()
    except APIError as error:
        if error.status_code == 404:
            return True
        # 409 is "in use"; of a network with a container in it the engine says 403.
        if error.status_code not in (403, 409):
            raise
        return False
    return True


def count_ours(engine: Engine) -> int:
    """How many containers, networks, volumes and images of chapters carry this checkout's label."""
    ours = {"label": f"{OWNER_LABEL}={owner_id()}"}
    client = engine.client
    images = [image for image in client.images.list(filters=ours) if not is_tool(image.tags)]
    return len(images) + sum(map(len, (
        client.containers.list(all=True, filters=ours),
        client.volumes.list(filters=ours), client.networks.list(filters=ours))))


def is_tool(tags: list[str]) -> bool:
    """Whether an image is one of the course's tools, by its names."""
    return any(tag.startswith(TOOLS) for tag in tags)


def _used_bytes(engine: Engine) -> int:
    used = engine.client.df()
    return (used.get("LayersSize") or 0) + sum(
        (volume.get("UsageData") or {}).get("Size", 0) for volume in used.get("Volumes") or [])
