"""The helper's clock against an independent one: a container's whole life, in paired runs.

The helper also attaches to the container's output, so that it can tell the first line's moment;
the bare calls do not.
"""

from __future__ import annotations

import statistics
import time

import pytest

from helpers.engine.engine import Engine
from helpers.engine.labels import labels
from helpers.experiments.startup.measure import time_short_container
from helpers.experiments.startup.result import REMOVED
from helpers.vm import guests

pytestmark = [pytest.mark.engine, pytest.mark.benchmark]

PAIRS = 20
MOST_APART = 0.10


def test_create_start_wait_remove_agrees_with_the_bare_calls(engine: Engine) -> None:
    guests.ensure(engine, guests.SERVER)

    def bare() -> float:
        began = time.perf_counter()
        container = engine.client.containers.create(
            guests.SERVER, ["echo", "hello"], labels=labels()
        )
        container.start()
        container.wait()
        container.remove()
        return time.perf_counter() - began

    def ours() -> float:
        return time_short_container(engine)[REMOVED]

    bare(), ours()  # warm up
    pairs = []
    for turn in range(PAIRS):  # which goes first alternates
        if turn % 2:
            told, alone = ours(), bare()
        else:
            alone, told = bare(), ours()
        pairs.append((alone, told))
    alone, told = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(told / alone for alone, told in pairs)
    print(
        f"\nbare {alone * 1000:.0f} ms, time_short_container {told * 1000:.0f} ms, "
        f"ratio {ratio:.3f} (median of {PAIRS} pairs)"
    )
    assert abs(ratio - 1) <= MOST_APART, pairs
