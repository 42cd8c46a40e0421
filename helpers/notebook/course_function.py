"""Turns a function of the course into one for notebooks: with progress and friendly errors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from helpers.errors import CourseError, EngineUnavailable, Stopped
from helpers.notebook.progress_bar import show_progress

HIDDEN = ("on_progress", "engine")
P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def friendly_errors(activity: str) -> Iterator[None]:
    """Raise Ctrl-C and the errors of the docker SDK as a CourseError, which has no stack trace."""
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped(f"You stopped {activity}.", "Run the cell again to start over.") from None
    except APIError as error:
        raise CourseError(
            f"Docker says: {error.explanation or error}",
            "Run `python3 -m helpers doctor` to check your setup.",
        ) from None
    except (DockerException, RequestException, ConnectionError, TimeoutError) as error:
        raise EngineUnavailable(
            f"The Docker Engine stopped answering ({type(error).__name__}).",
            "Run `python3 -m helpers doctor` to check your setup.",
        ) from None


def course_function(activity: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that shows progress and friendly errors while a function runs.

    `activity` is what Ctrl-C stops, such as "the build". The function keeps its name, docstring
    and signature, except the parameters `on_progress` and `engine`, which a student neither sees
    nor passes.

    Example:
        @course_function("the build")
        def build(folder: str, on_progress: Callable[[str], None] | None = None) -> None: ...

        help(build)  # build(folder: str) -> None
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        full = inspect.signature(function)
        visible = full.replace(
            parameters=[p for p in full.parameters.values() if p.name not in HIDDEN]
        )

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                visible.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{function.__name__}(): {error}") from None
            with friendly_errors(activity):
                if "on_progress" not in full.parameters:
                    return function(*args, **kwargs)
                with show_progress() as update:
                    kwargs["on_progress"] = update
                    return function(*args, **kwargs)

        run.__signature__ = visible  # type: ignore[attr-defined]
        return run

    return decorate
