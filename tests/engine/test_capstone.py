"""The capstone: a right solution passes, and each fault that is left is named, also two at once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helpers.engine.engine import Engine
from helpers.exercises import Verdict, grade
from helpers.exercises.capstone import EXERCISE, TASK
from helpers.paths import CHECKOUT
from tests.inventory import list_own

pytestmark = pytest.mark.engine
START = CHECKOUT / "notebooks" / "apps" / "capstone"
REPAIRS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "An edit of app.py doesn't install the packages again": (
        ("Dockerfile", "COPY . .\nRUN pip", "COPY requirements.txt .\nRUN pip"),
        ("Dockerfile", "EXPOSE", "COPY . .\nEXPOSE"),
    ),
    "No layer has the password": ((".dockerignore", "", ".env\n"),),
    "The service web waits for a slow database": (
        ("compose.yaml", "      - db\n", "      db:\n        condition: service_healthy\n"),
    ),
    "The app doesn't run as root": (
        ("Dockerfile", "EXPOSE", "RUN useradd --create-home app\nUSER app\nEXPOSE"),
    ),
    "The app can be reached from outside its container": (("Dockerfile", "127.0.0.1", "0.0.0.0"),),
    "The published port is the app's": (("compose.yaml", "5009:8000", "5009:5000"),),
    "The output of docker logs has the app's requests": (
        ("app.py", 'filename="/tmp/guestbook.log", ', ""),
    ),
    "The app ends when docker stop asks it to": (
        ("Dockerfile", "CMD gunicorn", "CMD exec gunicorn"),
    ),
    "The data outlives the containers": (("compose.yaml", "postgresql\n", "postgresql/data\n"),),
}
PAIR = ("The service web waits for a slow database", "The data outlives the containers")


def repair(folder: Path, left: tuple[str, ...] = ()) -> Path:
    """Copy the project to `folder` and repair all faults but those in `left`."""
    shutil.copytree(START, folder)
    for name, changes in REPAIRS.items():
        for file, old, new in changes if name not in left else ():
            path = folder / file
            text = path.read_text() if path.exists() else ""
            assert old in text, (file, old)
            path.write_text(text.replace(old, new, 1) if old else text + new)
    return folder


def failed(verdict: Verdict) -> set[str]:
    return {check.name for check in verdict.checks if check.passed is not True}


def check_cases(
    engine: Engine, folder: Path, cases: Sequence[tuple[str, ...]], *, at_a_time: int
) -> None:
    """Check a project for each case; raise AssertionError unless exactly its faults are named.

    Nothing is left on the engine, nor in the folder for temporary files.
    """
    before = list_own(engine)
    folders = [repair(folder / str(number), left) for number, left in enumerate(cases)]
    scratch = folder / "scratch"
    scratch.mkdir()
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(at_a_time) as pool:
        patch.setattr(tempfile, "tempdir", str(scratch))
        verdicts = list(pool.map(lambda project: grade(TASK.id, project, engine=engine), folders))
    assert list(scratch.iterdir()) == []
    for left, verdict in zip(cases, verdicts, strict=True):
        assert failed(verdict) == set(left), (left, verdict)
        assert all(check.passed is False for check in verdict.checks if check.name in left), verdict
    assert list_own(engine) == before


def test_each_fault_is_named(engine: Engine, tmp_path: Path) -> None:
    """Several projects at a time; `user_engine_chapters` checks two on a user's engine.

    `exercise_verdicts.ipynb` has the verdicts of the solution and of the start, with all faults.
    """
    one_by_one = tuple((name,) for name in REPAIRS)
    check_cases(engine, tmp_path, (*one_by_one, PAIR), at_a_time=2)


def test_broken_dockerfile_is_named(engine: Engine, tmp_path: Path) -> None:
    folder = repair(tmp_path / "project")
    (folder / "Dockerfile").write_text("FROM python:3.13-slim\nCPOY . .\n")
    readable, built, *others = grade(TASK.id, folder, engine=engine).checks
    assert readable.passed is True and built.passed is False and "CPOY" in built.seen
    assert all(check.passed is None for check in others)
    assert len(others) == len(EXERCISE.checks) - 2


def change(folder: Path, file: str, text: str) -> Path:
    """Copy the repaired project to `folder`, with another text in one file."""
    (repair(folder) / file).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("compose.yaml", "services: [", "Compose can't read"),
        ("compose.yaml", "services: {}", "needs the services"),
        ("compose.yaml", "services: {web: {image: x}}", "needs the services"),
        ("compose.yaml", "services: {web: {build: ., pid: host}, db: {image: x}}", "web.pid"),
        ("Dockerfile", "CPOY . .\n", "CPOY"),
        ("app.py", "import nothing\n", "No module named 'nothing'"),
    ],
    ids=["not-yaml", "no-services", "no-db", "refused", "not-built", "ends-with-error"],
)
def test_broken_project_is_a_wrong_answer(
    engine: Engine, tmp_path: Path, file: str, text: str, words: str
) -> None:
    verdict = grade(TASK.id, change(tmp_path / "project", file, text), engine=engine)
    first = next(check for check in verdict.checks if check.passed is False)
    assert verdict.passed is False and words in first.seen and first.hint


def test_missing_folder_is_nobodys_mistake(engine: Engine, tmp_path: Path) -> None:
    assert grade(TASK.id, tmp_path / "missing", engine=engine).passed is None
