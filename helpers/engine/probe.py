"""Ask an engine who it is, over its socket, without the docker command or the SDK.

A docker command on the PATH proves nothing, so the engine itself is asked. Standard library
only. Source of the calls: Docker Engine API, GET /_ping and GET /version.
"""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
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
    parts = urlsplit(host)
    if parts.scheme == "unix":
        connection: http.client.HTTPConnection = _UnixConnection(parts.path, timeout)
    elif parts.scheme == "tcp":
        connection = http.client.HTTPConnection(parts.hostname or "localhost", parts.port or 2375,
                                                timeout=timeout)
    else:
        raise OSError(f"{host}: only unix:// and tcp:// addresses can be asked directly")
    try:
        connection.request("GET", "/_ping")
        ping = connection.getresponse()
        ping.read()
        connection.request("GET", "/version")
        told = json.loads(connection.getresponse().read())
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"{host} answers, but not as a Docker Engine does") from error
    finally:
        connection.close()
    names = {part.get("Name", "") for part in told.get("Components", [])}
    return Answer(told.get("Version", "?"), told.get("ApiVersion", "?"),
                  not any("Podman" in name for name in names),
                  ping.getheader("Builder-Version") == "2")
