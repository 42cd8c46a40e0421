"""The predictions graded by real builds: two ways to be right, and a bank of wrong answers."""

from __future__ import annotations

import pytest

from helpers.engine.engine import Engine
from helpers.exercises import grade, predict_cache
from helpers.exercises.predict_cache import TASK_ID
from helpers.experiments.caching.measure import compare_orders
from helpers.experiments.caching.result import COPY_FIRST, REQUIREMENTS_FIRST, OrderExperiment

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("engine")]


@pytest.fixture
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Return the private engine, or the one that a test names; the grader uses it."""
    engine = request.getfixturevalue(getattr(request, "param", "private_engine"))
    monkeypatch.setattr("helpers.experiments.caching.measure.connect", lambda: engine)
    return engine


@pytest.fixture(scope="module")
def experiment(private_engine: Engine) -> OrderExperiment:
    """Return one measurement, which all wrong answers are compared with."""
    return compare_orders(predict_cache.APP, predict_cache.EDIT, engine=private_engine)


@pytest.fixture
def measured(experiment: OrderExperiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict_cache, "compare_orders", lambda *_, **__: experiment)


INSTALL = "RUN pip install --no-cache-dir -r requirements.txt"
REBUILT = {COPY_FIRST: {"COPY . .", INSTALL}, REQUIREMENTS_FIRST: {"COPY . ."}}


def right() -> dict[str, dict[str, str]]:
    return {
        order: {step: "rebuilt" if step in REBUILT[order] else "cached" for step in steps}
        for order, steps in predict_cache.list_questions().items()
    }


@pytest.mark.parametrize("engine", ["private_engine", "user_engine"], indirect=True)
def test_the_right_answer_passes() -> None:
    verdict = grade(TASK_ID, right())
    assert verdict.passed is True, verdict.text()
    assert verdict.seconds > 0 and len(verdict.checks) == 7


@pytest.mark.parametrize(
    ("changes", "headline", "hint"),
    [
        ({(COPY_FIRST, INSTALL): "cached"}, "6 of 7 right", "COPY . . above it changed"),
        (
            {(REQUIREMENTS_FIRST, INSTALL): "rebuilt"},
            "6 of 7 right",
            "nor any step above it changed",
        ),
        (
            {(REQUIREMENTS_FIRST, "COPY . ."): "cached", (COPY_FIRST, "COPY . ."): "cached"},
            "5 of 7 right",
            "app.py is among the files it copies",
        ),
    ],
)
@pytest.mark.usefixtures("measured")
def test_wrong_answers_get_their_hints(changes: dict, headline: str, hint: str) -> None:
    answer = right()
    for (order, step), word in changes.items():
        answer[order][step] = word
    verdict = grade(TASK_ID, answer)
    assert verdict.passed is False and verdict.headline == headline
    assert all(hint in check.hint for check in verdict.checks if check.passed is False)


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("word", ["cached", "rebuilt"])
def test_same_answer_for_all_fails(word: str) -> None:
    answer = {order: dict.fromkeys(steps, word) for order, steps in right().items()}
    assert grade(TASK_ID, answer).passed is False


def test_dead_engine_is_nobodys_mistake(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    dead = Engine(
        "unix:///nowhere/docker.sock", "private", engine.version, engine.docker, engine.extra_env
    )
    monkeypatch.setattr("helpers.experiments.caching.measure.connect", lambda: dead)
    verdict = grade(TASK_ID, right())
    assert verdict.passed is None and {check.passed for check in verdict.checks} == {None}
