"""The states of a container's life and their diagram."""

from __future__ import annotations

import pytest

from helpers.experiments.lifecycle.result import ContainerLife
from helpers.experiments.lifecycle.view import bundle


def test_states_follow_events() -> None:
    life = ContainerLife("web")
    for event in ("create", "start", "pause", "unpause", "kill", "die", "stop", "destroy"):
        life.add(event)
    states = ["not created", "created", "running", "paused", "running", "exited", "removed"]
    assert life.facts().splitlines() == states


@pytest.mark.parametrize("event", ["exec_create", "attach", "kill", "stop"])
def test_other_events_change_nothing(event: str) -> None:
    life = ContainerLife("web")
    assert not life.add(event)
    assert life.current == "not created"


def test_current_state_is_marked() -> None:
    life = ContainerLife("web")
    assert "class created current" not in bundle(life)["text/vnd.mermaid"]
    life.add("create")
    assert "class created current" in bundle(life)["text/vnd.mermaid"]
    assert bundle(life)["text/plain"] == "web: created"
