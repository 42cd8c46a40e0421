"""Functions for notebooks: the names, the signatures a student sees, progress, friendly errors."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager

import pytest
from docker.errors import APIError, DockerException
from requests.exceptions import ReadTimeout

import helpers
from helpers.errors import CourseError, EngineUnavailable, Stopped
from helpers.notebook import course_function as module
from helpers.notebook.course_function import course_function

FUNCTIONS = [name for name in helpers.__all__ if name != "load_ipython_extension"]


def test_importing_helpers_is_lazy() -> None:
    code = "import sys, helpers; print([m for m in sys.modules if 'docker' in m or '.' in m])"
    completed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "docker" not in completed.stdout and "helpers." not in completed.stdout


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_is_documented(name: str) -> None:
    function = getattr(helpers, name)
    assert function is getattr(helpers, name), "the same object each time"
    assert "Example:" in (function.__doc__ or ""), name
    assert not {"on_progress", "engine"} & set(inspect.signature(function).parameters)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = helpers.nothing


def build(
    folder: str,
    repeats: int = 3,
    *,
    on_progress: Callable[[str], None] | None = None,
    engine: object = None,
) -> str:
    """Build a folder."""
    if on_progress:
        on_progress("step 1")
    return f"{folder} {repeats} {engine}"


def test_decorator_keeps_all_but_hidden_parameters() -> None:
    decorated = course_function("the build")(build)
    assert str(inspect.signature(decorated)) == "(folder: 'str', repeats: 'int' = 3) -> 'str'"
    assert (decorated.__name__, decorated.__doc__) == ("build", "Build a folder.")
    assert decorated("app", repeats=1) == "app 1 None"


def test_decorator_shows_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    @contextmanager
    def show_progress():
        yield shown.append

    monkeypatch.setattr(module, "show_progress", show_progress)
    course_function("the build")(build)("app")
    assert shown == ["step 1"]


@pytest.mark.parametrize("arguments", [{"engine": 1}, {"on_progress": print}, {"color": 1}])
def test_hidden_or_unknown_argument_is_refused(arguments: dict[str, object]) -> None:
    decorated = course_function("the build")(build)
    with pytest.raises(TypeError, match=r"build\(\): .* unexpected keyword argument"):
        decorated("app", **arguments)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (KeyboardInterrupt(), Stopped, "You stopped the build."),
        (APIError("409", explanation="name in use"), CourseError, "Docker says: name in use"),
        (DockerException("x"), EngineUnavailable, "stopped answering"),
        (ReadTimeout("x"), EngineUnavailable, "stopped answering"),
        (ConnectionResetError(), EngineUnavailable, "stopped answering"),
        (CourseError("as it is"), CourseError, "as it is"),
    ],
)
def test_errors_are_friendly(error: BaseException, kind: type[CourseError], message: str) -> None:
    @course_function("the build")
    def fail() -> None:
        raise error

    with pytest.raises(kind, match=message):
        fail()


def test_other_errors_stay() -> None:
    with pytest.raises(ZeroDivisionError), module.friendly_errors("the build"):
        _ = 1 / 0
