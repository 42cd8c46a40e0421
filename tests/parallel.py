"""The whole suite in three processes of pytest-xdist; each takes the next group of tests when free.

Chapters on the private engine share names and ports, so they run in order in one process. Other tests
and the exercises have their own names and ports, and some groups start their own engines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from _pytest.terminal import TerminalReporter
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import NodeManager

# After Ctrl-C, xdist kills a process that has not ended after 10 s. Stopping an engine takes longer.
NodeManager.EXIT_TIMEOUT = 120

PRIVATE_ENGINE = "private engine"
# Leaves a swarm, and all running containers of the engine lose their names (moby/moby#45144). The
# first of its group: the groups that start with it use the second engine, or no containers.
SWARM_CHAPTER = "notebooks/08"
# A group, and what the ids of its tests contain. The first that matches is used.
GROUPS = {
    "chapters on the second engine": r"test_user_engine_chapters\.py",
    "second engine": r"user_engine|test_(chapter_04|cleanup|engine_policy|private_life|storage)\.py"
    r"|engine/test_(chapter_\w+_faults|dashboard)\.py",
    "answers for Compose": r"tests/exercises/.*\[0[78]-",
    "answers": r"tests/exercises/",
    "exercises": r"exercises\.py|test_capstone\.py|exercise_verdicts\.ipynb",
    "slides": r"test_slides\.py.*\[0[1-8]_",
    "chapters": r"^notebooks/|tests/notebooks/|tests/browser/|chapter|rehearse|test_lab\.py",
    "builds": r"test_(build|caching|layers)\.py",
    PRIVATE_ENGINE: r"tests/engine/",
}
# The long ones first, after those that must not run beside `SWARM_CHAPTER`'s swarm. xdist gives a
# process its next group when two tests of the last one are left.
START = (
    "chapters on the second engine",
    "chapters",
    "slides",
    "second engine",
    "answers for Compose",
    PRIVATE_ENGINE,
    "exercises",
    "answers",
    "builds",
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


@dataclass
class FailureLines:
    """Prints a line when a test fails; pytest shows the failures at the end of the suite."""

    terminal: TerminalReporter

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print the name of a test that failed, and its error's first line."""
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            error = (crash.message if crash else report.longreprtext).partition("\n")[0]
            self.terminal.write_line(f"\nFAILED {report.nodeid}: {error[:200]}", red=True)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Print failures as they happen, in the process that has the terminal."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal and not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(FailureLines(terminal))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> EngineScheduling:
    """Return the scheduler for `-n 3`."""
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
