"""A container with the small server: started, asked, and gone after its block.

The image is that of the virtual machines' guests too. Knows nothing of measuring.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.engine import answers
from helpers.engine.owner import labels
from helpers.engine.vm import guests
from helpers.errors import CourseError

if TYPE_CHECKING:
    from docker.models.containers import Container

    from helpers.engine.engine import Engine

ABOUT = "/cgi-bin/about"
ANSWER_SECONDS = 60.0


@dataclass(frozen=True)
class Server:
    """A container with the small server, which has answered once at `port`."""

    container: Container
    port: int

    def about(self) -> dict[str, str]:
        """What the server says of its surroundings: kernel, boot_id, processes, hostname …"""
        return answers.about(answers.ask(self.port, ABOUT))


@contextmanager
def small_server(engine: Engine, purpose: str) -> Iterator[Server]:
    """A container with the small server; it is gone after the block."""
    guests.ensure(engine, guests.SERVER)
    container = create(engine, purpose)
    try:
        container.start()
        port, _ = first_answer(container)
        yield Server(container, port)
    finally:
        container.remove(force=True)


def create(engine: Engine, purpose: str) -> Container:
    """The container, not yet started, its port 80 to be published on 127.0.0.1."""
    return engine.client.containers.create(
        guests.SERVER, name=f"course-01-{purpose}-{secrets.token_hex(3)}", labels=labels(),
        ports={"80/tcp": ("127.0.0.1", None)})


def first_answer(container: Container) -> tuple[int, float]:
    """The published port of a started server, and the moment of its first answer.

    The moment is one of `time.perf_counter`. Raises CourseError when there is no answer.
    """
    container.reload()
    port = int(container.ports["80/tcp"][0]["HostPort"])
    answered = answers.first_answer(port, time.perf_counter() + ANSWER_SECONDS)
    if answered is None:
        raise CourseError(f"The container's server did not answer in {ANSWER_SECONDS:g} s.",
                          "Look at what is here: python3 -m helpers doctor")
    return port, answered
