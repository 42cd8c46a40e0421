"""What the dashboard's buttons do, for the course's objects only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docker.errors import APIError, NotFound

from helpers.engine.cleanup import is_course_object
from helpers.errors import CourseError

if TYPE_CHECKING:
    from docker import APIClient

DONE = {"start": "Started", "stop": "Stopped", "remove": "Removed"}
DOING = {"start": "Starting", "stop": "Stopping", "remove": "Removing"}


def act(api: APIClient, kind: str, object_id: str, verb: str) -> None:
    """Start, stop or remove an object. Raises CourseError if that isn't possible or allowed."""
    try:
        if not is_course_object(_labels(api, kind, object_id), all_sessions=True):
            raise CourseError(
                "The course did not create this object.", "Use the docker command line."
            )
        _do(api, kind, object_id, verb)
    except NotFound:
        raise CourseError("It has been removed already.") from None
    except APIError as error:
        raise CourseError(f"Docker says: {error.explanation or error}") from None


def _labels(api: APIClient, kind: str, object_id: str) -> dict[str, str] | None:
    details: dict[str, Any] = {
        "containers": api.inspect_container,
        "images": api.inspect_image,
        "volumes": api.inspect_volume,
        "networks": api.inspect_network,
    }[kind](object_id)
    labels: dict[str, str] | None = details.get("Config", details).get("Labels")
    return labels


def _do(api: APIClient, kind: str, object_id: str, verb: str) -> None:
    if verb == "remove":
        {
            "containers": api.remove_container,
            "images": api.remove_image,
            "volumes": api.remove_volume,
            "networks": api.remove_network,
        }[kind](object_id)
    elif kind == "containers" and verb in DONE:
        {"start": api.start, "stop": api.stop}[verb](object_id)
    else:
        raise CourseError(f"The dashboard can't {verb} {kind}.")
