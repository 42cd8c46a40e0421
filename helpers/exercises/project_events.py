"""What the engine reports of a Compose project while it starts: starts, ends, and health."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from helpers.compose.containers import PROJECT_LABEL, SERVICE_LABEL
from helpers.engine.engine import Engine

HEALTHY = "health_status: healthy"


@dataclass
class Events:
    """The events of a project's containers so far, oldest first."""

    seen: list[dict[str, Any]] = field(default_factory=list)

    def first(self, service: str, action: str) -> float | None:
        """Return when a service had its first event of this kind, in s since 1970, or None."""
        for event in list(self.seen):
            attributes = event["Actor"]["Attributes"]
            if event["Action"] == action and attributes[SERVICE_LABEL] == service:
                return float(event["timeNano"] / 1e9)
        return None


@contextmanager
def record_events(engine: Engine, project: str) -> Iterator[Events]:
    """Record the events of a project's containers as they happen.

    The engine keeps its last 256 events only, and each run of a health check has three.
    """
    filters = {"type": "container", "label": f"{PROJECT_LABEL}={project}"}
    events = Events()
    stream = engine.client.events(since=int(time.time()), filters=filters, decode=True)

    def read() -> None:
        with suppress(Exception):  # the end of the stream, when it is closed
            events.seen.extend(stream)

    reader = threading.Thread(target=read, name="course-events", daemon=True)
    reader.start()
    try:
        yield events
    finally:
        stream.close()
        reader.join(5)
