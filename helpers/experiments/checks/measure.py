"""Asks Docker to check a Dockerfile: `docker build --check`, with its answer as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.engine.base_image import named_contexts
from helpers.engine.find import connect
from helpers.errors import CourseError
from helpers.experiments.checks.result import Checks, CheckWarning
from helpers.magic.next_step import next_step
from helpers.process import error_line

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

NEEDS = "build checks need Docker Engine 27 and Buildx 0.15 or newer"


def check_dockerfile(dockerfile: str | Path = "Dockerfile", engine: Engine | None = None) -> Checks:
    """Return the warnings of Docker's build checks for a Dockerfile; nothing is built.

    On an engine or a buildx that is too old, the result says so. Raises CourseError if there is no
    such file, it can't be read or its base image is missing, or no engine answers.

    Example:
        check_dockerfile("Dockerfile").warnings
    """
    engine = engine or connect()
    file = Path(dockerfile)
    if not file.is_file():
        raise CourseError(f"There is no file {str(dockerfile)!r}.", f"You are in {Path.cwd()}.")
    contexts = named_contexts(engine, file.read_text(encoding="utf-8"))
    completed = engine.run(
        *("buildx", "build", "--progress=quiet", "--call=check,format=json"),
        *(*contexts, "-f", str(file), str(file.absolute().parent)),
    )
    try:
        answer: dict[str, Any] = json.loads(completed.stdout)
    except ValueError:
        reason = error_line(completed)
        if advice := next_step(reason, engine):
            raise CourseError(f"{file.name} can't be checked: {reason}", advice) from None
        return Checks(file.name, unsupported=f"{NEEDS} ({reason})")
    if error := answer.get("buildError"):
        raise CourseError(
            f"{file.name} can't be checked: {error['message']}",
            "Correct the Dockerfile. If the message names an image, check that image's name and tag.",
        )
    return Checks(
        file.name,
        tuple(
            CheckWarning(
                each["ruleName"], each["location"]["ranges"][0]["start"]["line"], each["detail"]
            )
            for each in answer["warnings"] or ()
        ),
    )
