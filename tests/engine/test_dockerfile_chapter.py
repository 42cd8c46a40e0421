"""The experiments of chapter 03: another Dockerfile gives another table.

On the private engine. Chapter 03 has the tables of its own Dockerfiles, and runs on both image stores.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.engine.engine import Engine
from helpers.errors import CourseError
from helpers.experiments.checks.measure import check_dockerfile
from helpers.experiments.startup_commands.measure import try_startup_commands
from helpers.experiments.stopping.measure import compare_stop_times
from helpers.paths import CHECKOUT

pytestmark = pytest.mark.engine
APPS = CHECKOUT / "notebooks" / "apps"
FROM = "FROM python:3.13-slim\n"
SERVE = "print('Running on', flush=True); time.sleep(60)"
WITHOUT_HANDLER = f"import time; {SERVE}"
WITH_HANDLER = f"import signal, time; signal.signal(15, lambda *_: exit(3)); {SERVE}"


@pytest.fixture
def engine(private_engine: Engine) -> Iterator[Engine]:
    """Yield the private engine, and check that a test leaves no container."""
    yield private_engine
    names = [c.name for c in private_engine.client.containers.list(all=True, ignore_removed=True)]
    assert not [name for name in names if name.startswith("course-03-")]


def write(folder: Path, **dockerfiles: str) -> Path:
    for name, text in dockerfiles.items():
        (folder / f"Dockerfile.{name}").write_text(FROM + text)
    return folder


def test_startup_table_follows_dockerfile(engine: Engine, tmp_path: Path) -> None:
    write(tmp_path, a='CMD ["echo", "one"]\n')
    before = try_startup_commands(tmp_path, ["no-such-program"], engine=engine).combinations[0]
    write(tmp_path, a="ENTRYPOINT echo two\n")
    after = try_startup_commands(tmp_path, ["no-such-program"], engine=engine).combinations[0]
    assert (before.without_arguments.text(), before.with_arguments.text()) == (
        "one",
        "can't be started (exit code 127)",
    )
    assert (after.without_arguments.text(), after.with_arguments.text()) == ("two", "two")


def test_stop_table_follows_dockerfile(engine: Engine, tmp_path: Path) -> None:
    write(tmp_path, a=f'CMD ["python", "-c", "{WITHOUT_HANDLER}"]\n')
    before = compare_stop_times(tmp_path, engine=engine)
    assert before.facts() == (
        "a: 10 s or more, exit code 137\na with --init: under 5 s, exit code 143"
    )
    write(tmp_path, a=f'CMD ["python", "-c", "{WITH_HANDLER}"]\n')
    after = compare_stop_times(tmp_path, engine=engine)
    assert after.facts() == "a: under 5 s, exit code 3\na with --init: under 5 s, exit code 3"
    assert [stop.handles_signal for stop in (before.stops[0], after.stops[0])] == [False, True]


def test_container_that_ends_is_named(engine: Engine, tmp_path: Path) -> None:
    write(tmp_path, a='CMD ["python", "-c", "exit(\'no module flask\')"]\n')
    with pytest.raises(CourseError, match="ended by itself: no module flask"):
        compare_stop_times(tmp_path, engine=engine)


def test_planted_mistakes(engine: Engine) -> None:
    checks = check_dockerfile(APPS / "build-errors/Dockerfile.planted", engine=engine)
    assert [(warning.rule, warning.line) for warning in checks.warnings] == [
        ("SecretsUsedInArgOrEnv", 2),
        ("WorkdirRelativePath", 3),
        ("JSONArgsRecommended", 6),
    ]


def test_sample_of_the_slides_as_printed() -> None:
    """The exercise and the chapter start with the slide's text."""
    assert (APPS / "slide-app/Dockerfile").read_text() == (
        'FROM python:3.10\nRUN pip install flask\nCOPY . .\nCMD ["flask", "run", "--host", ""]\n'
    )
