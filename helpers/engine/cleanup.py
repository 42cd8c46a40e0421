"""Remove what the course made, and nothing else: the objects with this checkout's label.

The build cache of a user's engine can't be labelled. It is left to the engine's garbage collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from helpers.engine.base_image import STAND_INS
from helpers.engine.engine import Engine
from helpers.engine.labels import OWNER_LABEL, TOOLS, is_in_use_elsewhere, owner_id

KINDS = ("containers", "images", "volumes", "networks")
BUILT_IN_NETWORKS = ("bridge", "host", "none")
Labels = dict[str, str] | None


@dataclass(frozen=True)
class Cleaned:
    """How many objects were removed, and how many bytes of images and volumes that freed.

    `kept` counts the course's objects that containers of others still use.
    """

    containers: int
    images: int
    volumes: int
    networks: int
    size_bytes: int
    kept: int = 0

    def text(self) -> str:
        """Return the result as one line."""
        counts = ", ".join(f"{getattr(self, kind)} {kind}" for kind in KINDS)
        text = f"removed {counts}; {self.size_bytes / 1e6:.1f} MB freed"
        return text + (f"; {self.kept} kept, used by other containers" if self.kept else "")


def clean(
    engine: Engine, *, also_unlabelled: bool = False, tools: bool = True, all_sessions: bool = True
) -> Cleaned:
    """Remove the containers, networks, volumes and images of this checkout, in that order.

    Without `all_sessions`, objects of another running notebook of this checkout stay. `tools`
    includes the images that are built once for all chapters, and on a user's engine the stand-ins
    (which have no owner, because images built on them would inherit the label).
    `also_unlabelled` includes objects without an owner, for the private engine: they come from
    commands typed in a terminal.
    """

    def is_removed(labels: Labels) -> bool:
        if OWNER_LABEL not in (labels or {}):
            return also_unlabelled
        return is_course_object(labels, all_sessions=all_sessions)

    bytes_before = _used_bytes(engine)
    removed: Counter[str] = Counter()
    kept = 0
    for kind, remove in _find_removals(engine, is_removed, tools):
        if remove is not None and _try_remove(remove):
            removed[kind] += 1
        else:
            kept += 1
    freed = max(0, bytes_before - _used_bytes(engine))
    return Cleaned(**{kind: removed[kind] for kind in KINDS}, size_bytes=freed, kept=kept)


def _find_removals(
    engine: Engine, is_removed: Callable[[Labels], bool], tools: bool
) -> Iterator[tuple[str, Callable[[], object] | None]]:
    """Yield the kind of each object to remove, and how; None for an image that is in use.

    The caller removes each object before it asks for the next one: the containers must be gone
    when the images in use are listed.
    """
    client = engine.client
    for container in client.containers.list(all=True, ignore_removed=True):
        if is_removed(container.labels):
            yield "containers", partial(container.remove, force=True, v=True)
    for network in client.networks.list():
        if network.name not in BUILT_IN_NETWORKS and is_removed(network.attrs.get("Labels")):
            yield "networks", network.remove
    for volume in client.volumes.list():
        if is_removed(volume.attrs.get("Labels")):
            yield "volumes", partial(volume.remove, force=True)
    users = client.containers.list(all=True, sparse=True, ignore_removed=True)
    images_in_use = {container.attrs["ImageID"] for container in users}
    base_images = {*STAND_INS, *STAND_INS.values()}
    for image in client.api.images():  # images.list() fails if one is removed meanwhile
        tags = image["RepoTags"] or ()
        is_kept_tool = not tools and any(tag.startswith(TOOLS) for tag in tags)
        if is_kept_tool or not is_removed(image["Labels"]) or base_images & set(tags):
            continue
        # Remove it by its id: another checkout may have taken over the tag.
        remove = partial(client.images.remove, image["Id"], force=True)
        yield "images", None if image["Id"] in images_in_use else remove
    for stand_in in STAND_INS.values() if tools and engine.kind == "user" else ():
        if client.images.list(stand_in):
            yield "images", partial(client.images.remove, stand_in)


def _try_remove(remove: Callable[[], object]) -> bool:
    """Remove an object; return False if it stays because a container uses it."""
    from docker.errors import APIError

    try:
        remove()
    except APIError as error:
        if error.status_code == 404:
            return True
        # 409 means in use; the engine answers 403 for a network with a container in it.
        if error.status_code not in (403, 409):
            raise
        return False
    return True


def is_course_object(labels: Labels, *, all_sessions: bool) -> bool:
    """Return whether an object belongs to this checkout.

    Without `all_sessions`, objects that another running notebook of this checkout uses do not.
    """
    labels = labels or {}
    return labels.get(OWNER_LABEL) == owner_id() and (
        all_sessions or not is_in_use_elsewhere(labels)
    )


def count_course_objects(engine: Engine) -> int:
    """Return how many objects of this notebook, or of notebooks that have ended, are left."""
    is_left = partial(is_course_object, all_sessions=False)
    return sum(1 for _ in _find_removals(engine, is_left, tools=False))


def _used_bytes(engine: Engine) -> int:
    used = engine.client.df()
    return (used.get("LayersSize") or 0) + sum(
        (volume.get("UsageData") or {}).get("Size", 0) for volume in used.get("Volumes") or []
    )
