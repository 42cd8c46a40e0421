"""Builds an app with and without EXPOSE, runs each with and without `-p`, and tries to connect.

Each container is tried from three places: from inside itself, from another container on the same
network, and from the host. The host's port is the same for all four and was free before.
"""

from __future__ import annotations

import re
import secrets
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.build import build_image
from helpers.engine.find import connect
from helpers.engine.labels import labels
from helpers.errors import CourseError
from helpers.experiments.ports.result import Attempt, Publishing

if TYPE_CHECKING:
    from docker.models.containers import Container

    from helpers.engine.engine import Engine

START_SECONDS, HOST_SECONDS = 10, 1
CLIENT = ("sleep", "600")
EXPOSE = re.compile(r"^\s*EXPOSE\b.*$", re.IGNORECASE)
# Exits with 0 once the address answers, or with 1 after some seconds.
CONNECT = """
import sys, time, urllib.error, urllib.request
url, end = sys.argv[1], time.monotonic() + float(sys.argv[2])
while True:
    try:
        urllib.request.urlopen(url, timeout=2)
    except urllib.error.HTTPError:
        pass
    except OSError:
        if time.monotonic() > end:
            sys.exit(1)
        time.sleep(0.1)
        continue
    sys.exit(0)
"""


def compare_publishing(
    context: str | Path = ".",
    port: int = 5000,
    on_progress: Callable[[str], None] | None = None,
    engine: Engine | None = None,
) -> Publishing:
    """Try to connect to the app in `context` for each combination of EXPOSE and `-p`.

    `port` is the container's port that is exposed, published and tried. The image needs Python.
    Raises CourseError for a folder without a Dockerfile, BuildFailed if it can't be built.

    Example:
        result = compare_publishing(".", port=5000)
        print(result.facts())
    """
    dockerfile = Path(context, "Dockerfile")
    if not dockerfile.is_file():
        raise CourseError(f"There is no {dockerfile}.", 'Run open_app("flask-app") first.')
    trial = Trial(engine or connect(), Path(context), port, _free_port(), secrets.token_hex(3))
    progress = on_progress or (lambda _: None)
    attempts: list[Attempt] = []
    try:
        for has_expose in (False, True):
            progress(f"building {'with' if has_expose else 'without'} EXPOSE")
            trial.build(dockerfile.read_text(encoding="utf-8"), has_expose=has_expose)
        with trial.run(trial.image(has_expose=False), "client", entrypoint=list(CLIENT)) as client:
            for has_expose in (False, True):
                for is_published in (False, True):
                    progress(f"container {len(attempts) + 1} of 4")
                    attempts.append(
                        trial.attempt(client, has_expose=has_expose, is_published=is_published)
                    )
    finally:
        trial.remove_images()
    return Publishing(port, trial.host_port, tuple(attempts))


@dataclass(frozen=True)
class Trial:
    """One experiment: its engine, the app's folder, the ports, and a suffix for its names."""

    engine: Engine
    context: Path
    port: int
    host_port: int
    suffix: str

    def image(self, *, has_expose: bool) -> str:
        """Return the name of one of the two images."""
        return f"course-05-{'with' if has_expose else 'without'}-expose-{self.suffix}"

    def build(self, dockerfile: str, *, has_expose: bool) -> None:
        """Build the app, with EXPOSE added to its Dockerfile or removed from it."""
        with tempfile.TemporaryDirectory(prefix="course-ports-") as folder:
            file = Path(folder, "Dockerfile")
            file.write_text(set_expose(dockerfile, self.port if has_expose else None))
            build_image(
                self.context,
                tag=self.image(has_expose=has_expose),
                dockerfile=file,
                engine=self.engine,
            )

    def attempt(self, client: Container, *, has_expose: bool, is_published: bool) -> Attempt:
        """Run one container and try to connect to it from all three places."""
        image = self.image(has_expose=has_expose)
        ports = {f"{self.port}/tcp": ("127.0.0.1", self.host_port)} if is_published else {}
        with self.run(image, "app", ports=ports) as app:
            inside = _answers(app, f"http://127.0.0.1:{self.port}/", START_SECONDS)
            app.reload()
            address = app.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
            from_container = _answers(client, f"http://{address}:{self.port}/", HOST_SECONDS)
            return Attempt(
                has_expose,
                is_published,
                self._shown(app),
                inside,
                from_container,
                _host_gets_answer(self.host_port),
            )

    @contextmanager
    def run(self, image: str, purpose: str, **options: object) -> Iterator[Container]:
        """Run a container until the block ends."""
        container = self.engine.client.containers.create(
            image, name=f"course-05-{purpose}-{self.suffix}", labels=labels(), **options
        )
        try:
            container.start()
            yield container
        finally:
            container.remove(force=True)

    def _shown(self, container: Container) -> str:
        """Return the column PORTS of `docker ps`."""
        completed = self.engine.run(
            "ps", "--filter", f"id={container.id}", "--format", "{{.Ports}}"
        )
        return completed.stdout.strip()

    def remove_images(self) -> None:
        """Remove the two images, if they were built."""
        for has_expose in (False, True):
            self.engine.run("image", "rm", "-f", self.image(has_expose=has_expose))


def set_expose(dockerfile: str, port: int | None) -> str:
    """Return a Dockerfile without its EXPOSE lines, and with one for `port` at the end."""
    lines = [line for line in dockerfile.splitlines() if not EXPOSE.match(line)]
    return "\n".join([*lines, *([f"EXPOSE {port}"] if port else [])]) + "\n"


def _answers(container: Container, url: str, seconds: float) -> bool:
    """Return whether a URL answers a request from inside a container within so many seconds."""
    code, _ = container.exec_run(["python", "-c", CONNECT, url, str(seconds)])
    return code == 0


def _host_gets_answer(port: int) -> bool:
    """Return whether an HTTP server answers at a port of 127.0.0.1.

    A connection alone proves nothing: the engine's proxy accepts it, and closes it if the app
    isn't listening.
    """
    end = time.monotonic() + HOST_SECONDS
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=HOST_SECONDS) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                if connection.recv(5) == b"HTTP/":
                    return True
        except OSError:
            time.sleep(0.1)
    return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
