"""The states of a container's life, and the events that lead from one to the next."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

NEVER, REMOVED = "not created", "removed"
# `docker stop` and `docker kill` send a signal; the state changes with the event `die`.
STATE_AFTER = {
    "create": "created",
    "start": "running",
    "pause": "paused",
    "unpause": "running",
    "die": "exited",
    "destroy": REMOVED,
}
FACTS_SECONDS = 5.0


@dataclass
class ContainerLife:
    """The states of a container so far; another thread adds to them as the engine reports events."""

    name: str
    states: list[str] = field(default_factory=lambda: [NEVER])
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)

    @property
    def current(self) -> str:
        """Return the state that the container is in."""
        return self.states[-1]

    def add(self, event: str) -> bool:
        """Add the state after an event; return whether there is one."""
        state = STATE_AFTER.get(event)
        if state is None:
            return False
        with self._changed:
            self.states.append(state)
            self._changed.notify_all()
        return True

    def wait_for(self, state: str, seconds: float) -> bool:
        """Wait until the container is in a state; return whether it is within this time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.current == state, seconds)

    def text(self) -> str:
        """Return the current state in one line."""
        return f"{self.name}: {self.current}"

    def facts(self) -> str:
        """Return all states, one a line, once the container has been removed."""
        self.wait_for(REMOVED, FACTS_SECONDS)
        return "\n".join(self.states)

    __str__ = text
