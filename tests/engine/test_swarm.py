"""Swarm: no request fails during an update, and the engine is as before; never on a user's."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from helpers.engine.engine import Engine
from helpers.engine.private import PrivateEngine
from helpers.paths import CHECKOUT
from tests.network import network_namespace

pytestmark = pytest.mark.engine


def test_swarm_leaves_engine_as_before(private_engine: Engine) -> None:
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    with network_namespace(PrivateEngine().network.env) as prefix:
        completed = subprocess.run(
            [*prefix, sys.executable, "-m", "tests.engine.swarm_engine"],
            cwd=CHECKOUT,
            env=env,
            text=True,
            capture_output=True,
            check=False,
            timeout=400,
            stdin=subprocess.DEVNULL,
        )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert "not run on your own engine" in completed.stdout
