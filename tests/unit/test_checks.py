"""The build checks without an engine: warnings, none, a missing base image, an old Buildx."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from helpers.engine.engine import Engine
from helpers.errors import CourseError
from helpers.experiments.checks.measure import check_dockerfile
from helpers.experiments.checks.view import mimebundle

WARNING = {
    "ruleName": "JSONArgsRecommended",
    "detail": "JSON arguments recommended",
    "location": {"ranges": [{"start": {"line": 2}, "end": {"line": 2}}]},
}


@pytest.fixture
def dockerfile(tmp_path: Path) -> Path:
    file = tmp_path / "Dockerfile"
    file.write_text("FROM scratch\nCMD flask run\n")
    return file


def answer(monkeypatch: pytest.MonkeyPatch, stdout: str, stderr: str = "") -> Engine:
    """Return an engine whose docker command gives this answer."""

    def run(*_: Any, **__: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 1, stdout, stderr)

    monkeypatch.setattr(Engine, "run", run)
    return Engine("unix:///nowhere", "private", "28")


def test_warnings_with_lines(monkeypatch: pytest.MonkeyPatch, dockerfile: Path) -> None:
    checks = check_dockerfile(dockerfile, answer(monkeypatch, json.dumps({"warnings": [WARNING]})))
    assert checks.facts() == "Dockerfile: JSONArgsRecommended (line 2)"
    assert checks.text() == "line 2  JSONArgsRecommended  JSON arguments recommended"
    assert "JSONArgsRecommended" in mimebundle(checks)["text/html"]


def test_no_warnings(monkeypatch: pytest.MonkeyPatch, dockerfile: Path) -> None:
    checks = check_dockerfile(dockerfile, answer(monkeypatch, '{"warnings": null}'))
    assert mimebundle(checks) == {"text/plain": "Dockerfile: no warnings"}


def test_old_buildx_is_named(monkeypatch: pytest.MonkeyPatch, dockerfile: Path) -> None:
    checks = check_dockerfile(dockerfile, answer(monkeypatch, "", "unknown flag: --call\n"))
    assert checks.text() == (
        "not checked: build checks need Docker Engine 27 and Buildx 0.15 or newer (unknown flag: --call)"
    )


def test_missing_base_image(monkeypatch: pytest.MonkeyPatch, dockerfile: Path) -> None:
    failed = {"warnings": None, "buildError": {"message": "x:1: not found"}}
    with pytest.raises(CourseError, match="x:1: not found"):
        check_dockerfile(dockerfile, answer(monkeypatch, json.dumps(failed)))


def test_missing_dockerfile(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="no file"):
        check_dockerfile(tmp_path / "Dockerfile")
