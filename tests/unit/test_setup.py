"""Set-up on machines that lack something: one message each, and nothing left half made."""

from __future__ import annotations

import ast
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from venv import create as create_venv

import pytest

from helpers import bootstrap, paths
from helpers.bootstrap import LOCK, TEST_LOCK, SetupError
from helpers.cli import lab, main
from helpers.engine.private.leases import Leases
from helpers.errors import CourseError

BARE_MODULES = ("__init__.py", "__main__.py", "bootstrap.py")
Calls = list[tuple[str, ...]]


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Move the environment to an empty folder, as on a fresh clone."""
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield tmp_path / ".venv"
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def no_install(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Install nothing, and record the locks."""
    locks: list[Path] = []
    monkeypatch.setattr(bootstrap, "install", locks.append)
    return locks


@pytest.fixture
def no_pip(no_install: list[Path], monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Create environments without pip, which takes most of the time."""
    monkeypatch.setattr(
        bootstrap, "create_venv", lambda: create_venv(bootstrap.VENV, with_pip=False, symlinks=True)
    )
    return no_install


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, venv: Path) -> Calls:
    """Record the commands that bootstrap runs; each one whose program is "uv" fails."""
    calls: Calls = []

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        return subprocess.CompletedProcess(command, int(command[0].endswith("bin/uv")), "", "")

    venv.mkdir()
    monkeypatch.setattr(bootstrap, "run", run)
    return calls


def fake_python(folder: Path, body: str) -> str:
    script = folder / "python3"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


def test_bootstrap_imports_standard_library_only() -> None:
    tree = ast.parse((paths.CHECKOUT / "helpers/bootstrap.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {
        name.partition(".")[0]
        for node in imports
        for name in (
            [node.module or "helpers"]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    assert names <= sys.stdlib_module_names


def test_bare_python_imports_bootstrap_alone() -> None:
    code = (
        "import sys; sys.path.insert(0, '.'); import helpers.__main__\n"
        "print(*sorted(name for name in sys.modules if name.startswith('helpers')))"
    )
    completed = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=paths.CHECKOUT,
        text=True,
        capture_output=True,
        check=True,
    )
    assert completed.stdout.split() == ["helpers", "helpers.__main__", "helpers.bootstrap"]


@pytest.mark.parametrize("module", BARE_MODULES)
def test_python_38_can_read(module: str) -> None:
    source = (paths.CHECKOUT / "helpers" / module).read_text()
    ast.parse(source, feature_version=(3, 8))


def test_bootstrap_stays_short() -> None:
    assert len((paths.CHECKOUT / "helpers/bootstrap.py").read_text().splitlines()) < 200


def enter_and_exit(capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    with pytest.raises(SystemExit) as stop:
        bootstrap.enter(["doctor"])
    return stop.value.code, capsys.readouterr().err


def test_old_python_gets_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 8, 18))
    code, message = enter_and_exit(capsys)
    assert code == 2
    assert re.fullmatch(r"Python 3\.11 or newer is needed; .*\n", message)


def test_windows_gets_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", "nt")
        code, message = enter_and_exit(capsys)
    assert code == 2
    assert re.fullmatch(r".*WSL 2.*\n", message)


def test_python_without_venv_names_package(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = f'mkdir -p "{venv}"; echo "ensurepip is not available" >&2; exit 1'
    monkeypatch.setattr(sys, "executable", fake_python(venv.parent, body))
    with pytest.raises(SetupError, match=r"apt install python3\.\d+-venv"):
        bootstrap.create(LOCK)
    assert not venv.exists()


def test_half_made_environment_is_made_again(venv: Path, no_install: list[Path]) -> None:
    half = venv / "lib/half-made"
    half.mkdir(parents=True)
    assert not bootstrap.is_ready()
    bootstrap.create(LOCK)
    assert bootstrap.is_ready()
    assert no_install == [LOCK]
    assert not half.exists()
    assert (venv / "share/jupyter/lab/settings/overrides.json").is_file()
    code = "import helpers; print(helpers.__file__)"
    completed = subprocess.run(
        [str(venv / "bin/python"), "-c", code],
        text=True,
        capture_output=True,
        cwd=venv.parent,
        check=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )
    assert completed.stdout.strip() == str(paths.CHECKOUT / "helpers/__init__.py")


def test_test_environment_serves_other_verbs(venv: Path, no_pip: list[Path]) -> None:
    bootstrap.create(TEST_LOCK)
    assert bootstrap.is_ready(TEST_LOCK) and bootstrap.is_ready(LOCK)


def test_test_tools_are_added_in_place(venv: Path, no_pip: list[Path]) -> None:
    bootstrap.create(LOCK)
    in_use = venv / "in-use"
    in_use.touch()
    assert not bootstrap.is_ready(TEST_LOCK)
    bootstrap.create(TEST_LOCK)
    assert no_pip == [LOCK, TEST_LOCK]
    assert bootstrap.is_ready(TEST_LOCK)
    assert in_use.exists()


def test_older_lock_is_not_ready(venv: Path) -> None:
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").touch()
    (venv / bootstrap.STAMP).write_text(f"of-another-lock {paths.CHECKOUT}")
    assert not bootstrap.is_ready()
    (venv / bootstrap.STAMP).write_text(bootstrap.stamp_text(LOCK))
    assert bootstrap.is_ready()


def test_environment_of_another_folder_is_not_ready(
    venv: Path, no_pip: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a clone that was moved or copied, `.venv` would import the old folder's code."""
    bootstrap.create(LOCK)
    assert bootstrap.is_ready()
    monkeypatch.setattr(bootstrap, "CHECKOUT", venv.parent / "moved")
    assert not bootstrap.is_ready()


def test_command_starts_again_inside(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(bootstrap, "create", started.append)
    monkeypatch.setattr(os, "execv", lambda *command: started.extend(command))
    bootstrap.enter(["test", "--quick"])
    python = venv / "bin/python"
    assert started == [TEST_LOCK, python, [str(python), "-m", "helpers", "test", "--quick"]]


def test_ready_environment_runs_on(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "is_ready", lambda lock: True)
    monkeypatch.setattr(sys, "prefix", str(venv))
    monkeypatch.setattr(os, "execv", None)
    bootstrap.enter(["doctor"])


def test_active_conda_environment_is_used(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDA_PREFIX", sys.prefix)
    assert bootstrap.environment() == Path(sys.prefix)
    assert bootstrap.is_inside()


def test_conda_without_packages_is_not_used(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDA_PREFIX", sys.prefix)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert bootstrap.environment() == venv


def test_pip_installs_if_uv_fails(
    venv: Path, commands: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    bootstrap.install(LOCK)
    get_uv, uv, pip = commands
    assert "--target" in get_uv and uv[0].endswith("bin/uv")
    assert pip[:4] == (str(venv / "bin/python"), "-m", "pip", "install")
    assert all("--require-hashes" in command for command in commands)
    assert "uv can't install the packages" in capsys.readouterr().err
    assert not list(venv.iterdir())


def test_pip_error_is_one_line(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = "WARNING: Retrying\nERROR: No matching distribution\nmore"
    monkeypatch.setattr(
        bootstrap, "run", lambda *command: subprocess.CompletedProcess(command, 1, "", error)
    )
    venv.mkdir()
    with pytest.raises(SetupError, match=r"packages: ERROR: No matching distribution\n→ .*\Z"):
        bootstrap.install(LOCK)


def test_taken_port_is_one_message() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        with pytest.raises(CourseError, match="already in use"):
            lab.choose_port(holder.getsockname()[1])


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_invalid_port_is_one_message(port: int) -> None:
    with pytest.raises(CourseError, match="Invalid port"):
        lab.choose_port(port)


def test_next_free_port_is_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lab, "is_port_free", lambda port: port != 8888)
    assert lab.choose_port(None) == 8889
    assert "8888 is already in use, using 8889." in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["lab", "test", "doctor", "clean", "rehearse", "engine", "grade"])
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    usage, _, description = capsys.readouterr().out.partition("\n\n")
    assert usage.startswith("usage: python3 -m helpers")
    assert description[:1].isupper(), "no sentence that describes the verb"


def test_usage_error_exits_with_2() -> None:
    with pytest.raises(SystemExit) as stop:
        main(["nonsense"])
    assert stop.value.code == 2


@pytest.mark.parametrize("line", ["lab --reset 99", "rehearse 99", "rehearse 04 99"])
def test_unknown_chapter_is_one_message(
    line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def started() -> None:
        raise AssertionError("an engine was started first")

    for verb in ("lab", "rehearse"):
        monkeypatch.setattr(f"helpers.cli.{verb}.ready_engine", started)
    assert main(line.split()) == 2
    message = capsys.readouterr().err
    assert "No chapter starts with '99'" in message
    assert "Traceback" not in message


def test_dead_process_holds_no_lease(tmp_path: Path) -> None:
    leases = Leases(tmp_path)
    leases.take()
    leases.take("engine-start")
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    (tmp_path / f"{child.pid}.pid").write_text("12345")
    assert sorted(leases.held()) == sorted([f"{os.getpid()}.pid", "engine-start"])
    leases.drop()
    assert leases.held() == ["engine-start"]
