"""What goes wrong in chapter 05: one message each with the next step, and then a rerun works."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell

import helpers.engine.find
from helpers.engine import base_image
from helpers.engine.engine import Engine
from helpers.engine.private import PrivateEngine
from helpers.errors import CourseError, EngineUnavailable
from helpers.magic import load
from helpers.notebook import functions
from tests.conftest import as_user_engine

pytestmark = pytest.mark.engine
SLEEP = "python:3.13-slim sleep 60"


@pytest.fixture
def engine(user_engine: Engine) -> Engine:
    return user_engine


@pytest.fixture
def name(engine: Engine) -> Iterator[str]:
    unique = f"fault-{uuid.uuid4().hex[:8]}"
    yield unique
    for container in engine.run("ps", "-aq", "--filter", f"name={unique}").stdout.split():
        engine.run("rm", "-f", container)
    engine.run("image", "rm", "-f", unique)


def start_shell(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], object]:
    monkeypatch.setattr(helpers.engine.find, "connect", lambda: engine)
    shell = InteractiveShell.instance()
    load(shell)
    return lambda line: shell.run_line_magic("docker", line)


@pytest.fixture
def docker(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], object]:
    """Return a function that runs a line as a %docker cell does."""
    return start_shell(engine, monkeypatch)


def advice(docker: Callable[[str], object], line: str) -> str:
    """Return the next step in the message of a command that fails."""
    with pytest.raises(CourseError) as caught:
        docker(line)
    assert len(caught.value._render_traceback_()) == 2
    return caught.value.hint


def test_port_of_a_container(docker: Callable[[str], object], name: str, engine: Engine) -> None:
    docker(f"run -d --name {name}-a -p 127.0.0.1::80 {SLEEP}")
    port = engine.run("port", f"{name}-a", "80").stdout.strip().rpartition(":")[2]
    line = f"run -d --name {name}-b -p 127.0.0.1:{port}:80 {SLEEP}"
    assert advice(docker, line) == (
        f"Port {port} is in use by the container {name}-a. Stop it (docker stop {name}-a), or "
        "choose another host port. Then remove the container that could not start: "
        f"docker rm {name}-b"
    )
    docker(f"stop -t 0 {name}-a")
    docker(f"rm {name}-b")
    docker(line)


def test_port_of_another_program(docker: Callable[[str], object], name: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        line = f"run -d --rm --name {name} -p 127.0.0.1:{port}:80 {SLEEP}"
        assert advice(docker, line) == (
            f"Port {port} is in use by a program that is not a container. Stop that program, or "
            "choose another host port."
        )
    docker(line)


def test_name_in_use(docker: Callable[[str], object], name: str) -> None:
    line = f"run -d --name {name} {SLEEP}"
    docker(line)
    assert advice(docker, line) == (
        f"Remove the container {name} (docker rm -f {name}), or choose another --name."
    )
    docker(f"rm -f {name}")
    docker(line)


def test_image_removed_under_a_notebook(docker: Callable[[str], object], name: str) -> None:
    docker(f"tag {base_image.STAND_INS[base_image.REAL]} {name}")
    docker(f"image rm {name}")
    expected = (
        f"There is no image {name} on this engine. If you build it yourself: "
        f"docker build -t {name} ."
    )
    assert advice(docker, f"run -d --pull never --name {name} {name} true") == expected
    assert advice(docker, f"image inspect {name}") == expected
    docker(f"tag {base_image.STAND_INS[base_image.REAL]} {name}")
    docker(f"run -d --name {name} {name} true")


def test_ended_and_missing_containers(docker: Callable[[str], object], name: str) -> None:
    assert f"creates {name}" in advice(docker, f"logs {name}")
    docker(f"run -d --name {name} {SLEEP}")
    docker(f"stop -t 0 {name}")
    expected = f"The container {name} is not running. Start it: docker start {name}"
    assert advice(docker, f"exec {name} true") == expected
    docker(f"start {name}")
    docker(f"exec {name} true")


def test_engine_restarted_between_two_cells(
    second_daemon: PrivateEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One engine, as the course's private one and as a user's."""
    engines = {
        "Start it: python3": second_daemon.engine("28.5"),
        "Start Docker again": as_user_engine(second_daemon),
    }
    for engine in engines.values():
        base_image.ensure_base_image(engine)
        docker = start_shell(engine, monkeypatch)
        docker(f"run -d --init --name survivor-{engine.kind} {SLEEP}")
    second_daemon.halt()
    for start, engine in engines.items():
        docker = start_shell(engine, monkeypatch)
        for line in ("ps", f"run --rm -v data:/x {SLEEP}", "build -t x ."):
            assert advice(docker, line).startswith(start)
        monkeypatch.setattr(functions.find, "connect", lambda engine=engine: engine)
        with pytest.raises(EngineUnavailable, match=r"stopped answering.*\n→ Run"):
            functions.clean_up()
    second_daemon.launch()
    for engine in engines.values():
        docker = start_shell(engine, monkeypatch)
        name = f"survivor-{engine.kind}"
        assert advice(docker, f"exec {name} true").endswith(f"docker start {name}")
        docker(f"start {name}")
        docker(f"exec {name} true")
    functions.clean_up()
