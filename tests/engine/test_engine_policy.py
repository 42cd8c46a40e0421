"""The engine policy against real engines: the user's own is used and left as it was."""

from __future__ import annotations

import subprocess
import sys

import pytest

from helpers.engine import find
from helpers.engine.engine import Engine
from helpers.engine.owner import CHECKOUT
from helpers.engine.private import PrivateEngine
from helpers.errors import EngineUnavailable

pytestmark = pytest.mark.engine


def helpers(engine: Engine, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "helpers", *args], cwd=CHECKOUT, env=engine.env,
                          text=True, capture_output=True, check=False, timeout=120,
                          stdin=subprocess.DEVNULL)


def test_an_engine_that_answers_is_used(own_engine: Engine) -> None:
    found = find.find_own()
    assert found is not None
    assert (found.kind, found.host) == ("own", own_engine.host)


def test_doctor_and_clean_leave_a_users_engine_as_it_was(own_engine: Engine) -> None:
    lists = [["ps", "-aq"], ["images", "-q"], ["volume", "ls", "-q"], ["network", "ls", "-q"]]
    before = [own_engine.run(*each).stdout for each in lists]
    assert "your own" in helpers(own_engine, "doctor").stdout
    assert helpers(own_engine, "clean").returncode == 0
    assert [own_engine.run(*each).stdout for each in lists] == before


def test_a_named_engine_that_is_stopped_is_said_in_one_message(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(EngineUnavailable, match="no engine answers there"):
        find.find_own()


def test_the_private_engine_starts_twice_and_stops_once(
        engine: Engine, second_daemon: PrivateEngine) -> None:
    second_daemon.start()
    second_daemon.leases.take("somebody-else")
    second_daemon.release()
    assert second_daemon.answer() is not None
    second_daemon.leases.drop("somebody-else")
    second_daemon.start()
    second_daemon.release()
    assert second_daemon.answer() is None
