"""A try builds the files of its own folder."""

from __future__ import annotations

import os
import uuid
from contextlib import ExitStack
from typing import Any

import pytest

from helpers.engine.engine import Engine
from helpers.errors import BuildFailed, CourseError, Mistake
from helpers.exercises import sandbox as module
from helpers.exercises.sandbox import open_sandbox

pytestmark = pytest.mark.engine


def test_files_of_equal_size_and_time_are_not_mixed_up(each_engine: Engine) -> None:
    """Two tries edit app.py within the same tick of the kernel's clock."""
    with ExitStack() as stack:
        for token in ("token-1", "token-2"):
            sandbox = stack.enter_context(open_sandbox(each_engine, "flask-app"))
            file = sandbox.folder / "app.py"
            file.write_text(token)
            os.utime(file, ns=(10**18, 10**18))
            image = sandbox.build_own("FROM python:3.13-slim\nCOPY app.py .\n")
            printed = each_engine.run("run", "--rm", image, "cat", "app.py").stdout
            assert printed == token


@pytest.mark.parametrize("failures", [1, 2])
def test_build_without_answer_is_run_once_more(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    real, tries = module.build_image, []

    def build_image(*args: Any, **options: Any) -> Any:
        tries.append(args)
        if len(tries) <= failures:
            output = ("E: Failed to fetch http://deb.debian.org/gcc.deb  Unable to connect to …",)
            raise BuildFailed("The build failed: exit code 100.", "Hint.", output=output)
        return real(*args, **options)

    monkeypatch.setattr(module, "build_image", build_image)
    with open_sandbox(engine, "flask-app") as sandbox:
        if failures == 1:
            assert sandbox.build("FROM python:3.13-slim\nCOPY app.py .\n").image_id
        else:
            with pytest.raises(CourseError, match="no answer from the network"):
                sandbox.build("FROM python:3.13-slim\n")
    assert len(tries) == 2


@pytest.mark.parametrize(
    ("prints", "error", "message"),
    [
        ("Ign:1 http://deb.debian.org/debian trixie InRelease", CourseError, "no answer"),
        ("Get:1 http://deb.debian.org/debian trixie InRelease", Mistake, "did not end"),
    ],
)
def test_stopped_while_it_waits_for_the_network(
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    prints: str,
    error: type[CourseError],
    message: str,
) -> None:
    monkeypatch.setattr(module, "STEP_SECONDS", 3.0)
    with open_sandbox(engine, "flask-app") as sandbox, pytest.raises(error, match=message):
        sandbox.build(f"FROM python:3.13-slim\nRUN echo '{prints}' && sleep 60\n")


def test_slow_engine_is_not_the_students_fault(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build may take longer than one step. If it takes too long, it could not be checked."""
    monkeypatch.setattr(module, "STEP_SECONDS", 3.0)
    step = f"RUN sleep 2  # {uuid.uuid4()}\n"  # not cached
    with open_sandbox(engine, "flask-app") as sandbox:
        assert sandbox.build(f"FROM python:3.13-slim\n{2 * step}").image_id
        with pytest.raises(CourseError, match="did not finish in time") as caught:
            sandbox.build(f"FROM python:3.13-slim\n{8 * step}")
        assert not isinstance(caught.value, Mistake)
