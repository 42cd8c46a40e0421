"""The control group for the exercises' builds, in a folder that plays /sys/fs/cgroup."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from helpers.engine.private import build_group

HOST = "unix:///somewhere/docker.sock"
NAME = build_group.name_group(HOST)


@pytest.fixture(params=["v1", "v2"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder, with what tells the two versions apart; nothing runs as root."""
    if request.param == "v2":
        (tmp_path / "cgroup.controllers").touch()
    monkeypatch.setattr(build_group, "CGROUPS", tmp_path)
    monkeypatch.setattr(build_group, "run_quietly", lambda command: subprocess.run(command))
    return tmp_path


def test_a_made_group_has_limits(root: Path) -> None:
    assert not build_group.has_limits(HOST)
    build_group.make_group(HOST)
    assert build_group.has_limits(HOST)
    assert not build_group.has_limits("unix:///elsewhere/docker.sock")


def test_a_group_that_lost_a_limit_has_none(root: Path) -> None:
    build_group.make_group(HOST)
    (limit,) = root.rglob("pids.max")
    limit.write_text("max\n")
    assert not build_group.has_limits(HOST)


def test_nothing_is_left_of_a_removed_group(root: Path) -> None:
    build_group.make_group(HOST)
    for file in (each for each in root.rglob("*") if NAME in str(each) and each.is_file()):
        file.unlink()  # the kernel's files don't keep a control group's folder from being removed
    build_group.remove_group(HOST)
    assert not [each for each in root.rglob("*") if each.name == NAME]
