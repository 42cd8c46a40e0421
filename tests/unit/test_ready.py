"""The first start: the engine is downloaded and the stand-in is built side by side."""

from __future__ import annotations

import os
import threading

import pytest

from helpers.cli import ready
from helpers.engine import base_image, find
from helpers.engine.engine import Engine
from helpers.errors import CourseError

ENGINE = Engine("unix:///nowhere", "private", "28")


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Build nothing, and set the event where the stand-in would be built."""
    event = threading.Event()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(ready, "_registry_answers", lambda: False)
    monkeypatch.setattr(base_image, "ensure_tarball", event.set)
    monkeypatch.setattr(find, "connect", lambda: ENGINE)
    return event


def test_standin_is_built_meanwhile(
    built: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect() -> Engine:
        assert built.wait(10), "the stand-in was not built while the engine was downloaded"
        return ENGINE

    monkeypatch.setattr(find, "connect", connect)
    assert ready._connect_first_time() is ENGINE


@pytest.mark.parametrize("case", ["registry answers", "sudo asks for a password"])
def test_standin_is_not_built_meanwhile(
    case: str, built: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    if case == "registry answers":
        monkeypatch.setattr(ready, "_registry_answers", lambda: True)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        monkeypatch.setattr("shutil.which", lambda name: None)
    assert ready._connect_first_time() is ENGINE
    assert not built.is_set()


@pytest.mark.usefixtures("built")
def test_failed_standin_keeps_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise CourseError("no mirror")

    monkeypatch.setattr(base_image, "ensure_tarball", fail)
    assert ready._connect_first_time() is ENGINE
