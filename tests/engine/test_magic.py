"""`%docker` in a real IPython against a real engine."""

from __future__ import annotations

import _thread
import dataclasses
import re
import threading
import time
import uuid

import pytest
from IPython.core.interactiveshell import InteractiveShell

import helpers.engine.find
from helpers.engine import base_image
from helpers.engine.base_image import image_for
from helpers.engine.engine import Engine
from helpers.engine.labels import OWNER_LABEL, owner_id
from helpers.errors import CourseError, DockerCommandFailed, DockerCommandStopped
from helpers.magic import load, options
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
    with pytest.raises(DockerCommandFailed, match="exited with code 1"):
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


def test_df_counts_again_if_something_was_removed(engine, cell, name, tmp_path, capsys):
    """The containerd store's count fails in one of eight times during builds and removals."""
    ended = threading.Event()

    def build_and_remove() -> None:
        for number in range(100):
            if ended.is_set():
                break
            (tmp_path / "Dockerfile").write_text(
                f"FROM {image_for(engine, BASE)}\nRUN : {number}\n"
            )
            engine.run("build", "-q", "-t", f"{name}:{number}", str(tmp_path))
            engine.run("rmi", "-f", f"{name}:{number}")

    builder = threading.Thread(target=build_and_remove)
    builder.start()
    try:
        for _ in range(10):
            cell("%docker system df")
            assert "Build Cache" in capsys.readouterr().out
    finally:
        ended.set()
        builder.join()


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
    with pytest.raises(CourseError, match="without printing 'nothing of it'"):
        cell(f"%docker --until 'nothing of it' run --rm --name {name} {BASE} echo x")


def test_for_stops_after_the_time(engine, cell, name, capsys):
    started = time.monotonic()
    cell(f"%%docker --for 2\ndocker run --rm --init --name {name} {BASE} sleep 600")
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
        f"%%docker --until ready\nrun --init --name {name} {BASE} sh -c 'echo ready; sleep 600'\n"
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
        "helpers.engine.base_image.named_contexts",
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


@pytest.mark.parametrize(
    ("command", "table"),
    [
        ("", options.GLOBAL),
        ("run", options.RUN),
        ("create", options.RUN),
        ("start", options.START),
        ("exec", options.EXEC),
        ("build", options.BUILD),
        ("compose", options.COMPOSE),
        ("compose up", options.COMPOSE_UP),
        ("compose run", options.COMPOSE_RUN),
        ("compose exec", options.COMPOSE_EXEC),
        ("compose build", options.COMPOSE_BUILD),
        ("compose create", options.COMPOSE_CREATE),
        ("compose down", options.COMPOSE_DOWN),
        ("compose rm", options.COMPOSE_RM),
        ("compose restart", options.COMPOSE_RESTART),
    ],
)
def test_options_are_those_of_help(private_engine, command, table):
    """--help of the course's own client, the newest that the course runs with."""
    shown = private_engine.run(*command.split(), "--help").stdout
    listed = re.findall(r"^ +(?:(-\w), )?(--[\w-]+)(?: (\S+))?(?=  |$)", shown, re.M)
    assert len(listed) > 2
    for short, long, kind in listed:
        for name in filter(None, (short, long)):
            assert table.known.get(name) == (long, bool(kind)), name


SLEEPER = "    init: true\n    command: [sleep, '600']\n    stop_grace_period: 2s\n"


@pytest.fixture
def project(engine, cell, name, tmp_path):
    """Return a function that writes the project's compose.yaml; remove the project afterwards."""
    folder = tmp_path / name
    folder.mkdir()

    def write(services):
        folder.joinpath("compose.yaml").write_text(f"services:\n{services}")

    cell(f"%cd -q {folder}")
    yield write
    label = f"label=com.docker.compose.project={name}"
    for object_id in engine.run("ps", "-aq", "--filter", label).stdout.split():
        engine.run("rm", "-fv", object_id)


def test_until_stops_the_project_each_time(engine, cell, name, project):
    """SIGINT can arrive before Compose listens, or while the engine starts a container."""
    image = image_for(engine, BASE)
    project("".join(f"  {each}:\n    image: {image}\n{SLEEPER}" for each in ("web", "db", "api")))
    for _ in range(3):
        cell("%docker --until Attaching compose up")
        time.sleep(1)
        assert running(engine, name) == []
        cell("%docker compose down")


def test_service_gets_the_stand_in(engine, cell, name, project, monkeypatch, capsys):
    """A service without a build runs the stand-in; health checks and dependencies stay."""
    known = {"postgres:17": image_for(engine, BASE)}
    monkeypatch.setattr(base_image, "image_for", lambda engine, image: known.get(image, image))
    health = "    healthcheck: {test: [CMD, 'true'], interval: 1s}\n"
    needs = "    depends_on: {db: {condition: service_healthy}}\n"
    project(
        f"  db:\n    image: postgres:17\n{SLEEPER}{health}"
        f"  web:\n    image: {known['postgres:17']}\n{SLEEPER}{needs}"
    )
    cell("%docker compose up -d")
    cell("%docker compose ps --format '{{.Service}} {{.Image}} {{.Health}}'")
    assert f"db {known['postgres:17']} healthy" in capsys.readouterr().out
    cell("%docker compose down")


def test_project_of_somebody_else_is_left_alone(engine, cell, name, project, tmp_path):
    image = image_for(engine, BASE)
    project(f"  web:\n    image: {image}\n{SLEEPER}    volumes: ['data:/d']\nvolumes:\n  data:\n")
    folder = str(tmp_path / name)
    theirs = ("compose", "--project-directory", folder, "-f", f"{folder}/compose.yaml")
    assert engine.run(*theirs, "up", "-d").returncode == 0

    def state():
        return engine.run(
            "ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.State}}", "-f", f"name={name}"
        )

    before = state().stdout
    verbs = ("up -d", "run web true", "create", "build", "down -v", "rm -f", "stop", "restart")
    for verb in verbs:
        for line in (f"compose {verb}", f"compose -p {name} {verb}"):
            with pytest.raises(
                CourseError, match=f"Compose project '{name}'.* that the course didn't create"
            ) as caught:
                cell(f"%docker {line}")
            assert "-p NAME" in caught.value.hint
    assert state().stdout == before and "running" in before
    cell("%docker compose ps")
    cell(f"%docker compose -p {name}-2 up -d")
    assert len(running(engine, f"{name}-2")) == 1
    cell(f"%docker compose -p {name}-2 down -v")
    assert state().stdout == before
    assert engine.run(*theirs, "down").returncode == 0
    with pytest.raises(CourseError):  # their data is still there
        cell("%docker compose down -v")
    assert engine.run(*theirs, "down", "-v").returncode == 0
    cell("%docker compose up -d")
    cell("%docker compose down -v")


def test_wrong_compose_file_is_shown_by_compose(cell, project, capsys):
    project("  web:\n    imagee: x\n")
    for verb in ("up -d", "down"):
        with pytest.raises(DockerCommandFailed, match=f"compose {verb}"):
            cell(f"%docker compose {verb}")
        assert capsys.readouterr().out.count("imagee") == 1


def test_images_from_containers_and_files_are_labelled(engine, cell, name, tmp_path):
    cell(f"%docker create --name {name} {BASE} true")
    cell(f"%docker commit {name} {name}:committed")
    cell(f"%docker export -o {tmp_path}/x.tar {name}")
    cell(f"%docker import {tmp_path}/x.tar {name}:imported")
    assert label_of(engine, "image", f"{name}:committed") == owner_id()
    assert label_of(engine, "image", f"{name}:imported") == owner_id()


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
