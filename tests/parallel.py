"""The whole suite in two processes of pytest-xdist; each takes the next group of tests when free.

Chapters and tests on the private engine share names and ports, so they run in order in one process.
Exercises have names and ports of their own, and the others start engines of their own.
"""

from __future__ import annotations

import re

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# A group, and what the ids of its tests contain. The first that matches is used.
GROUPS = {
    "second engine": r"user_engine|test_(chapter_04|cleanup|engine_policy|private_life)\.py",
    "exercises": r"tests/exercises/|test_capstone\.py|exercise_verdicts\.ipynb",
    "stored slides": r"test_slides\.py.*\[0[235678]_",
}


class EngineScheduling(LoadScopeScheduling):
    """Keep the tests of a group in one process. (xdist's loadgroup does not know pytest 9.2.)"""

    def _split_scope(self, nodeid: str) -> str:
        """Return the group of a test; a test without an engine is a group by itself."""
        if nodeid.startswith("tests/unit/"):
            return nodeid
        names = (name for name, pattern in GROUPS.items() if re.search(pattern, nodeid))
        return next(names, "private engine")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> EngineScheduling:
    """Return the scheduler for `-n 2`."""
    return EngineScheduling(config, log)
