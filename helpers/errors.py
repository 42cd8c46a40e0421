"""Errors that a student can cause or meet, each one message that says what to do.

Knows nothing of Docker or of notebooks; IPython asks an exception for `_render_traceback_`,
and so a `CourseError` shows its message in place of a stack trace.
"""

from __future__ import annotations


class CourseError(Exception):
    """What went wrong, in one line, and in `hint` what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n→ {self.hint}" if self.hint else self.message

    def _render_traceback_(self) -> list[str]:
        """The lines IPython shows in place of a stack trace."""
        return str(self).splitlines()


class EngineUnavailable(CourseError):
    """No engine that the course can use; `hint` is the line to type."""
