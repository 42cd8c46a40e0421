"""A container with the small server: started, asked, and removed after its block."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.engine.labels import labels
from helpers.errors import CourseError
from helpers.vm import answers, guests

if TYPE_CHECKING:
    from docker.models.containers import Container

    from helpers.engine.engine import Engine

ANSWER_SECONDS = 60.0


@dataclass(frozen=True)
class Server:
    """A container with the small server, which has answered once at `port`."""

    container: Container
    port: int

    def about(self) -> dict[str, str]:
        """Return what the server reports about its environment: kernel, boot_id, processes."""
        return answers.fetch_about(self.port)


@contextmanager
def run_server(engine: Engine, purpose: str) -> Iterator[Server]:
    """Run a container with the small server until the block ends."""
    guests.ensure(engine, guests.SERVER)
    container = create_server(engine, purpose)
    try:
        container.start()
        port, _ = wait_for_server(container)
        yield Server(container, port)
    finally:
        container.remove(force=True)


def create_server(engine: Engine, purpose: str) -> Container:
    """Create the container without starting it; its port 80 will be published on 127.0.0.1."""
    return engine.client.containers.create(
        guests.SERVER,
        name=f"course-01-{purpose}-{secrets.token_hex(3)}",
        labels=labels(),
        ports={"80/tcp": ("127.0.0.1", None)},
    )


def wait_for_server(container: Container) -> tuple[int, float]:
    """Return the published port of a started server, and the moment of its first answer.

    The moment is a `time.perf_counter` value. Raises CourseError if there is no answer.
    """
    container.reload()
    port = int(container.ports["80/tcp"][0]["HostPort"])
    answered = answers.wait_for_answer(port, time.perf_counter() + ANSWER_SECONDS)
    if answered is None:
        raise CourseError(
            f"The container's server did not answer within {ANSWER_SECONDS:g} s.",
            "Run `python3 -m helpers doctor` to check your setup.",
        )
    return port, answered
