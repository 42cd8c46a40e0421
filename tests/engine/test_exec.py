"""`docker exec` in a container: the output is complete, and a failure says why."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from docker.models.containers import Container

from helpers.engine.engine import Engine
from helpers.engine.labels import labels
from helpers.errors import CourseError

pytestmark = pytest.mark.engine
BUSY_THREADS, AT_ONCE, CALLS = 3, 6, 60


@pytest.fixture
def container(engine: Engine) -> Iterator[Container]:
    running = engine.client.containers.run(
        "python:3.13-slim", ["sleep", "120"], detach=True, labels=labels()
    )
    yield running
    running.remove(force=True)


@pytest.fixture
def busy() -> Iterator[None]:
    """Keep the interpreter busy, so that a container's output is there before it is read."""
    end = threading.Event()

    def count() -> None:
        while not end.is_set():
            sum(range(1000))

    threads = [threading.Thread(target=count, daemon=True) for _ in range(BUSY_THREADS)]
    for thread in threads:
        thread.start()
    yield
    end.set()
    for thread in threads:
        thread.join()


def test_output_is_complete_on_busy_machine(
    engine: Engine, container: Container, busy: None
) -> None:
    """With the SDK's exec_run(), one answer in ten was empty here."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outputs = list(pool.map(lambda _: engine.exec(container, "echo", "here"), range(CALLS)))
    assert outputs == ["here\n"] * CALLS


def test_failure_is_one_sentence(engine: Engine, container: Container) -> None:
    with pytest.raises(CourseError, match=r"^cat failed in container \S+: cat: /none: No such"):
        engine.exec(container, "cat", "/none")
    container.stop(timeout=0)
    with pytest.raises(CourseError, match="is not running"):
        engine.exec(container, "true")
