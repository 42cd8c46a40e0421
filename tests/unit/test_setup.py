"""Set-up on machines that lack something: each case is one message, and nothing half made."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.cli import lab, main
from helpers.engine import owner
from helpers.engine.leases import Leases
from helpers.errors import CourseError
from helpers.setup import environment


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment's place moved to an empty folder, as on a fresh clone."""
    monkeypatch.setattr(environment, "VENV", tmp_path / ".venv")
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    return tmp_path


def fake_python(folder: Path, body: str) -> str:
    script = folder / "python3"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


def test_a_python_without_venv_says_what_to_install(
        elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = f'mkdir -p "{elsewhere}/.venv"; echo "ensurepip is not available" >&2; exit 1'
    monkeypatch.setattr(sys, "executable", fake_python(elsewhere, body))
    with pytest.raises(CourseError, match=r"apt install python3\.\d+-venv"):
        environment.ensure()
    assert not (elsewhere / ".venv").exists()


def test_a_half_made_environment_is_made_again(
        elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = elsewhere / ".venv/lib/half-made"
    half.mkdir(parents=True)
    monkeypatch.setattr(environment, "_pip_install", lambda: None)
    assert not environment.is_ready()
    environment.ensure()
    assert environment.is_ready()
    assert not half.exists()
    code = "import helpers; print(helpers.__file__)"
    found = subprocess.run([str(environment.python()), "-c", code],
                           text=True, capture_output=True, cwd=elsewhere, check=True,
                           env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"})
    assert found.stdout.strip() == str(owner.CHECKOUT / "helpers/__init__.py")


def test_an_older_lock_is_not_ready(elsewhere: Path) -> None:
    (elsewhere / ".venv").mkdir()
    (elsewhere / ".venv/docker-course.lock-hash").write_text("of another lock")
    assert not environment.is_ready()


def test_environment_of_another_folder_is_not_ready(
        elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clone that was moved or copied: its .venv would import the old folder's code."""
    monkeypatch.setattr(environment, "_pip_install", lambda: None)
    environment.ensure()
    assert environment.is_ready()
    monkeypatch.setattr(environment, "CHECKOUT", elsewhere / "moved")
    assert not environment.is_ready()


def test_a_taken_port_asked_for_is_one_message() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        with pytest.raises(CourseError, match="is taken"):
            lab._choose_port(holder.getsockname()[1])


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_a_number_that_is_no_port_is_one_message(port: int) -> None:
    with pytest.raises(CourseError, match="is not a port"):
        lab._choose_port(port)


def test_the_next_free_port_is_used_and_said(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(lab, "_is_free", lambda port: port != 8888)
    assert lab._choose_port(None) == 8889
    assert "8888 is taken; using 8889" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["lab", "test", "doctor", "clean", "rehearse", "engine", "grade"])
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    usage, _, said = capsys.readouterr().out.partition("\n\n")
    assert usage.startswith("usage: python3 -m helpers")
    assert said[:1].isupper(), "no sentence that says what the verb does"


def test_usage_errors_are_exit_code_2() -> None:
    with pytest.raises(SystemExit) as stop:
        main(["nonsense"])
    assert stop.value.code == 2


@pytest.mark.parametrize("line", ["lab --reset 99", "rehearse 99", "rehearse 04 99"])
def test_an_unknown_chapter_is_one_message(line: str, capsys: pytest.CaptureFixture[str],
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    def started() -> None:
        raise AssertionError("said only after something was started")

    monkeypatch.setattr(environment, "ensure", started)
    monkeypatch.setattr("helpers.cli.ready.ready_engine", started)
    assert main(line.split()) == 2
    said = capsys.readouterr().err
    assert "chapters begin with '99'" in said
    assert "Traceback" not in said


def test_the_set_up_runs_on_the_standard_library_alone() -> None:
    code = ("import sys; sys.path.insert(0, '.'); import helpers.cli, helpers.cli.lab,"
            "helpers.cli.suite, helpers.cli.ready, helpers.engine.doctor, helpers.engine.standin\n"
            "print([m for m in sys.modules if m.split('.')[0] in "
            "('docker', 'IPython', 'nbformat', 'ipywidgets', 'matplotlib', 'requests')])")
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=owner.CHECKOUT, text=True,
                          capture_output=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_dead_process_holds_no_lease(tmp_path: Path) -> None:
    leases = Leases(tmp_path)
    leases.take()
    leases.take("engine-start")
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    (tmp_path / f"{child.pid}.pid").write_text("12345")
    assert sorted(leases.held()) == sorted([f"{os.getpid()}.pid", "engine-start"])
    leases.drop()
    assert leases.held() == ["engine-start"]
