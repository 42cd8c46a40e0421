"""The whole suite in two processes of pytest-xdist; each takes the next group of tests when free.

Chapters on the private engine share names and ports, so they run in order in one process. Other tests
and the exercises have their own names and ports, and some groups start their own engines.
"""

from __future__ import annotations

import re

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

PRIVATE_ENGINE = "private engine"
# Leaves a swarm, and all running containers of the engine lose their names (moby/moby#45144). The
# first of its group, while the other process uses the second engine for ten minutes.
SWARM_CHAPTER = "notebooks/08"
# A group, and what the ids of its tests contain. The first that matches is used.
GROUPS = {
    "chapters on the second engine": r"test_user_engine_chapters\.py",
    "second engine": r"user_engine|test_(chapter_04|cleanup|engine_policy|private_life)\.py"
    r"|test_slides\.py.*\[04_",
    "exercises": r"tests/exercises/|exercises\.py|test_capstone\.py|exercise_verdicts\.ipynb",
    "stored slides": r"test_slides\.py.*\[0[235678]_",
    "chapters": r"^notebooks/|tests/notebooks/|tests/browser/|chapter|rehearse|test_lab\.py",
    "builds": r"test_(build|caching|layers)\.py",
    PRIVATE_ENGINE: r"tests/engine/",
}
# The long ones first. xdist gives a process its next group when two tests of the last one are left.
START = (
    "chapters on the second engine",
    "chapters",
    "exercises",
    "second engine",
    "builds",
    PRIVATE_ENGINE,
    "stored slides",
)


def find_group(nodeid: str) -> str:
    """Return the group of a test; a test without an engine is a group by itself."""
    if nodeid.startswith("tests/unit/"):
        return nodeid
    names = (name for name, pattern in GROUPS.items() if re.search(pattern, nodeid))
    return next(names, PRIVATE_ENGINE)


class EngineScheduling(LoadScopeScheduling):
    """Keep the tests of a group in one process. (xdist's loadgroup does not know pytest 9.2.)"""

    def _split_scope(self, nodeid: str) -> str:
        return find_group(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> EngineScheduling:
    """Return the scheduler for `-n 2`."""
    return EngineScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the groups by START: xdist starts them in the order of the collection."""
    order = {name: number for number, name in enumerate(START)}
    items.sort(
        key=lambda item: (
            order.get(find_group(item.nodeid), len(order)),
            not item.nodeid.startswith(SWARM_CHAPTER),
        )
    )
