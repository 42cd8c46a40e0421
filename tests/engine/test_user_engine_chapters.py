"""All chapters on an engine that plays a user's: the same facts, and nothing of the user's changed."""

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
CHAPTERS = sorted((CHECKOUT / "notebooks").glob("*.ipynb"))


def test_all_chapters_keep_user_engine(private_engine: Engine) -> None:
    """Run every chapter on the containerd store, in a network namespace."""
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    with network_namespace(PrivateEngine().network.env) as prefix:
        completed = subprocess.run(
            [*prefix, sys.executable, "-m", "tests.engine.user_engine_chapters", *CHAPTERS],
            cwd=CHECKOUT,
            env=env,
            text=True,
            capture_output=True,
            check=False,
            timeout=1800,
            stdin=subprocess.DEVNULL,
        )
    assert completed.returncode == 0, completed.stdout + completed.stderr
