"""How much longer each of five answers takes when all are graded at once."""

from __future__ import annotations

import statistics

import pytest

from helpers.engine.engine import Engine
from tests.exercises.cases import TASK_IDS, find_cases, list_problems, time_verdicts

pytestmark = [pytest.mark.engine, pytest.mark.benchmark]

AT_ONCE = 5
BOUND = 3  # times as long as one alone


@pytest.mark.parametrize("task_id", TASK_IDS)
def test_five_at_once_take_at_most_three_times_as_long(engine: Engine, task_id: str) -> None:
    cases = find_cases(task_id, "solution")
    assert list_problems(cases, engine) == []  # what is made once is there
    alone = statistics.median(time_verdicts(cases, engine, at_once=1)[0] for _ in range(3))
    together = time_verdicts(cases * AT_ONCE, engine, at_once=AT_ONCE)
    slowest = max(together)
    print(f"\n{task_id}: alone {alone:.1f} s, five at once {min(together):.1f} to {slowest:.1f} s")
    assert slowest <= BOUND * alone
