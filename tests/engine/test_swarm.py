"""Swarm: no request fails during an update, and the engine is as before; never on a user's."""

from __future__ import annotations

import pytest

from helpers.engine.engine import Engine
from tests.network import run_in_namespace

pytestmark = pytest.mark.engine


def test_swarm_leaves_engine_as_before(private_engine: Engine) -> None:
    output = run_in_namespace("tests.engine.swarm_engine", timeout=400)
    assert "not run on your own engine" in output
