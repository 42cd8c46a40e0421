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


def test_changed_dockerfile_changes_table(engine: Engine, tmp_path: Path) -> None:
    """An app that listens inside its container only is never reached from outside."""
    app = shutil.copytree(APPS / "flask-app", tmp_path / "app")
    dockerfile = app / "Dockerfile"
    text = dockerfile.read_text()
    assert '"0.0.0.0"' in text
    dockerfile.write_text(text.replace('"0.0.0.0"', '"127.0.0.1"'))
    result = compare_publishing(app, engine=engine)
    assert set(answers(result).values()) == {(True, False, False)}
