"""Ask an engine who it is, over its socket, without the docker command or the SDK.

A docker command on the PATH proves nothing, so the engine itself is asked. Standard library
only. Source of the calls: Docker Engine API, GET /_ping, /version and /networks.
"""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What an engine says of itself."""

    version: str
    api_version: str
    is_docker: bool
    buildkit: bool


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(host: str, timeout: float = 5) -> Answer:
    """The answer of the engine at `host` ("unix://…" or "tcp://…"), within `timeout` seconds.

    Raises OSError when nothing answers (PermissionError when the socket may not be used).
    """
    ping, _ = _get(host, "/_ping", timeout)
    _, body = _get(host, "/version", timeout)
    told = _read(host, body)
    names = {part.get("Name", "") for part in told.get("Components", [])}
    return Answer(told.get("Version", "?"), told.get("ApiVersion", "?"),
                  not any("Podman" in name for name in names),
                  ping.get("Builder-Version") == "2")


def bridges(host: str, timeout: float = 5) -> list[str]:
    """The names of the bridges on this machine that the networks of the engine at `host` have.

    Raises OSError when nothing answers.
    """
    _, body = _get(host, "/networks", timeout)
    return [(network["Options"] or {}).get("com.docker.network.bridge.name",
                                           f"br-{network['Id'][:12]}")
            for network in _read(host, body) if network["Driver"] == "bridge"]


def image_store(host: str, timeout: float = 5) -> str:
    """Return how the engine at `host` keeps images: "containerd" or "classic".

    Raises OSError when nothing answers. Source: GET /info, DriverStatus.
    """
    _, body = _get(host, "/info", timeout)
    status = dict(_read(host, body).get("DriverStatus") or ())
    return "containerd" if "containerd" in status.get("driver-type", "") else "classic"


def inspect_image(host: str, name: str, timeout: float = 5) -> dict[str, Any] | None:
    """Return what the engine at `host` knows of an image, or None if it has no such image.

    Raises OSError when nothing answers. Source: GET /images/NAME/json.
    """
    _, body = _get(host, f"/images/{name}/json", timeout)
    image: dict[str, Any] = _read(host, body)
    return image if "Id" in image else None


def _get(host: str, path: str, timeout: float) -> tuple[Message, bytes]:
    parts = urlsplit(host)
    if parts.scheme == "unix":
        connection: http.client.HTTPConnection = _UnixConnection(parts.path, timeout)
    elif parts.scheme == "tcp":
        connection = http.client.HTTPConnection(parts.hostname or "localhost", parts.port or 2375,
                                                timeout=timeout)
    else:
        raise OSError(f"{host}: only unix:// and tcp:// addresses can be asked directly")
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.headers, answer.read()
    except http.client.HTTPException as error:
        raise _not_docker(host) from error
    finally:
        connection.close()


def _read(host: str, body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise _not_docker(host) from error


def _not_docker(host: str) -> OSError:
    return OSError(f"{host} answers, but not as a Docker Engine does")
