"""A diagram of a container's states that changes while the student acts."""

from __future__ import annotations

from IPython.display import display

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
    handle = display(display_id=True)
    assert handle is not None  # because of display_id
    life = follow(name, connect(), lambda life: handle.update(bundle(life), raw=True))
    handle.display(life)
    return life
