"""Exercises without an engine: submissions, verdicts, hints, the widget, the exit codes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers.build.failure import LAYER_LOST
from helpers.build.result import BuildReport, BuildStep
from helpers.cli import main
from helpers.engine.engine import Engine
from helpers.errors import BuildFailed, CourseError, EngineUnavailable, Mistake
from helpers.exercises import grade, predict_cache, tasks
from helpers.exercises.build_mistakes import explain_failed_build
from helpers.exercises.checks import CheckFunction, HandsOn, check
from helpers.exercises.container import explain_start
from helpers.exercises.frame import Task
from helpers.exercises.predict_cache import TASK_ID, list_steps
from helpers.exercises.widget import exercise
from helpers.experiments.caching.result import (
    COPY_FIRST,
    REQUIREMENTS_FIRST,
    OrderExperiment,
    OrderResult,
)

INSTALL = "RUN pip install --no-cache-dir -r requirements.txt"
REBUILT = {COPY_FIRST: {"COPY . .", INSTALL}, REQUIREMENTS_FIRST: {"COPY . ."}}


def right() -> dict[str, dict[str, str]]:
    return {
        order: {step: "rebuilt" if step in REBUILT[order] else "cached" for step in steps}
        for order, steps in predict_cache.list_questions().items()
    }


def measured(*_: object, **__: object) -> OrderExperiment:
    def report(steps: dict[str, str]) -> BuildReport:
        rows = [BuildStep("FROM python:3.13-slim", 0.0, False)]
        rows += [BuildStep(step, 0.1, word == "cached") for step, word in steps.items()]
        return BuildReport("sha256:0", ("app",), 1.0, tuple(rows))

    orders = [OrderResult(order, (report(steps),)) for order, steps in right().items()]
    return OrderExperiment("flask-app", "app.py", tuple(orders))


@pytest.fixture
def engine_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict_cache, "compare_orders", measured)


@pytest.fixture
def no_building(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: object, **__: object) -> None:
        raise AssertionError("something was built")

    monkeypatch.setattr(predict_cache, "compare_orders", build)


def test_task_starts_unanswered() -> None:
    (task,) = (t for t in tasks() if t.id == TASK_ID)
    assert task.start == {
        COPY_FIRST: dict.fromkeys(["WORKDIR /app", "COPY . .", INSTALL]),
        REQUIREMENTS_FIRST: dict.fromkeys(
            ["WORKDIR /app", "COPY requirements.txt .", INSTALL, "COPY . ."]
        ),
    }


def test_steps_with_comments_and_continuations() -> None:
    assert list_steps("# RUN no\nfrom x\nRun a \\\n# between\n  && b\nENV A=1\nadd u v\n") == [
        "Run a && b",
        "add u v",
    ]


@pytest.mark.usefixtures("engine_says")
def test_all_right_passes() -> None:
    verdict = grade(TASK_ID, right())
    assert verdict.passed is True and verdict.headline == "7 of 7 right"


@pytest.mark.usefixtures("engine_says")
@pytest.mark.parametrize(
    ("order", "step", "because"),
    [
        (
            COPY_FIRST,
            INSTALL,
            "you said it is cached; it was rebuilt, because COPY . . above it changed",
        ),
        (
            COPY_FIRST,
            "COPY . .",
            "you said it is cached; it was rebuilt, because app.py is among the files it copies",
        ),
        (
            COPY_FIRST,
            "WORKDIR /app",
            "you said it is rebuilt; it was cached, because neither it nor any step above it changed",
        ),
        (
            REQUIREMENTS_FIRST,
            "COPY requirements.txt .",
            "you said it is rebuilt; it was cached, because neither the files it copies nor any step "
            "above it changed",
        ),
    ],
)
def test_wrong_answer_gets_its_hint(order: str, step: str, because: str) -> None:
    answer = right()
    answer[order][step] = {"cached": "rebuilt", "rebuilt": "cached"}[answer[order][step]]
    verdict = grade(TASK_ID, answer)
    assert verdict.passed is False and verdict.headline == "6 of 7 right"
    (wrong,) = (check for check in verdict.checks if not check.passed)
    assert wrong.name == f"{order}: {step}" and wrong.hint == because


@pytest.mark.usefixtures("engine_says")
def test_other_spellings_are_right() -> None:
    answer = {
        order: {
            f"  {step.replace(' ', '  ')} ": f" {word.upper()} " for step, word in steps.items()
        }
        for order, steps in right().items()
    }
    assert grade(TASK_ID, answer).passed is True


@pytest.mark.usefixtures("engine_says")
def test_unanswered_step_is_not_checked() -> None:
    answer = right()
    del answer[REQUIREMENTS_FIRST]["WORKDIR /app"]
    answer[COPY_FIRST][INSTALL] = None
    verdict = grade(TASK_ID, answer)
    assert verdict.passed is False
    assert verdict.headline == "5 of 7 right, 2 still to answer"
    assert [c.hint for c in verdict.checks if c.passed is None] == ["not answered"] * 2


@pytest.mark.usefixtures("no_building")
def test_empty_answer_builds_nothing() -> None:
    assert grade(TASK_ID, {}).passed is False
    assert grade(TASK_ID, predict_cache.list_questions()).headline.startswith("0 of 7 right")


@pytest.mark.usefixtures("no_building")
@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        "cached",
        3,
        {"copy last": {}},
        {COPY_FIRST: "cached"},
        {COPY_FIRST: ["cached"]},
        {COPY_FIRST: {"RUN rm": "cached"}},
        {COPY_FIRST: {INSTALL: "maybe"}},
        {COPY_FIRST: {INSTALL: True}},
        {COPY_FIRST: {INSTALL: ["cached"]}},
        {COPY_FIRST: {1: "cached"}},
        {None: {}},
        {("a",): {}},
    ],
)
def test_a_malformed_answer_is_one_message(bad: object) -> None:
    with pytest.raises(CourseError) as caught:
        grade(TASK_ID, bad)
    assert "\n" not in caught.value.message and caught.value.hint


def test_an_unknown_task_is_one_message() -> None:
    with pytest.raises(CourseError, match="no task"):
        grade("99-nothing", {})


@pytest.mark.parametrize(
    "error",
    [
        EngineUnavailable("No engine.", "Start it."),
        CourseError("Build failed.", "Look."),
        OSError("gone"),
        RuntimeError("x"),
    ],
)
def test_failed_measurement_is_nobodys_mistake(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def build(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(predict_cache, "compare_orders", build)
    verdict = grade(TASK_ID, right())
    assert verdict.passed is None and {check.passed for check in verdict.checks} == {None}
    assert "not your mistake" in verdict.text() and "Traceback" not in verdict.text()


def hands_on(*checks: CheckFunction) -> HandsOn:
    @contextmanager
    def begin(submission: str, engine: object, on_progress: object) -> Iterator[str]:
        yield submission

    return HandsOn(Task("x", "00", "X", "command", "", ""), begin, checks)


@check()
def is_there(trial: str) -> str:
    """It is there."""
    if trial == "wrong":
        raise Mistake("not-there", "nothing is there", "Look.", "Look again.")
    if trial == "trouble":
        raise CourseError("The engine is gone.", "Start it.")
    return "seen"


@check(needs="is_there")
def stays(trial: str) -> str:
    """It stays."""
    return "still there"


ENGINE = Engine("unix:///nowhere", "private", "28")


def test_a_check_that_needs_a_failed_one_is_not_tried() -> None:
    verdict = hands_on(is_there, stays).grade("wrong", engine=ENGINE)
    assert verdict.passed is False
    first, second = verdict.checks
    assert (first.name, first.passed, first.seen) == ("It is there", False, "nothing is there")
    assert (first.hint, first.mistake) == ("Look.", "not-there")
    assert second.passed is None and "It is there" in second.seen


def test_a_repeated_mistake_gets_more_help() -> None:
    verdict = hands_on(is_there).grade("wrong", engine=ENGINE, earlier=("not-there", "other"))
    assert verdict.checks[0].hint == "Look. Look again."


def test_trouble_is_not_a_mistake() -> None:
    verdict = hands_on(is_there, stays).grade("trouble", engine=ENGINE)
    assert verdict.passed is None and {c.passed for c in verdict.checks} == {None}
    assert "The engine is gone." in verdict.text()


@pytest.mark.parametrize("task_id", ["03-repair-dockerfile", "05-publish-port"])
def test_dead_engine_is_nobodys_mistake(task_id: str) -> None:
    verdict = grade(task_id, "FROM x", engine=ENGINE)
    assert verdict.passed is None and {c.passed for c in verdict.checks} == {None}


@pytest.mark.parametrize(
    ("said", "is_mistake"),
    [
        ("no space left on device", False),
        ("Cannot connect to the Docker daemon at unix:///x", False),
        ("failed to listen on TCP socket: address already in use", False),
        ('exec: "flsk": executable file not found in $PATH', True),
        ("invalid hostPort: x", True),
    ],
)
def test_trouble_of_the_machine_is_no_mistake(said: str, is_mistake: bool) -> None:
    assert isinstance(explain_start(said, lambda name: ""), Mistake) is is_mistake


def test_all_checks_passed() -> None:
    verdict = hands_on(is_there, stays).grade("right", engine=ENGINE)
    assert verdict.passed is True and [c.seen for c in verdict.checks] == ["seen", "still there"]
    with pytest.raises(CourseError, match="not text"):
        hands_on(is_there).grade({}, engine=ENGINE)


LISTS = "W: Failed to fetch http://deb.debian.org/debian/dists/trixie/main/binary-amd64/Packages.gz"
NO_CONNECTION = "Unable to connect to deb.debian.org:http: [IP: 192.0.2.1 80]"
NO_PACKAGE = "E: Unable to locate package gcc"


NO_REGISTRY = "the image {!r} is not on the engine, and its registry did not answer."
MAY_EXIST = (
    "python:3.13-alpine",
    "python:3.12-slim-bullseye",
    "python:slim-bookworm",
    "debian:bookworm-slim",
    "registry.example/tools/uv:latest",
)
DO_NOT_EXIST = ("pyhton:3.13-slim", "python:3.13_slim", "python:3.31-slim", "python:3.13-small")


@pytest.mark.parametrize(
    ("message", "output", "name"),
    [
        ("The build failed: a RUN command ended with exit code 1.", ("NewConnectionError",), ""),
        ("The build failed: exit code 100.", (LISTS, NO_PACKAGE), ""),
        ("The build failed: exit code 100.", (f"{LISTS}  {NO_CONNECTION}", NO_PACKAGE), ""),
        (
            "The build failed: exit code 100.",
            (f"{LISTS}  404  Not Found [IP: 192.0.2.1 80]",),
            "run-fails",
        ),
        ("The build failed: exit code 100.", (NO_PACKAGE,), "run-fails"),
        ("The build failed: the engine's disk is full (no space left on device).", (), ""),
        (f"{LAYER_LOST[0]}\n  Dockerfile, line 3: COPY . .", (), ""),
        ("The build failed: the base image 'x' is not available.", (), "base-image"),
        *[(NO_REGISTRY.format(image), (), "") for image in MAY_EXIST],
        *[(NO_REGISTRY.format(image), (), "base-image") for image in DO_NOT_EXIST],
        ("The Dockerfile has an unknown instruction: X.", (), "unknown-instruction"),
        ("The build failed: something new.", (), "build-fails"),
    ],
)
def test_failed_builds_have_names(message: str, output: tuple[str, ...], name: str) -> None:
    error = explain_failed_build(BuildFailed(message, "Hint.", output=output))
    assert (error.name if isinstance(error, Mistake) else "") == name


def test_json_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "answer.json"
    file.write_text("{}")
    assert main(["grade", TASK_ID, str(file), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["task_id"] == TASK_ID


@pytest.mark.usefixtures("engine_says")
def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "answer.json"
    file.write_text(json.dumps(right()))
    assert main(["grade", TASK_ID, str(file)]) == 0
    wrong = copy.deepcopy(right())
    wrong[COPY_FIRST][INSTALL] = "cached"
    file.write_text(json.dumps(wrong))
    assert main(["grade", TASK_ID, str(file)]) == 1
    assert "6 of 7 right" in capsys.readouterr().out
    file.write_text("{")
    assert main(["grade", TASK_ID, str(file)]) == 2
    assert main(["grade", TASK_ID, str(tmp_path / "none.json")]) == 2
    file.write_bytes(b"\xff\xfe\x00")
    assert main(["grade", TASK_ID, str(file)]) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.usefixtures("engine_says")
def test_widget_grades_a_prediction() -> None:
    answer = right()
    answer[COPY_FIRST]["WORKDIR /app"] = "rebuilt"
    widget = exercise(TASK_ID)
    widget.check(answer)
    widget.wait(20)
    assert widget.status == "6 of 7 right" and not widget.is_checking
    assert [check["passed"] for check in widget.verdict["checks"]] == [False] + [True] * 6


def test_widget_survives_any_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: object, **__: object) -> None:
        raise ZeroDivisionError("<b>")

    monkeypatch.setattr(predict_cache, "compare_orders", build)
    widget = exercise(TASK_ID)
    widget.check(right())
    widget.wait(20)
    assert widget.verdict["passed"] is None and "not your mistake" in widget.status
