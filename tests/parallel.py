"""The whole suite in two processes of pytest-xdist, each with an engine of its own.

One process runs what uses the private engine, in order, because chapters and tests share its names
and ports. The other runs what uses a second engine. Tests without an engine fill the gaps.
"""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# These start engines of their own.
SECOND_ENGINE = (
    "test_cleanup.py",
    "test_engine_policy.py",
    "test_private_life.py",
    "test_user_engine_chapters.py",
    "user_engine",
)


class EngineScheduling(LoadScopeScheduling):
    """Keep the tests of one engine in one process. (xdist's loadgroup does not know pytest 9.2.)"""

    def _split_scope(self, nodeid: str) -> str:
        """Return the engine that a test uses; a test without an engine is a scope by itself."""
        if nodeid.startswith("tests/unit/"):
            return nodeid
        if "private_engine" in nodeid:
            return "private"
        return "second" if any(name in nodeid for name in SECOND_ENGINE) else "private"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> EngineScheduling:
    """Return the scheduler for `-n 2`."""
    return EngineScheduling(config, log)
