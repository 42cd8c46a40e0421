"""Follows the events of one container."""

from __future__ import annotations

import threading
from collections.abc import Callable

from docker.errors import DockerException
from requests.exceptions import RequestException

from helpers.engine.engine import Engine
from helpers.experiments.lifecycle.result import REMOVED, ContainerLife


def follow(name: str, engine: Engine, on_change: Callable[[ContainerLife], None]) -> ContainerLife:
    """Return a container's life that goes on in a thread, which calls `on_change` at each state.

    The thread ends when the container is removed, or with the engine. It also sees a container
    that is created later.
    """
    life = ContainerLife(name)
    # The stream is open before this function returns, so that no event is missed.
    events = engine.client.events(decode=True, filters={"container": name, "type": "container"})

    def read() -> None:
        try:
            for event in events:
                if life.add(event["Action"].partition(":")[0]):
                    on_change(life)
                if life.current == REMOVED:
                    return
        except (DockerException, RequestException, ValueError):
            return  # the engine has stopped
        finally:
            events.close()

    threading.Thread(target=read, name=f"course-life-{name}", daemon=True).start()
    return life
