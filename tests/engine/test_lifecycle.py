"""A container's life read from the events of a real engine."""

from __future__ import annotations

import secrets

import pytest

from helpers.engine.base_image import REAL, image_for
from helpers.engine.engine import Engine
from helpers.engine.labels import labels
from helpers.experiments.lifecycle.measure import follow

pytestmark = pytest.mark.engine


@pytest.fixture
def engine(each_engine: Engine) -> Engine:
    return each_engine


def test_every_state_is_seen(engine: Engine, leaves_nothing: None) -> None:
    name = f"life-{secrets.token_hex(3)}"
    seen: list[str] = []
    life = follow(name, engine, lambda life: seen.append(life.current))
    label_args = [f"--label={key}={value}" for key, value in labels().items()]
    image = image_for(engine, REAL)
    for args in (
        ["create", "--name", name, *label_args, image, "sleep", "60"],
        *(["start", name], ["pause", name], ["unpause", name], ["kill", name], ["start", name]),
        ["rm", "-f", name],
    ):
        completed = engine.run(*args)
        assert completed.returncode == 0, completed.stderr
    states = ["created", "running", "paused", "running", "exited", "running", "exited", "removed"]
    assert life.facts().splitlines() == ["not created", *states]
    assert seen == states
