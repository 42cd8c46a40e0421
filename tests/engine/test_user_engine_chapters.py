"""All chapters on an engine that plays a user's: the same facts, and nothing of the user's changed."""

from __future__ import annotations

import pytest

from helpers.engine.engine import Engine
from helpers.paths import CHECKOUT
from tests.network import run_in_namespace

pytestmark = pytest.mark.engine
CHAPTERS = sorted((CHECKOUT / "notebooks").glob("*.ipynb"))


def test_all_chapters_keep_user_engine(private_engine: Engine) -> None:
    """Run every chapter on the containerd store, in a network namespace."""
    chapters = map(str, CHAPTERS)
    run_in_namespace("tests.engine.user_engine_chapters", *chapters, timeout=1800)
