"""A diagram of a container's states that changes while the student acts."""

from __future__ import annotations

import secrets

from docker.errors import DockerException
from IPython.display import display, update_display
from requests.exceptions import RequestException

from helpers.engine.find import connect
from helpers.errors import EngineUnavailable
from helpers.experiments.lifecycle.measure import follow
from helpers.experiments.lifecycle.result import ContainerLife
from helpers.experiments.lifecycle.view import bundle
from helpers.magic.next_step import engine_stopped


def watch_life(name: str) -> ContainerLife:
    """Draw the states of the container with this name, and mark the current one as it changes.

    The container can be created later. Raises EngineUnavailable if no engine answers.

    Example:
        life = watch_life("web")
        %docker create --name web python:3.13-slim
        life.facts()
    """
    display_id = f"course-life-{name}-{secrets.token_hex(4)}"

    def redraw(life: ContainerLife) -> None:
        update_display(bundle(life), display_id=display_id, raw=True)

    engine = connect()
    try:
        life = follow(name, engine, redraw)
    except (DockerException, RequestException):
        raise EngineUnavailable(
            "The Docker Engine does not answer.", engine_stopped(engine)
        ) from None
    display(life, display_id=display_id)
    return life
