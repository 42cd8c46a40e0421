"""The dashboard: what appears, what a button does, and that it ends."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from helpers.engine.base_image import REAL, image_for
from helpers.engine.engine import Engine
from helpers.engine.labels import labels
from helpers.engine.private import PrivateEngine
from helpers.errors import CourseError
from helpers.experiments.dashboard import widget
from helpers.experiments.dashboard.feed import LOST, MOST_STREAMS
from helpers.experiments.dashboard.widget import STOPPED, Dashboard
from helpers.process import wait_until

pytestmark = pytest.mark.engine
COUNT = "import time\nfor i in range(99): print('line', i, flush=True); time.sleep(0.2)"


@pytest.fixture
def name() -> str:
    return f"dash-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def run(user_engine: Engine, name: str) -> Iterator[Callable[..., str]]:
    """Return a function that runs a container with the docker command, as in a terminal."""
    label_args = [f"--label={key}={value}" for key, value in labels().items()]

    def run_container(suffix: str = "", *, foreign: bool = False) -> str:
        args = ["run", "-d", "--init", "--name", name + suffix, *([] if foreign else label_args)]
        completed = user_engine.run(*args, image_for(user_engine, REAL), "python", "-c", COUNT)
        assert completed.returncode == 0, completed.stderr
        key = completed.stdout.strip()
        # A container that is stopped before its program runs exits with 2, from runc.
        assert wait_until(lambda: user_engine.run("logs", key).stdout, 10)
        return key

    yield run_container
    for container in user_engine.run("ps", "-aq", "--filter", f"name={name}").stdout.split():
        user_engine.run("rm", "-f", container)


@pytest.fixture
def view(user_engine: Engine) -> Iterator[Dashboard]:
    opened = Dashboard(user_engine.host)
    yield opened
    opened.stop()


def row(view: Dashboard, name: str) -> dict[str, Any] | None:
    return next((row for row in view.containers if row["name"] == name), None)


def threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("course-dashboard")]


def press(view: Dashboard, verb: str, key: str, kind: str = "containers") -> None:
    """Send what the page sends when a button is pressed."""
    view._receive(view, {"verb": verb, "kind": kind, "id": key}, [])


def test_container_appears_within_a_second(
    view: Dashboard, run: Callable[..., str], name: str
) -> None:
    run()
    began = time.monotonic()
    assert wait_until(lambda: (row(view, name) or {}).get("running"), 5)
    assert time.monotonic() - began < 1
    assert row(view, name)["course"]


def test_buttons_stop_start_and_remove(
    view: Dashboard, run: Callable[..., str], name: str, user_engine: Engine
) -> None:
    key = run()
    assert wait_until(lambda: row(view, name), 5)
    press(view, "stop", key)
    assert wait_until(lambda: (row(view, name) or {}).get("cells", [""])[-1] == "exited (143)", 15)
    assert wait_until(lambda: view.message == f"Stopped {name}.", 5)
    press(view, "start", key)
    assert wait_until(lambda: (row(view, name) or {}).get("running"), 10)
    press(view, "remove", key)
    assert wait_until(lambda: "Docker says" in view.message and "stop" in view.message, 10)
    press(view, "stop", key)
    assert wait_until(lambda: not (row(view, name) or {}).get("running"), 15)
    press(view, "remove", key)
    assert wait_until(lambda: row(view, name) is None, 10)
    assert user_engine.run("inspect", key).returncode == 1


def test_foreign_container_is_left_alone(
    view: Dashboard, run: Callable[..., str], name: str, user_engine: Engine
) -> None:
    key = run(foreign=True)
    assert wait_until(lambda: row(view, name), 5)
    assert not row(view, name)["course"]
    for verb in ("stop", "remove", "logs"):
        press(view, verb, key)
    time.sleep(1)
    running = user_engine.run("inspect", "-f", "{{.State.Running}}", key).stdout.strip()
    assert (running, view.logs, view.message) == ("true", {}, "")


def test_usage_is_read_for_rows_in_view(
    view: Dashboard, run: Callable[..., str], name: str
) -> None:
    seen, hidden = run("-seen"), run("-hidden")
    assert wait_until(lambda: row(view, f"{name}-hidden"), 5)
    view.in_view = [seen]
    assert wait_until(lambda: list(view.usage) == [seen], 10)
    assert view.usage[seen][0].endswith("%") and view.usage[seen][1].endswith("iB")
    view.in_view = [hidden]
    assert wait_until(lambda: list(view.usage) == [hidden], 10)


def test_streams_are_bounded(view: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    monkeypatch.setattr(view._feed, "_read_stats", started.append)
    monkeypatch.setattr(view._feed, "_wanted", lambda: [str(n) for n in range(MOST_STREAMS + 9)])
    view._feed._start_streams()
    assert wait_until(lambda: len(view._feed._streamed) == MOST_STREAMS, 5)


def test_logs_follow_the_container(view: Dashboard, run: Callable[..., str], name: str) -> None:
    key = run()
    assert wait_until(lambda: row(view, name), 5)
    press(view, "logs", key)
    assert wait_until(lambda: "line 3" in view.logs.get("text", ""), 10)
    assert view.logs["name"] == name
    press(view, "close logs", "")
    assert view.logs == {}
    assert wait_until(lambda: "course-dashboard-logs" not in threads(), 5)


def test_stopped_dashboard_keeps_course_objects(
    view: Dashboard, run: Callable[..., str], name: str
) -> None:
    run()
    run("-foreign", foreign=True)
    assert wait_until(lambda: row(view, f"{name}-foreign"), 5)
    view.stop()
    assert row(view, name) and not row(view, f"{name}-foreign")
    assert all(thing["course"] for thing in (*view.images, *view.networks, *view.volumes))


def test_opening_again_stops_the_first(
    user_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(widget, "connect", lambda: user_engine)
    monkeypatch.setattr(widget, "_open", None)
    first = widget.dashboard()
    second = widget.dashboard()
    assert (first.is_open, first.message, second.is_open) == (False, STOPPED, True)
    second.stop()
    second.stop()
    assert wait_until(lambda: not threads(), 5), threads()


def test_engine_restart_reconnects(
    second_daemon: PrivateEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(widget, "_open", None)
    monkeypatch.setattr(widget, "connect", lambda: second_daemon.engine("28"))
    view = Dashboard(second_daemon.host)
    messages: list[str] = []
    view.observe(lambda change: messages.append(change["new"]), names="message")
    try:
        second_daemon.halt()
        assert wait_until(lambda: view.message == LOST, 10)
        with pytest.raises(CourseError, match="engine start"):
            widget.dashboard()
        time.sleep(2.5)
        second_daemon.launch()
        assert wait_until(lambda: view.message == "Connected to the engine again.", 15)
        client = second_daemon.engine("28").client
        client.volumes.create("after-restart", labels=labels())
        assert wait_until(lambda: "after-restart" in str(view.volumes), 3)
    finally:
        view.stop()
    assert messages == [LOST, "Connected to the engine again.", STOPPED]
    assert wait_until(lambda: not threads(), 5), threads()
