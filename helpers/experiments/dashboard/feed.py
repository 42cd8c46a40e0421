"""Keeps a view of the engine up to date, in threads, until it is closed.

One thread reads the engine's events and notes which kinds of objects changed; a second one lists
those kinds again, at most ten times a second. Events say nothing about CPU and memory: a bounded
number of threads read the stats streams of the containers in view. A lost engine is looked for
once a second.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

from helpers.experiments.dashboard.measure import list_rows, read_usage
from helpers.experiments.dashboard.result import HEADS, EngineView, Usage

if TYPE_CHECKING:
    from docker import APIClient

REQUEST_SECONDS, RETRY_SECONDS, PAUSE_SECONDS, TICK_SECONDS = 10, 1.0, 0.1, 0.5
MOST_STREAMS = 12
LOG_LINES, LOG_CHARACTERS = 200, 30_000
# Events that change nothing that is shown. A health check runs a command every few seconds.
NO_CHANGE = ("exec_", "attach", "resize", "top", "export", "copy", "archive-path", "extract-to-dir")
LOST = (
    "The engine stopped answering. Start it again (python3 -m helpers engine start, Docker Desktop, "
    "or sudo systemctl start docker). This dashboard then reconnects by itself."
)
FAILURES = (DockerException, RequestException, OSError)


class Feed:
    """The threads of one dashboard. `show` is called with the name and value of what changed."""

    def __init__(self, host: str, show: Callable[[str, Any], None]) -> None:
        self._host, self._show = host, show
        self.view = EngineView()
        self._closed, self._changed = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._dirty: set[str] = set()
        self._in_view: list[str] | None = None  # None: the page has not said yet
        self._streamed: set[str] = set()
        self._usage: dict[str, Usage] = {}
        self._events: Any = None
        self._logs: _Logs | None = None
        self.api: APIClient = docker.APIClient(base_url=host, timeout=REQUEST_SECONDS)
        self.list_again(HEADS)
        self._threads = [
            threading.Thread(target=target, daemon=True, name=f"course-dashboard-{name}")
            for name, target in (("events", self._watch), ("update", self._update))
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End all threads and streams. A stats stream ends with its next message."""
        self._closed.set()
        self._changed.set()
        self.close_logs()
        _close(self._events)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(REQUEST_SECONDS)
        self.api.close()

    # --- events

    def _watch(self) -> None:
        is_lost = False
        while not self._closed.is_set():
            with contextlib.suppress(*FAILURES):
                self._events = self.api.events(decode=True)
                if is_lost:
                    self._show("message", "Connected to the engine again.")
                    is_lost = False
                # The stream is open: nothing that happens after this listing is missed.
                self._mark(HEADS)
                self._read_events()
            if self._closed.is_set():
                return
            if not is_lost:
                is_lost = True
                self._show("message", LOST)
            self._closed.wait(RETRY_SECONDS)

    def _read_events(self) -> None:
        if self._closed.is_set():  # it was closed while the stream was being opened
            _close(self._events)
        for event in self._events:
            kind = f"{event['Type']}s"
            if kind in HEADS and not event["Action"].startswith(NO_CHANGE):
                self._mark([kind])

    def _mark(self, kinds: Iterable[str]) -> None:
        with self._lock:
            self._dirty.update(kinds)
        self._changed.set()

    # --- updates

    def _update(self) -> None:
        """List what changed, and show new values of the streams, until the feed is closed."""
        while not self._closed.is_set():
            self._changed.wait(TICK_SECONDS)
            self._changed.clear()
            with self._lock:
                kinds, self._dirty = self._dirty, set()
            with contextlib.suppress(*FAILURES):
                self.list_again(kinds)
            self._show_streams()
            self._closed.wait(PAUSE_SECONDS)

    def list_again(self, kinds: Iterable[str]) -> None:
        """List the objects of these kinds, and show those that changed."""
        for kind in kinds:
            rows = list_rows(self.api, kind)
            if rows != self.view.rows[kind]:
                self.view.rows[kind] = rows
                self._show(kind, [row.to_json() for row in rows])
            if kind == "containers":
                self._start_streams()

    def _show_streams(self) -> None:
        with self._lock:
            usage = {key: value.to_json() for key, value in self._usage.items()}
        self._show("usage", usage)
        if self._logs:
            self._show("logs", self._logs.to_json())

    # --- CPU and memory

    def watch_usage(self, container_ids: list[str]) -> None:
        """Read the stats of these containers, at most MOST_STREAMS of them, and of no other."""
        self._in_view = container_ids
        self._start_streams()

    def _wanted(self) -> list[str]:
        running = [row.id for row in self.view.rows["containers"] if row.is_running]
        if self._in_view is not None:
            running = [key for key in self._in_view if key in running]
        return running[:MOST_STREAMS]

    def _start_streams(self) -> None:
        wanted = self._wanted()
        with self._lock:
            new = [key for key in wanted if key not in self._streamed]
            new = new[: MOST_STREAMS - len(self._streamed)]
            self._streamed.update(new)
            self._usage = {key: value for key, value in self._usage.items() if key in wanted}
        for key in new:
            threading.Thread(
                target=self._read_stats, args=(key,), daemon=True, name="course-dashboard-stats"
            ).start()

    def _read_stats(self, container_id: str) -> None:
        """Read one container's stats, a message a second, while it is in view."""
        with contextlib.suppress(*FAILURES):
            for message in self.api.stats(container_id, decode=True):
                if self._closed.is_set() or container_id not in self._wanted():
                    break
                if usage := read_usage(message):
                    with self._lock:
                        self._usage[container_id] = usage
        with self._lock:
            self._streamed.discard(container_id)

    # --- logs

    def open_logs(self, container_id: str, name: str) -> None:
        """Follow the logs of a container."""
        self.close_logs()
        self._logs = _Logs(self._host, container_id, name, self._changed.set)

    def close_logs(self) -> None:
        """Stop following logs."""
        logs, self._logs = self._logs, None
        if logs:
            logs.close()
            self._show("logs", {})


class _Logs:
    """The end of a container's logs, read by a thread as they come."""

    def __init__(
        self, host: str, container_id: str, name: str, on_text: Callable[[], None]
    ) -> None:
        self._name, self._text, self._on_text = name, "", on_text
        self._is_closed = False
        self._stream: Any = None
        thread = threading.Thread(
            target=self._read, args=(host, container_id), daemon=True, name="course-dashboard-logs"
        )
        thread.start()

    def _read(self, host: str, container_id: str) -> None:
        # Without a time limit: a container may print nothing for hours.
        with contextlib.suppress(*FAILURES), docker.APIClient(base_url=host, timeout=None) as api:
            self._stream = api.logs(container_id, stream=True, follow=True, tail=LOG_LINES)
            if self._is_closed:
                _close(self._stream)
            for chunk in self._stream:
                self._text = (self._text + chunk.decode("utf-8", "replace"))[-LOG_CHARACTERS:]
                self._on_text()

    def to_json(self) -> dict[str, str]:
        """Return the name and the text for the page."""
        return {"name": self._name, "text": self._text}

    def close(self) -> None:
        """End the thread."""
        self._is_closed = True
        _close(self._stream)


def _close(stream: Any) -> None:
    """Close a stream that another thread is reading, if it is open."""
    if stream is not None:
        with contextlib.suppress(*FAILURES, AttributeError):
            stream.close()
