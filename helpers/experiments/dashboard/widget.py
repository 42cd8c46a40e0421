"""The dashboard's widget: `dashboard.js` draws it, `feed.py` keeps it up to date."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from helpers.engine.find import connect
from helpers.errors import CourseError
from helpers.experiments.dashboard.actions import DOING, DONE, act
from helpers.experiments.dashboard.feed import FAILURES, Feed
from helpers.experiments.dashboard.result import HEADS
from helpers.experiments.dashboard.view import tables_html
from helpers.magic.next_step import engine_stopped

Rows = traitlets.List[dict[str, Any]]
Ids = traitlets.List[str]
STOPPED = (
    "This dashboard is stopped and shows the last known state of the course's objects. "
    "Run its cell again to get a live one."
)
_open: Dashboard | None = None


def dashboard() -> Dashboard:
    """Return a live view of the engine, and stop the dashboard that is already open, if any.

    Raises CourseError if no engine answers.

    Example:
        view = dashboard()
        view
    """
    global _open
    if _open:
        _open.stop()
    engine = connect()
    try:
        _open = Dashboard(engine.host)
    except FAILURES:
        raise CourseError("The Docker Engine does not answer.", engine_stopped(engine)) from None
    return _open


class Dashboard(anywidget.AnyWidget):
    """A tab for each kind of object. The course's objects have buttons, all others have none."""

    _esm = Path(__file__).with_name("dashboard.js")
    _css = Path(__file__).with_name("dashboard.css")
    containers: Rows = traitlets.List().tag(sync=True)
    images: Rows = traitlets.List().tag(sync=True)
    volumes: Rows = traitlets.List().tag(sync=True)
    networks: Rows = traitlets.List().tag(sync=True)
    usage = traitlets.Dict().tag(sync=True)
    logs = traitlets.Dict().tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)
    busy: Ids = traitlets.List().tag(sync=True)  # the ids of what a button is working on
    in_view: Ids = traitlets.List().tag(sync=True)  # the ids of the containers that can be seen
    is_open = traitlets.Bool(True).tag(sync=True)

    def __init__(self, host: str) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._feed = Feed(host, self._show)
        self.observe(lambda change: self._feed.watch_usage(change["new"]), names="in_view")
        self.on_msg(self._receive)

    def stop(self) -> None:
        """End the updates; the course's objects stay in view as they were.

        All others are left out: the notebook's file keeps what the dashboard shows last.
        """
        self._feed.close()
        with self._lock:
            self.is_open = False
            for kind in HEADS:
                setattr(self, kind, [row for row in getattr(self, kind) if row["course"]])
            shown = {row["id"] for row in self.containers}
            self.usage = {key: value for key, value in self.usage.items() if key in shown}
            self.message = STOPPED

    def _show(self, name: str, value: Any) -> None:
        with self._lock:
            if self.is_open:
                setattr(self, name, value)

    def _receive(self, _widget: object, content: dict[str, str], _buffers: object) -> None:
        """Do what a button asks for, in a thread: stopping a container can take ten seconds."""
        if not self.is_open:
            return
        verb, kind, key = content["verb"], content.get("kind", ""), content.get("id", "")
        if verb == "close logs":
            self._feed.close_logs()
        elif verb == "logs":
            if row := self._row("containers", key):
                self._feed.open_logs(key, row["name"])
        elif row := self._row(kind, key):
            threading.Thread(
                target=self._act, args=(verb, kind, row), daemon=True, name="course-dashboard-act"
            ).start()

    def _row(self, kind: str, key: str) -> dict[str, Any] | None:
        """Return the row of a course object."""
        rows = getattr(self, kind)
        return next((row for row in rows if row["id"] == key and row["course"]), None)

    def _act(self, verb: str, kind: str, row: dict[str, Any]) -> None:
        self._show("message", f"{DOING[verb]} {row['name']} …")
        self._show("busy", [*self.busy, row["id"]])
        try:
            act(self._feed.api, kind, row["id"], verb)
            message = f"{DONE[verb]} {row['name']}."
        except CourseError as error:
            message = f"{row['name']}: {error}"
        except FAILURES:
            message = f"{row['name']}: the engine did not answer."
        self._show("busy", [key for key in self.busy if key != row["id"]])
        self._show("message", message)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Return the widget, and tables for readers without one."""
        bundle: Any = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        view = self._feed.view
        data.update({"text/plain": view.text(), "text/html": tables_html(view)})
        return bundle
