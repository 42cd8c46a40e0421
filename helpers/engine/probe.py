"""Ask the engine at an address directly: its version, networks, image store and images.

A docker command on the PATH proves nothing about the engine, so the engine's API is called. Every
function raises OSError if no engine answers.
Source: Docker Engine API, GET /_ping, /version, /networks, /info and /images/NAME/json.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from requests import Response

# Calls go to paths without a version; the SDK only wants one so that it doesn't ask for it first.
API_VERSION = "1.41"
TIMEOUT_SECONDS = 5


@dataclass(frozen=True)
class Answer:
    """The version information of an engine."""

    version: str
    has_buildkit: bool


def ask(host: str) -> Answer:
    """Return the version information of the engine at `host` ("unix://…" or "tcp://…").

    Raises PermissionError if this user may not use the socket.
    """
    builder = _get(host, "/_ping").headers.get("Builder-Version")
    version = _get(host, "/version").json()
    is_podman = any("Podman" in part.get("Name", "") for part in version.get("Components", []))
    return Answer(version.get("Version", "?"), builder == "2" and not is_podman)


def bridges(host: str) -> list[str]:
    """Return the names of the host's bridges that belong to networks of the engine at `host`."""
    return [
        (network["Options"] or {}).get("com.docker.network.bridge.name", f"br-{network['Id'][:12]}")
        for network in _get(host, "/networks").json()
        if network["Driver"] == "bridge"
    ]


def image_store(host: str) -> str:
    """Return how the engine at `host` stores images: "containerd" or "classic"."""
    status = dict(_get(host, "/info").json().get("DriverStatus") or ())
    return "containerd" if "containerd" in status.get("driver-type", "") else "classic"


def inspect_image(host: str, name: str) -> dict[str, Any] | None:
    """Return what the engine at `host` knows about an image, or None if it has no such image."""
    image: dict[str, Any] = _get(host, f"/images/{name}/json").json()
    return image if "Id" in image else None


def _get(host: str, path: str) -> Response:
    """Return the response to a GET request. Its `json()` raises OSError if it is not JSON."""
    import docker
    import requests

    if not host.startswith(("unix://", "tcp://")):
        raise OSError(f"Can't connect to {host}: only unix:// and tcp:// addresses are supported.")
    try:
        with docker.APIClient(host, version=API_VERSION, timeout=TIMEOUT_SECONDS) as client:
            return client.get(client.base_url + path, timeout=TIMEOUT_SECONDS)
    except (docker.errors.DockerException, ValueError) as error:  # an invalid address
        raise OSError(f"Can't connect to {host}: {error}") from error
    except requests.ConnectionError as error:
        cause: BaseException | None = error
        while cause := cause.__context__ if cause else None:
            if isinstance(cause, PermissionError):
                raise cause from None
        raise
