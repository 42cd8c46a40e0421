"""A project as a diagram: what is drawn, and the same as text."""

from __future__ import annotations

from dataclasses import dataclass

from helpers.compose.project import Project
from helpers.tables import text_table

CONDITIONS = {
    "service_started": "has started",
    "service_healthy": "is healthy",
    "service_completed_successfully": "has exited with code 0",
}


@dataclass(frozen=True)
class ProjectDiagram:
    """What the engine runs of a project, at the moment when it was read."""

    project: Project

    def facts(self) -> str:
        """Return each service with its state and what it waits for."""
        return "\n".join(
            f"{service.name}: {service.status}"
            + "".join(
                f", waits until {other} {CONDITIONS[how]}" for other, how in service.depends_on
            )
            for service in self.project.services
        )

    def text(self) -> str:
        """Return a table of the services."""
        rows = [
            (each.name, each.status, each.image, " ".join(each.ports), " ".join(each.volumes))
            for each in self.project.services
        ]
        heads = ("service", "state", "image", "ports", "volumes")
        return f"project {self.project.name}\n\n{text_table([heads, *rows])}"
