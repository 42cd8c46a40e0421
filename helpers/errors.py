"""Every error of the course, in one tree, with the exit code it gives a command.

Exception
└── CourseError                    2   the machine lacks something, or a wrong argument
    ├── EngineUnavailable          2   there is no engine that the course can use
    ├── NotResolvable              2   apt can't install these packages together
    ├── RungMissing                2   this machine can't start a rung of the ladder
    ├── GuestNotReady              1   a virtual machine did not start in time
    ├── BuildFailed                1   a Dockerfile can't be built
    ├── Mistake                    1   a check of an exercise did not pass
    ├── DockerCommandFailed        1   a docker command exited with a code other than 0
    └── Stopped                  130   Ctrl-C or the stop button
        └── DockerCommandStopped 130   the same, in a docker command

`bootstrap.SetupError` is outside the tree, because bootstrap imports nothing of the course.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum


class ExitCode(IntEnum):
    """How a command of the course ended."""

    SUCCESS = 0
    FAILED = 1  # a chapter, a test or an answer
    CANNOT_RUN = 2  # the machine lacks something, or the command was mistyped (as in argparse)
    STOPPED = 130  # 128 + SIGINT, as a shell reports Ctrl-C


class CourseError(Exception):
    """An error in one line (`message`), with the next step in `hint`.

    On the command line it is printed and ends the program with `exit_code`. In a notebook, IPython
    calls `_render_traceback_` and shows the message instead of a stack trace.
    """

    exit_code = ExitCode.CANNOT_RUN

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


class RungMissing(CourseError):
    """A rung of the ladder from process to virtual machine can't be started on this machine."""


class GuestNotReady(CourseError):
    """A guest that ended, or was not ready in time; `phase` is the last phase it reached."""

    exit_code = ExitCode.FAILED

    def __init__(self, message: str, hint: str, phase: str) -> None:
        super().__init__(message, hint)
        self.phase = phase


class BuildFailed(CourseError):
    """A failed build: the message, what to do, the Dockerfile's line, and the last output."""

    exit_code = ExitCode.FAILED

    def __init__(
        self,
        message: str,
        hint: str,
        line: int | None = None,
        instruction: str = "",
        output: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint)
        self.line, self.instruction, self.output = line, instruction, output


class Mistake(CourseError):
    """What is wrong with an answer: a short name, what was observed, and the hints.

    The first of `hints` is for the first try. Each further try with the same mistake gets one more.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, name: str, seen: str, *hints: str) -> None:
        super().__init__(seen, " ".join(hints))
        self.name, self.seen, self.hints = name, seen, hints

    def split_hints(self, earlier: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        """Return this try's hint, and those for later; `earlier` names the mistakes before it."""
        count = 1 + list(earlier).count(self.name)
        return " ".join(self.hints[:count]), self.hints[count:]


class DockerCommandFailed(CourseError):
    """A docker command exited with `docker_code`, which is not 0."""

    exit_code = ExitCode.FAILED

    def __init__(self, line: str, docker_code: int, *, printed: bool, advice: str = "") -> None:
        super().__init__(
            f"The command exited with code {docker_code}: {line}",
            advice or ("See its output above." if printed else "It printed nothing."),
        )
        self.docker_code = docker_code


class Stopped(CourseError):
    """The user pressed Ctrl-C or the notebook's stop button."""

    exit_code = ExitCode.STOPPED


class DockerCommandStopped(Stopped):
    """A docker command was stopped by Ctrl-C or the stop button."""
