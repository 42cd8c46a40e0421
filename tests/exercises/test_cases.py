"""Every answer in this folder gets the right verdict and hint, and nothing is left behind.

The start and the solution are graded in `exercise_verdicts.ipynb`, and on the other image store by
`user_engine_chapters`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.engine.engine import Engine
from helpers.engine.labels import SESSION_LABEL, TOOLS, TRY_LABEL
from helpers.exercises import image_or_container, task
from tests.exercises.cases import WITH_ANSWERS, find_cases, list_problems
from tests.inventory import session

CAPSTONE = "08-capstone"
HANDS_ON = [each for each in WITH_ANSWERS if task(each).kind != "prediction"]


def list_objects(engine: Engine) -> set[str]:
    """Return the ids of objects that a try may leave.

    On the user's engine, which nobody else uses, these are all but the tool images; on the private
    one only those of this process.
    """
    only: tuple[str, ...] = ()
    if engine.kind == "private":
        only = (f"--filter=label={TRY_LABEL}", f"--filter=label={SESSION_LABEL}={session()}")
    listings = {
        "container": ("ps", "--all", "--quiet", "--no-trunc", *only),
        "volume": ("volume", "ls", "--quiet", *only),
        "network": ("network", "ls", "--quiet", "--no-trunc", *only),
        "image": ("image", "ls", "--all", "--format={{.Repository}}:{{.Tag}}@{{.ID}}", *only),
    }
    return {
        f"{kind} {line}"
        for kind, listing in listings.items()
        for line in engine.run(*listing).stdout.split()
        if not line.startswith(TOOLS)
    }


@pytest.fixture
def leaves_nothing(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Check that no object is left on the engine, and no file in the folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(image_or_container, "connect", lambda: engine)
    before = list_objects(engine)
    yield
    assert list_objects(engine) == before
    assert list(tmp_path.iterdir()) == []


def expect_no_problems(problems: list[str]) -> None:
    """Show whole verdicts, which pytest would shorten."""
    if problems:
        pytest.fail("\n\n".join(problems), pytrace=False)


@pytest.mark.parametrize("task_id", [*HANDS_ON, CAPSTONE])
def test_start_is_a_case(task_id: str) -> None:
    (start,) = find_cases(task_id, "start")
    assert start.submission == task(task_id).start


@pytest.mark.parametrize("task_id", HANDS_ON)
def test_there_are_enough_cases(task_id: str) -> None:
    """The faults of the capstone are left one by one in `tests/engine/test_capstone.py`."""
    assert len(find_cases(task_id, "wrong")) >= 8
    assert len(find_cases(task_id, "right")) >= 5
    assert all(case.hint for case in find_cases(task_id, "start", "wrong"))


@pytest.mark.engine
@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize("task_id", WITH_ANSWERS)
def test_answers(private_engine: Engine, task_id: str) -> None:
    expect_no_problems(list_problems(find_cases(task_id, "right", "wrong"), private_engine))


@pytest.mark.engine
@pytest.mark.usefixtures("leaves_nothing")
def test_five_at_once(private_engine: Engine) -> None:
    """Five tries with the same names and ports don't interfere."""
    cases = find_cases("05-publish-port", "solution") * 5
    expect_no_problems(list_problems(cases, private_engine, at_once=5))
