"""The stop times without an engine: facts without seconds, the table, the signal mask."""

from __future__ import annotations

import dataclasses

import pytest

from helpers.experiments.stopping.measure import _has_handler
from helpers.experiments.stopping.result import Stop, StopTimes
from helpers.experiments.stopping.view import mimebundle

STOP = Stop("flask-exec", False, "flask", "SIGTERM", False, 10.4, 137)
RESULT = StopTimes((STOP, Stop("flask-exec", True, "docker-init", "SIGTERM", False, 0.2, 143)))


def test_facts_have_no_seconds() -> None:
    assert RESULT.facts().splitlines() == [
        "flask-exec: 10 s or more, exit code 137",
        "flask-exec with --init: under 5 s, exit code 143",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.1, "under 5 s"), (5.0, "5 to 10 s"), (9.99, "5 to 10 s"), (10.0, "10 s or more")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert dataclasses.replace(STOP, seconds=seconds).duration == words


def test_table_says_who_handles_the_signal() -> None:
    plain, with_init = RESULT.text().splitlines()[1:]
    assert "SIGTERM: no" in plain and "10.4 s" in plain
    assert "SIGTERM: passes it on" in with_init and "docker run --init" in with_init
    assert mimebundle(RESULT)["text/html"].count("<tr>") == 3


@pytest.mark.parametrize(
    ("mask", "name", "handled"),
    [
        ("0000000000000002", "SIGINT", True),
        ("0000000000000002", "SIGTERM", False),
        ("0000000108314a07", "SIGTERM", True),
        ("0000000000010002", "SIGTERM", False),
    ],
)
def test_handlers_are_read_from_the_mask(mask: str, name: str, handled: bool) -> None:
    assert _has_handler({"SigCgt": mask}, name) is handled
