"""The result of a rolling update, and what the functions do on a user's engine: nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from helpers.engine.engine import Engine
from helpers.experiments.swarm import measure
from helpers.experiments.swarm.result import NOT_RUN, RollOut
from helpers.experiments.swarm.view import show_roll_out

UPDATE = RollOut(True, 12.3, 700, 700, 0, {"1": 300, "2": 400})
USER = Engine("unix:///user.sock", "user", "29.0.0", docker="/no/such/docker")


def test_table_has_all_counts() -> None:
    text = UPDATE.text()
    assert "700" in text and "version 2" in text and "12 s" in text
    assert "<table" in show_roll_out(UPDATE)["text/html"]


def test_facts_name_failed_requests() -> None:
    assert (
        UPDATE.facts()
        == RollOut(ran=False).facts()
        == "failed requests: none, or the update was not run"
    )
    failed = dataclasses.replace(UPDATE, failed=3, answered=697)
    assert failed.facts() == "requests sent: 700, failed: 3"
    assert dataclasses.replace(UPDATE, sent=20).facts() != UPDATE.facts()


def test_not_run_has_no_table() -> None:
    assert show_roll_out(RollOut(ran=False)) == {"text/plain": NOT_RUN}


@pytest.mark.parametrize("state", ["inactive", "active"])
def test_user_engine_is_left_alone(
    state: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a swarm or not; the only command is the question whether it is in one."""
    commands: list[tuple[str, ...]] = []

    def run(_engine: Engine, *args: str, **_options: Any) -> Any:
        commands.append(args)
        return type("Completed", (), {"stdout": state, "returncode": 0})

    monkeypatch.setattr(Engine, "run", run)
    measure.start_swarm(engine=USER)
    measure.run_in_swarm("docker service ls\ndocker stack rm shop", engine=USER)
    measure.kill_replica(engine=USER)
    measure.leave_swarm(engine=USER)
    assert measure.roll_out("docker service update web", engine=USER) == RollOut(ran=False)
    assert {args[0] for args in commands} == {"info"}
    output = capsys.readouterr().out
    assert output.count(NOT_RUN) == 4
    assert ("in a swarm already" in output) is (state == "active")
