"""`%docker` in a real IPython against a real engine."""

from __future__ import annotations

import _thread
import dataclasses
import threading
import time
import uuid

import pytest
from IPython.core.interactiveshell import InteractiveShell

import helpers.engine.find
from helpers.engine.engine import Engine
from helpers.engine.labels import OWNER_LABEL, owner_id
from helpers.engine.standin import image_for
from helpers.errors import CourseError, DockerCommandFailed, DockerCommandStopped
from helpers.magic import load
from helpers.process import wait_until

pytestmark = pytest.mark.engine
BASE = "python:3.13-slim"


@pytest.fixture
def engine(each_engine: Engine) -> Engine:
    """Each test here runs on both image stores."""
    return each_engine


@pytest.fixture
def name(engine):
    """Return a unique name, and remove every object with that name after the test."""
    unique = f"magic-{uuid.uuid4().hex[:8]}"
    yield unique
    for listing, removing in (
        (("ps", "-aq"), ("rm", "-fv")),
        (("network", "ls", "-q"), ("network", "rm")),
        (("volume", "ls", "-q"), ("volume", "rm")),
    ):
        for object_id in engine.run(*listing, "--filter", f"name={unique}").stdout.split():
            engine.run(*removing, object_id)
    images = engine.run("images", "-q", "--filter", f"reference={unique}*").stdout.split()
    for image in set(images):
        engine.run("rmi", "-f", image)


@pytest.fixture
def shell(engine, monkeypatch, tmp_path):
    monkeypatch.setattr(helpers.engine.find, "connect", lambda: engine)
    monkeypatch.chdir(tmp_path)
    ipython = InteractiveShell.instance()
    load(ipython)
    return ipython


@pytest.fixture
def cell(shell):
    def run(text):
        result = shell.run_cell(text)
        if result.error_in_exec:
            raise result.error_in_exec
        assert result.success

    return run


def label_of(engine, kind, name):
    path = ".Config.Labels" if kind in ("container", "image") else ".Labels"
    template = f'{{{{index {path} "{OWNER_LABEL}"}}}}'
    return engine.run(kind, "inspect", "-f", template, name).stdout.strip()


def running(engine, name):
    return engine.run("ps", "-q", "--filter", f"name={name}").stdout.split()


def test_build_as_typed(engine, cell, name, tmp_path, capsys):
    tmp_path.joinpath("Dockerfile").write_text(f"FROM {BASE}\nRUN echo built-{name}\n")
    cell(f"%docker build -t {name} .")
    assert f"built-{name}" in capsys.readouterr().out
    assert label_of(engine, "image", name) == owner_id()
    cell(f"%docker buildx build -t {name}-2 .")
    assert label_of(engine, "image", f"{name}-2") == owner_id()


def test_failure_shows_output_without_traceback(shell, cell, name, capsys):
    with pytest.raises(DockerCommandFailed, match="exit code 1"):
        cell(f"%docker rm {name}")
    out = capsys.readouterr().out
    assert "No such container" in out
    assert "Traceback" not in out
    with pytest.raises(DockerCommandFailed) as caught:
        cell(
            f"%docker run --rm --name {name} {BASE} "
            "sh -c 'echo out; sleep 0.3; echo err >&2; exit 7'"
        )
    assert caught.value.docker_code == 7
    assert "out\nerr\n" in capsys.readouterr().out


def test_fails_expects_a_failure(cell, name, capsys):
    cell(f"%docker --fails rm {name}")
    assert "as expected" in capsys.readouterr().out
    with pytest.raises(CourseError, match="expected to fail"):
        cell("%docker --fails version")
    cell(f"%%docker --fails\ndocker version\ndocker rm {name}\ndocker rm not-reached")
    assert "not-reached" not in capsys.readouterr().out


def test_until_stops_command_and_container(engine, cell, name, capsys):
    started = time.monotonic()
    cell(
        f"%docker --until tick-3 run --name {name} {BASE} "
        "sh -c 'i=0; while true; do echo tick-$i; i=$((i+1)); sleep 0.1; done'"
    )
    out = capsys.readouterr().out
    assert "tick-3" in out and "stopped" in out
    assert time.monotonic() - started < 20
    assert label_of(engine, "container", name) == owner_id()
    assert running(engine, name) == []


def test_until_without_the_text_fails(cell, name):
    with pytest.raises(CourseError, match="never printed 'nothing of it'"):
        cell(f"%docker --until 'nothing of it' run --rm --name {name} {BASE} echo x")


def test_for_stops_after_the_time(engine, cell, name, capsys):
    started = time.monotonic()
    cell(f"%%docker --for 2\ndocker run --rm --name {name} {BASE} sleep 600")
    assert 2 <= time.monotonic() - started < 20
    assert "stopped after 2 s" in capsys.readouterr().out
    assert engine.run("ps", "-aq", "--filter", f"name={name}").stdout == ""


def test_body_stops_at_first_failure(engine, cell, name, capsys):
    cell(f"%%docker\n# two objects\ndocker volume create \\\n    {name}\n\nnetwork create {name}\n")
    assert label_of(engine, "volume", name) == owner_id()
    assert label_of(engine, "network", name) == owner_id()
    with pytest.raises(DockerCommandFailed):
        cell(f"%%docker\nvolume rm {name}\nvolume rm {name}\nnetwork rm {name}")
    assert engine.run("network", "inspect", name).returncode == 0


def test_body_continues_after_until(cell, name, capsys):
    cell(
        f"%%docker --until ready\nrun --name {name} {BASE} sh -c 'echo ready; sleep 600'\n"
        f"inspect -f 'state={{{{.State.Status}}}}' {name}"
    )
    assert "state=exited" in capsys.readouterr().out


def test_templates_and_dollars_are_kept(cell, name, capsys):
    cell(f"%docker run --rm --name {name} -v {name}:/d -e 'A=$HOME {{x}}' {BASE} printenv A")
    assert "$HOME {x}\n" in capsys.readouterr().out
    cell("%docker version --format {{.Server.Version}}")
    assert "{" not in capsys.readouterr().out


def test_volume_of_run_is_labelled(engine, cell, name):
    cell(f"%docker run --rm --name {name} -v {name}:/d {BASE} true")
    assert label_of(engine, "volume", name) == owner_id()


def test_compose_objects_are_labelled(engine, cell, name, tmp_path, capsys):
    folder = tmp_path / name
    folder.mkdir()
    folder.joinpath("Dockerfile").write_text(f'FROM {BASE}\nCMD ["sleep", "600"]\n')
    folder.joinpath("compose.yaml").write_text(
        "services:\n  web:\n    build: .\n    init: true\n    environment: {PRICE: 5$$}\n"
        "    volumes: ['data:/d', '.:/code']\n  extra:\n    build: .\n    profiles: [more]\n"
        "volumes:\n  data:\n"
    )
    cell(f"%cd -q {folder}")
    try:
        cell("%docker compose up -d")
        assert label_of(engine, "container", f"{name}-web-1") == owner_id()
        assert label_of(engine, "image", f"{name}-web") == owner_id()
        assert label_of(engine, "network", f"{name}_default") == owner_id()
        assert label_of(engine, "volume", f"{name}_data") == owner_id()
        capsys.readouterr()
        cell("%docker compose exec web sh -c 'ls /code; echo $PRICE'")
        assert capsys.readouterr().out.split() == ["Dockerfile", "compose.yaml", "5$"]
        cell("%docker compose run --rm extra echo from-extra")
        assert "from-extra" in capsys.readouterr().out
        cell("%docker --until Attaching compose up")
        assert running(engine, name) == []
    finally:
        cell("%docker compose --profile more down -v --rmi local --remove-orphans")
    assert engine.run("ps", "-aq", "--filter", f"name={name}").stdout == ""


def test_ctrl_c_stops_the_container(engine, cell, name, capsys):
    def interrupt():
        wait_until(lambda: running(engine, name), 30)
        _thread.interrupt_main()

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(DockerCommandStopped, match="stopped"):
        cell(f"%docker run --rm --name {name} {BASE} sleep 600")
    thread.join()
    assert running(engine, name) == []


def test_user_engine_uses_contexts_and_loopback(engine, cell, name, tmp_path, capsys, monkeypatch):
    """An unavailable base image becomes a named context, and ports stay on loopback."""
    user = dataclasses.replace(engine, kind="user")
    monkeypatch.setattr(helpers.engine.find, "connect", lambda: user)
    monkeypatch.setattr(
        "helpers.engine.standin.named_contexts",
        lambda engine, text: [
            "--build-context",
            f"not-available:1=docker-image://{image_for(engine, BASE)}",
        ],
    )
    folder = tmp_path / name
    folder.mkdir()
    folder.joinpath("Dockerfile").write_text('FROM not-available:1\nCMD ["sleep", "600"]\n')
    folder.joinpath("compose.yaml").write_text(
        "services:\n  web:\n    build: .\n    init: true\n    ports: ['0:5000', '5001']\n"
    )
    cell(f"%cd -q {folder}")
    cell(f"%docker build -t {name} .")
    assert "--build-context not-available:1=" in capsys.readouterr().out
    cell(f"%docker run -d --init -p 5000 --name {name} {name}")
    assert "run here as: docker run" in capsys.readouterr().out
    bound = engine.run("port", name).stdout
    cell(f"%docker run -d --init -P --expose 7000 --name {name}-all {name}")
    bound += engine.run("port", f"{name}-all").stdout
    assert [line.partition(" -> ")[2].rpartition(":")[0] for line in bound.splitlines()] == [
        "127.0.0.1"
    ] * 2
    try:
        cell("%docker compose up -d")
        bound = engine.run("port", f"{name}-web-1").stdout.split()
        assert [word.split(":")[0] for word in bound if ":" in word] == ["127.0.0.1"] * 2
    finally:
        cell("%docker compose down --rmi local")


def test_notice_is_printed_once(cell, name, capsys, monkeypatch):
    monkeypatch.setattr("helpers.magic.execute._noticed", False)
    cell(f"%%docker\nvolume create {name}-a\nvolume create {name}-b")
    assert capsys.readouterr().out.count("python3 -m helpers clean") == 1


def test_bad_line_has_no_traceback(cell, capsys):
    for text in (
        "%docker ps | cat",
        "%docker run -it x",
        "%docker",
        "%%docker\n# none",
        "%%docker ps\nps",
    ):
        with pytest.raises(CourseError):
            cell(text)
    assert "Traceback" not in capsys.readouterr().out
