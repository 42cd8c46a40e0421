"""A diagram of a container's states that changes while the student acts."""

from __future__ import annotations

import secrets

from IPython.display import display, update_display

from helpers.engine.find import connect
from helpers.experiments.lifecycle.measure import follow
from helpers.experiments.lifecycle.result import ContainerLife
from helpers.experiments.lifecycle.view import bundle


def watch_life(name: str) -> ContainerLife:
    """Draw the states of the container with this name, and mark the current one as it changes.

    The container can be created later.

    Example:
        life = watch_life("web")
        %docker create --name web python:3.13-slim
        life.facts()
    """
    display_id = f"course-life-{name}-{secrets.token_hex(4)}"

    def redraw(life: ContainerLife) -> None:
        update_display(bundle(life), display_id=display_id, raw=True)

    life = follow(name, connect(), redraw)
    display(life, display_id=display_id)
    return life
