"""EXPOSE and `-p`: another Dockerfile gives another table; the app's own is a fact of chapter 05.

On the private engine: the image store has no part in it, and chapter 05 runs on both.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers.engine.engine import Engine
from helpers.experiments.caching.measure import APPS
from helpers.experiments.ports.measure import compare_publishing
from helpers.experiments.ports.result import Publishing

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("leaves_nothing")]


def answers(result: Publishing) -> dict[tuple[bool, bool], tuple[bool, bool, bool]]:
    return {
        (attempt.has_expose, attempt.is_published): (
            attempt.inside,
            attempt.from_container,
            attempt.from_host,
        )
        for attempt in result.attempts
    }


@pytest.mark.parametrize(
    ("host_and_port", "inside"), [('"127.0.0.1"', True), ('"0.0.0.0", "--port", "8000"', False)]
)
def test_changed_dockerfile_changes_table(
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    host_and_port: str,
    inside: bool,
) -> None:
    """An app that listens inside its container only, and one that listens on another port."""
    monkeypatch.setattr("helpers.experiments.ports.measure.START_SECONDS", 10 if inside else 3)
    app = shutil.copytree(APPS / "flask-app", tmp_path / "app")
    dockerfile = app / "Dockerfile"
    text = dockerfile.read_text()
    assert '"0.0.0.0"' in text
    dockerfile.write_text(text.replace('"0.0.0.0"', host_and_port))
    result = compare_publishing(app, engine=engine)
    assert set(answers(result).values()) == {(inside, False, False)}
