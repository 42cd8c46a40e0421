"""Errors with a message for the student: what happened, and what to do next."""

from __future__ import annotations


class CourseError(Exception):
    """An error in one line (`message`), with the next step in `hint`.

    On the command line it is printed and ends the program with `exit_code`. In a notebook, IPython
    calls `_render_traceback_` and shows the message instead of a stack trace.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n→ {self.hint}" if self.hint else self.message

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


class EngineUnavailable(CourseError):
    """There is no engine that the course can use."""


class NotResolvable(CourseError):
    """apt can't install these packages together on this system."""
