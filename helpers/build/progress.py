"""Reads BuildKit's progress stream (`--progress=rawjson`): the state of each build graph node.

Source: BuildKit's `client.SolveStatus`, which buildx prints as JSON.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class Vertex:
    """One node of the build graph, as far as BuildKit has reported it."""

    name: str
    cached: bool = False
    error: str = ""
    intervals: dict[str, str] = field(default_factory=dict)  # start to end, "" while running
    output: bytearray = field(default_factory=bytearray)

    @property
    def seconds(self) -> float:
        """Return how long it ran: the sum of its intervals, in seconds."""
        read = datetime.fromisoformat
        ended = [(read(start), read(end)) for start, end in self.intervals.items() if end]
        return sum(max(0.0, (end - start).total_seconds()) for start, end in ended)


@dataclass
class BuildProgress:
    """All vertexes by digest, and the lines of plain text that buildx printed between messages."""

    vertexes: dict[str, Vertex] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)

    def apply(self, message: Mapping[str, Any]) -> str | None:
        """Apply one message; return the name of a vertex that has just started, if any."""
        started_name = None
        for item in message.get("vertexes") or ():
            vertex = self.vertexes.setdefault(item["digest"], Vertex(item["name"]))
            started, completed = item.get("started"), item.get("completed")
            if started:
                vertex.intervals[started] = completed or vertex.intervals.get(started, "")
                if not completed:
                    started_name = vertex.name
            vertex.cached = bool(item.get("cached")) or (vertex.cached and not completed)
            vertex.error = item.get("error") or vertex.error
        for item in message.get("logs") or ():
            if item.get("vertex") in self.vertexes:
                data = base64.b64decode(item.get("data") or "")
                self.vertexes[item["vertex"]].output += data
        return started_name

    def with_earlier(self, earlier: BuildProgress) -> BuildProgress:
        """Return this progress of a repeated build, with the steps that the earlier try had run.

        Steps are joined by name: their digests depend on the session that sends the build context.
        """
        ran = {each.name: each for each in earlier.vertexes.values() if not each.error}
        vertexes = {
            digest: ran[vertex.name] if vertex.cached and vertex.name in ran else vertex
            for digest, vertex in self.vertexes.items()
        }
        return BuildProgress(vertexes, self.text)


def read_messages(lines: Iterable[str], text: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the JSON messages of a progress stream, one a line; append other lines to `text`."""
    for line in lines:
        try:
            message = json.loads(line)
        except json.JSONDecodeError:
            message = None
        if isinstance(message, dict):
            yield message
        elif line.strip():
            text.append(line.rstrip("\r\n"))
