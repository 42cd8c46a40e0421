"""Read the running project of the current folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers.compose.project import read_project
from helpers.engine.find import connect
from helpers.experiments.composition.result import ProjectDiagram

if TYPE_CHECKING:
    from helpers.engine.engine import Engine


def show_project(engine: Engine | None = None) -> ProjectDiagram:
    """Return the project of the current folder as the engine runs it now.

    It reads `docker compose config` and `docker compose ps --all`. Raises CourseError if the
    Compose file is wrong.

    Example:
        %docker compose up -d --wait
        show_project()
    """
    return ProjectDiagram(read_project(engine or connect()))
