"""Shows an error of the docker SDK in a student's cell as one message with the next step."""

from __future__ import annotations

from docker.errors import APIError, DockerException

from helpers.engine.find import connect
from helpers.errors import CourseError
from helpers.magic.next_step import engine_stopped, next_step


def load() -> None:
    """Let IPython show the SDK's errors without a stack trace, as it shows the course's own."""
    DockerException._render_traceback_ = render


def render(error: DockerException) -> list[str]:
    """Return the lines that a notebook shows for an error of the SDK.

    Example:
        render(ImageNotFound("404", explanation="No such image: web:latest"))
        # ["Docker says: No such image: web:latest", "→ The engine has no image web. …"]
    """
    try:
        engine = connect()
    except CourseError as unavailable:
        return str(unavailable).splitlines()
    if isinstance(error, APIError):
        message = str(error.explanation or error)
        hint = next_step(message, engine) or "Run `python3 -m helpers doctor` to check your setup."
        return str(CourseError(f"Docker says: {message}", hint)).splitlines()
    return str(
        CourseError("The Docker Engine does not answer.", engine_stopped(engine))
    ).splitlines()
