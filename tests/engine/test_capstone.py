"""The capstone: a right solution passes, and each fault that is left is named, also two at once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helpers.engine.engine import Engine
from helpers.errors import CourseError
from helpers.exercises import grade
from helpers.exercises.capstone import CHECKS, CapstoneCheck, check_capstone
from helpers.paths import CHECKOUT
from tests.inventory import list_own

pytestmark = pytest.mark.engine
START = CHECKOUT / "notebooks" / "apps" / "capstone"
REPAIRS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "an edit of app.py doesn't install the packages again": (
        ("Dockerfile", "COPY . .\nRUN pip", "COPY requirements.txt .\nRUN pip"),
        ("Dockerfile", "EXPOSE", "COPY . .\nEXPOSE"),
    ),
    "no layer has the password": ((".dockerignore", "", ".env\n"),),
    "web waits for a slow database": (
        ("compose.yaml", "      - db\n", "      db:\n        condition: service_healthy\n"),
    ),
    "the app doesn't run as root": (
        ("Dockerfile", "EXPOSE", "RUN useradd --create-home app\nUSER app\nEXPOSE"),
    ),
    "the app can be reached from outside its container": (("Dockerfile", "127.0.0.1", "0.0.0.0"),),
    "the published port is the app's": (("compose.yaml", "5009:8000", "5009:5000"),),
    "docker logs shows requests": (("app.py", 'filename="/tmp/guestbook.log", ', ""),),
    "the app stops by itself": (("Dockerfile", "CMD gunicorn", "CMD exec gunicorn"),),
    "the data outlives the containers": (("compose.yaml", "postgresql\n", "postgresql/data\n"),),
}
PAIRS = (
    ("web waits for a slow database", "the app can be reached from outside its container"),
    ("no layer has the password", "the data outlives the containers"),
    ("the published port is the app's", "docker logs shows requests"),
)


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


def failed(results: list[CapstoneCheck]) -> set[str]:
    return {check.name for check in results if check.passed is not True}


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
        results = list(pool.map(lambda project: check_capstone(project, engine=engine), folders))
    assert list(scratch.iterdir()) == []
    for left, result in zip(cases, results, strict=True):
        assert failed(result) == set(left), (left, result)
        assert all(check.passed is False for check in result if check.name in left), result
    assert list_own(engine) == before


def test_each_fault_is_named(engine: Engine, tmp_path: Path) -> None:
    """Several projects at a time; `user_engine_chapters` checks two on a user's engine."""
    one_by_one = tuple((name,) for name in REPAIRS)
    check_cases(engine, tmp_path, ((), *one_by_one, *PAIRS, tuple(REPAIRS)), at_a_time=2)


def test_broken_dockerfile_is_named(engine: Engine, tmp_path: Path) -> None:
    folder = repair(tmp_path / "project")
    (folder / "Dockerfile").write_text("FROM python:3.13-slim\nCPOY . .\n")
    first, *others = check_capstone(folder, engine=engine)
    assert first.passed is False and "CPOY" in first.seen
    assert all(check.passed is None for check in others)
    assert len(others) == len(CHECKS) - 1


@pytest.mark.parametrize("text", ["services: [", "services: {}", "services: {web: {image: x}}"])
def test_unusable_compose_file_is_refused(engine: Engine, tmp_path: Path, text: str) -> None:
    folder = repair(tmp_path / "project")
    (folder / "compose.yaml").write_text(text)
    with pytest.raises(CourseError):
        check_capstone(folder, engine=engine)


def change(folder: Path, file: str, text: str) -> Path:
    """Copy the repaired project to `folder`, with another text in one file."""
    (repair(folder) / file).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("compose.yaml", "services: [", "Compose can't read"),
        ("compose.yaml", "services: {web: {image: x}}", "needs the services"),
        ("compose.yaml", "services: {web: {build: ., pid: host}, db: {image: x}}", "web.pid"),
        ("Dockerfile", "CPOY . .\n", "CPOY"),
        ("app.py", "import nothing\n", "No module named 'nothing'"),
    ],
    ids=["not-yaml", "no-db", "refused", "not-built", "ends-with-error"],
)
def test_broken_project_is_a_wrong_answer(
    engine: Engine, tmp_path: Path, file: str, text: str, words: str
) -> None:
    verdict = grade("08-capstone", change(tmp_path / "project", file, text), engine=engine)
    first = next(check for check in verdict.checks if check.passed is False)
    assert verdict.passed is False and words in first.seen and first.hint


def test_missing_folder_is_nobodys_mistake(engine: Engine, tmp_path: Path) -> None:
    assert grade("08-capstone", tmp_path / "missing", engine=engine).passed is None
