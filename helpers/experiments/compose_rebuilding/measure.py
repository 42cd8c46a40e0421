"""Change a copy of the project, run `docker compose up` with some flags, and compare the ids."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from helpers.compose.copy import ProjectCopy, try_on_copies
from helpers.engine.find import connect
from helpers.errors import CourseError
from helpers.experiments.compose_rebuilding.result import (
    CHANGES,
    CODE,
    CONFIGURATION,
    Attempt,
    RebuildComparison,
)

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

BUILD, FORCE, NO_DEPS = "--build", "--force-recreate", "--no-deps"
FLAG_SETS = ((), (BUILD,), (FORCE,), (NO_DEPS,), (BUILD, FORCE, NO_DEPS))


def compare_rebuilds(
    service: str = "web",
    code: str = "app.py",
    flag_sets: Sequence[tuple[str, ...]] = FLAG_SETS,
    on_progress: Callable[[str], None] | None = None,
    engine: Engine | None = None,
) -> RebuildComparison:
    """Run `docker compose up -d` for one service with no flag, each flag, and all three.

    `flag_sets` names other combinations. Each is tried on a copy of the current folder's project,
    after no change, after a new line in the file `code`, and after a new environment variable for
    the service and for all that it depends on. Image and container ids before and after say what
    was replaced. Raises CourseError if the project doesn't start, or has no such service or file.

    Example:
        compare_rebuilds("web")
    """
    progress = on_progress or (lambda _: None)

    def try_flags(copy: ProjectCopy, some: Sequence[tuple[str, ...]]) -> list[Attempt]:
        if service not in copy.config["services"]:
            names = ", ".join(sorted(copy.config["services"]))
            raise CourseError(f"The project has no service {service!r}.", f"Choose one of: {names}")
        if not (copy.folder / code).is_file():
            raise CourseError(f"The project has no file {code!r}.", 'Example: code="app.py"')
        numbers = itertools.count()
        attempts = []
        for flags in some:
            progress("up -d --build")
            copy.run("up", "-d", "--build")  # with all that earlier attempts left out
            for change in CHANGES:
                progress(f"up -d {' '.join(flags)} {service}: {change}")
                _change(copy, change, next(numbers), service, code)
                before = copy.objects()
                copy.run("up", "-d", *flags, service)
                after = copy.objects()
                images = _list_new(before.images, after.images)
                containers = _list_new(before.containers, after.containers)
                attempts.append(Attempt(flags, change, images, containers))
        return attempts

    attempts = try_on_copies(engine or connect(), flag_sets, try_flags)
    return RebuildComparison(service, tuple(attempts))


def _list_new(before: dict[str, str], after: dict[str, str]) -> tuple[str, ...]:
    """Return the services whose image or container is another one, by ids before and after."""
    return tuple(sorted(name for name in after if after[name] != before.get(name)))


def _change(copy: ProjectCopy, change: str, number: int, service: str, code: str) -> None:
    if change == CODE:
        with (copy.folder / code).open("a", encoding="utf-8") as file:
            file.write(f"# change {number}\n")
    elif change == CONFIGURATION:
        settings = copy.config["services"]
        for name in (service, *settings[service].get("depends_on", {})):
            settings[name].setdefault("environment", {})["COURSE_CHANGE"] = str(number)
