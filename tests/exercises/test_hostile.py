"""Answers that would harm a machine are bounded, explained, and leave nothing behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from helpers import process
from helpers.engine.base_image import ensure_base_image
from helpers.engine.engine import Engine
from helpers.exercises import grade, sandbox
from tests.conftest import as_user_engine, internet_access, second_engine, short_folder
from tests.exercises.test_cases import leaves_nothing  # noqa: F401

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("leaves_nothing", "short_limits")]
BUILD, RUN = "03-repair-dockerfile", "05-publish-port"
BASE = "FROM python:3.13-slim\n"
MARK = "course-hostile-marker"  # in the command line of what must not go on


@pytest.fixture(scope="module")
def engine(private_engine: Engine) -> Iterator[Engine]:
    """Yield a private engine for these tests alone: an engine has one limit for all its builds."""
    with short_folder() as folder, second_engine(folder, "classic") as daemon:
        engine = replace(as_user_engine(daemon), kind="private")
        ensure_base_image(engine)
        with internet_access(daemon):
            yield engine


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Stop builds soon. What others write counts, so that the disk is small for its own tests only."""
    installs_nothing = request.node.name.endswith(("[loop]", "[output]"))
    monkeypatch.setattr(sandbox, "STEP_SECONDS", 5 if installs_nothing else 12)
    if "disk" in request.node.name:
        monkeypatch.setattr(sandbox, "DISK_BYTES", 700_000_000)


@pytest.fixture(autouse=True)
def nothing_goes_on(engine: Engine) -> Iterator[None]:
    """Check that no process of an answer is left."""
    yield

    def is_over() -> bool:
        return not any(MARK in " ".join(process.command_line(pid)) for pid in process.all_pids())

    assert process.wait_until(is_over, 10)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("flask run --host 0.0.0.0", "must end"),
        (f"while :; do : {MARK}; done", "must end"),
        (f"yes {MARK}", "must end"),
        (f"dd if=/dev/zero of=/{MARK} bs=1M count=20000", "must end"),
    ],
    ids=["server", "loop", "output", "disk"],
)
def test_endless_build_is_stopped(engine: Engine, step: str, words: str) -> None:
    install = "RUN pip install flask\nCOPY app.py /\n" if step.startswith("flask") else ""
    verdict = grade(BUILD, f"{BASE}{install}RUN {step}\n", engine=engine)
    first = verdict.checks[0]
    assert verdict.passed is False and words in first.hint and step.split()[0] in first.seen
    assert verdict.seconds < 45


@pytest.mark.parametrize(
    "program",
    [
        f"import os, time  # {MARK}\nwhile True: os.fork()",
        f"# {MARK}\nx = [bytearray(10**9) for _ in range(8)]",
    ],
    ids=["processes", "memory"],
)
def test_a_build_step_is_bounded(engine: Engine, program: str) -> None:
    verdict = grade(BUILD, f"{BASE}RUN <<EOF python\n{program}\nEOF\n", engine=engine)
    first = verdict.checks[0]
    assert verdict.passed is False and first.mistake in ("out-of-memory", "without-end")
    assert verdict.seconds < 45


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (f"sh -c 'while :; do echo {MARK}; done'", "No program in the container listens"),
        (f"sh -c ': {MARK}; f() {{ f | f & }}; f; sleep 100'", ""),
        ("python -c 'x = bytearray(2 * 10**9)'", "more memory than it may"),
        (f"dd if=/dev/zero of=/{MARK} bs=1M count=20000", ""),
    ],
    ids=["log", "processes", "memory", "disk"],
)
def test_a_hostile_container_is_bounded(engine: Engine, program: str, words: str) -> None:
    started = time.monotonic()
    verdict = grade(RUN, f"docker run -d -p 5005:5000 my-flask-app {program}", engine=engine)
    assert verdict.passed is False and words in verdict.text()
    assert time.monotonic() - started < 45


def test_refused_command_runs_nothing(engine: Engine, tmp_path: Path) -> None:
    verdict = grade(RUN, "docker run -d --privileged -p 5005:5000 my-flask-app", engine=engine)
    assert [check.passed for check in verdict.checks] == [False, None, None]
    assert "--privileged" in verdict.checks[0].seen
