"""Removing what the course made, and only that: objects that carry this checkout's label.

Uses the SDK. The build cache on a user's own engine cannot be labelled and is left to that
engine's own garbage collection.
"""

from __future__ import annotations

from dataclasses import dataclass

from helpers.engine.engine import Engine
from helpers.engine.owner import OWNER_LABEL, owner_id
from helpers.engine.standin import REAL, STANDIN

BUILT_IN_NETWORKS = ("bridge", "host", "none")
# Images under this name are the course's tools: made once, kept from chapter to chapter.
TOOLS = "dockercourse/"


@dataclass(frozen=True)
class Cleaned:
    """How many objects were removed, and the bytes that images and volumes gave back."""

    containers: int
    images: int
    volumes: int
    networks: int
    size_bytes: int

    def text(self) -> str:
        """One line for a terminal."""
        counts = ", ".join(f"{getattr(self, name)} {name}"
                           for name in ("containers", "images", "volumes", "networks"))
        return f"removed {counts}; {self.size_bytes / 1e6:.1f} MB freed"


def clean(engine: Engine, *, also_unlabelled: bool = False, tools: bool = True) -> Cleaned:
    """Remove the containers, networks, volumes and images with our label, in that order.

    `tools` adds the images that are made once for all chapters. `also_unlabelled` adds what carries
    no owner at all: on the private engine that was typed by hand in a terminal, and is the
    course's too. Base images and other checkouts' objects stay.
    """
    from docker.errors import APIError

    client = engine.client
    before = _used_bytes(engine)

    def ours(labels: dict[str, str] | None) -> bool:
        owner = (labels or {}).get(OWNER_LABEL)
        return owner == owner_id() or (also_unlabelled and owner is None)

    containers = [c for c in client.containers.list(all=True, ignore_removed=True)
                  if ours(c.labels)]
    for container in containers:
        container.remove(force=True, v=True)
    networks = [n for n in client.networks.list()
                if n.name not in BUILT_IN_NETWORKS and ours(n.attrs.get("Labels"))]
    for network in networks:
        network.remove()
    volumes = [v for v in client.volumes.list() if ours(v.attrs.get("Labels"))]
    for volume in volumes:
        volume.remove(force=True)
    removed = 0
    for image in client.images.list():
        if not ours(image.labels) or {REAL, STANDIN} & set(image.tags):
            continue
        if not tools and is_tool(image.tags):
            continue
        try:
            for name in image.tags or [image.id]:
                client.images.remove(name)
            removed += 1
        except APIError as error:
            # Somebody else's container uses it: then it is not ours alone, and stays.
            if error.status_code not in (404, 409):
                raise
    freed = max(0, before - _used_bytes(engine))
    return Cleaned(len(containers), removed, len(volumes), len(networks), freed)


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
