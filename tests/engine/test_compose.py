"""Compose projects on an engine: wrong ones end with one message, the tables follow the file.

Those that build run on both image stores, the others on the private engine.
"""

from __future__ import annotations

import shutil
import uuid

import pytest
from IPython.core.interactiveshell import InteractiveShell

import helpers.engine.find
from helpers.compose.containers import PROJECT_LABEL
from helpers.compose.project import read_project
from helpers.engine.base_image import POSTGRES, ensure_base_image, image_for
from helpers.engine.engine import Engine
from helpers.errors import CourseError, DockerCommandFailed
from helpers.experiments.compose_rebuilding.measure import compare_rebuilds
from helpers.experiments.compose_rebuilding.result import CHANGES, CONFIGURATION
from helpers.experiments.compose_stopping.measure import compare_stops
from helpers.experiments.composition.measure import show_project
from helpers.magic import load
from helpers.notebook.http import fetch
from helpers.paths import CHECKOUT

pytestmark = pytest.mark.engine
VISITS = CHECKOUT / "notebooks/apps/visits"
BASE = "python:3.13-slim"


both_stores = pytest.mark.parametrize("engine", ["private_engine", "user_engine"], indirect=True)


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Engine:
    return request.getfixturevalue(getattr(request, "param", "private_engine"))


@pytest.fixture
def name(engine):
    """Return a project's unique name, and remove the project after the test."""
    unique = f"compose-{uuid.uuid4().hex[:8]}"
    yield unique
    label = f"label={PROJECT_LABEL}={unique}"
    for object_id in engine.run("ps", "-aq", "--filter", label).stdout.split():
        engine.run("rm", "-fv", object_id)
    for kind in ("network", "volume"):
        for object_id in engine.run(kind, "ls", "-q", "--filter", label).stdout.split():
            engine.run(kind, "rm", object_id)
    for image in engine.run("images", "-q", "--filter", f"reference={unique}*").stdout.split():
        engine.run("rmi", "-f", image)


@pytest.fixture
def folder(name, tmp_path, monkeypatch):
    path = tmp_path / name
    path.mkdir()
    monkeypatch.chdir(path)
    return path


@pytest.fixture
def cell(engine, monkeypatch, folder):
    """Return a function that runs a cell in the project's folder."""
    monkeypatch.setattr(helpers.engine.find, "connect", lambda: engine)
    ipython = InteractiveShell.instance()
    load(ipython)

    def run(text):
        result = ipython.run_cell(text)
        if result.error_in_exec:
            raise result.error_in_exec

    return run


def running(engine, name):
    return engine.run("ps", "-q", "--filter", f"label={PROJECT_LABEL}={name}").stdout.split()


def service(image, *lines, command="[sleep, '600']"):
    body = "".join(f"    {line}\n" for line in lines)
    return f"    image: {image}\n    init: true\n    command: {command}\n{body}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services:\n  web: [\n", "yaml: line 2"),
        ("services:\n  web:\n    imagee: x\n", "services.web additional properties 'imagee'"),
        (
            "services:\n  a:\n    image: x\n    depends_on: [b]\n"
            "  b:\n    image: x\n    depends_on: [a]\n",
            "cycle",
        ),
        (
            "services:\n  a:\n    image: x\n    environment: ['A=${NEEDED:?set it}']\n",
            "services.a.environment",
        ),
    ],
)
def test_wrong_file_is_named(engine, name, folder, cell, capsys, text, message):
    (folder / "compose.yaml").write_text(text)
    with pytest.raises(DockerCommandFailed):
        cell("%docker compose up -d")
    printed = capsys.readouterr().out
    assert printed.count(message) == 1 and "Traceback" not in printed
    assert running(engine, name) == []
    for function in (show_project, compare_stops, compare_rebuilds):
        with pytest.raises(CourseError, match="can't read the project"):
            function(engine=engine)


def test_unhealthy_service_shows_its_log(engine, name, folder, cell, capsys):
    image = image_for(engine, BASE)
    check = "healthcheck: {test: 'echo not-yet; exit 1', interval: 300ms, retries: 2}"
    log = '[sh, -c, "for i in 1 2 3 4 5 6 7 8; do echo line-$$i; done; sleep 600"]'
    (folder / "compose.yaml").write_text(
        "services:\n  db:\n"
        + service(image, check, command=log)
        + "  web:\n"
        + service(image, "depends_on: {db: {condition: service_healthy}}")
    )
    with pytest.raises(DockerCommandFailed):
        cell("%docker compose up -d")
    printed = capsys.readouterr().out
    assert f"{name}-db-1 is unhealthy" in printed and "not-yet" in printed
    assert "line-8" in printed and "line-3" not in printed
    assert f"stopped, because the project did not start: {name}-db-1" in printed
    assert running(engine, name) == []


def test_two_services_on_one_port_are_stopped(engine, name, folder, cell, capsys):
    image = image_for(engine, BASE)
    ports = "ports: ['127.0.0.1:57907:5000']"
    (folder / "compose.yaml").write_text(
        f"services:\n  a:\n{service(image, ports)}  b:\n{service(image, ports)}"
    )
    with pytest.raises(DockerCommandFailed):
        cell("%docker compose up -d")
    printed = capsys.readouterr().out
    assert "57907" in printed and "already allocated" in printed and f"{name}-" in printed
    assert running(engine, name) == []


@both_stores
def test_failed_build_of_one_service_is_named(engine, name, folder, cell, capsys):
    (folder / "Dockerfile.good").write_text(f"FROM {BASE}\nRUN echo good\n")
    (folder / "Dockerfile.bad").write_text(f"FROM {BASE}\nRUN exit 9\n")
    (folder / "compose.yaml").write_text(
        "services:\n  good:\n    build: {context: ., dockerfile: Dockerfile.good}\n"
        "  bad:\n    build: {context: ., dockerfile: Dockerfile.bad}\n"
    )
    with pytest.raises(DockerCommandFailed):
        cell("%docker compose up -d")
    printed = capsys.readouterr().out
    assert "target bad: failed" in printed and "Dockerfile.bad:2" in printed
    assert engine.run("ps", "-aq", "--filter", f"name={name}").stdout == ""


@pytest.fixture
def visits(engine, name, folder):
    """Copy the visits app without published ports into the folder, under the project's name."""
    ensure_base_image(engine, POSTGRES)
    shutil.copytree(VISITS, folder, dirs_exist_ok=True)
    file = folder / "compose.yaml"
    text = file.read_text().replace("name: course-visits", f"name: {name}")
    file.write_text(text.replace('      - "${WEB_PORT:-5000}:5000"\n', '      - "5000"\n'))
    return file


def test_wrong_database_url_is_shown(engine, name, visits, cell, capsys):
    visits.write_text(visits.read_text().replace("@db/postgres", "@nowhere/postgres"))
    with pytest.raises(DockerCommandFailed):
        cell("%docker compose up --abort-on-container-failure")
    printed = capsys.readouterr().out
    assert f"{name}-web-1 exited with code 1" in printed
    assert "No database: failed to resolve host 'nowhere'" in printed
    assert running(engine, name) == []
    cell("%docker compose down -v")


def test_wrong_database_url_is_shown_by_the_first_request(
    engine, name, visits, cell, capsys, monkeypatch
):
    """For `up -d`, a service without a health check is a success as soon as it has started."""
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    text = visits.read_text().replace("@db/postgres", "@nowhere/postgres")
    visits.write_text(text.replace('      - "5000"\n', '      - "57908:5000"\n'))
    cell("%docker compose up -d")
    with pytest.raises(CourseError, match="No answer from") as caught:
        fetch("http://127.0.0.1:57908/", timeout=5)
    assert f"{name}-web-1 publishes port 57908 and has exited with code 1" in caught.value.hint
    assert "No database: failed to resolve host 'nowhere'" in caught.value.hint
    cell("%docker compose down -v")
    assert running(engine, name) == []


def test_project_is_read_while_it_runs(engine, name, visits, cell):
    assert show_project(engine=engine).project.service("web").status == "not created"
    cell("%docker compose up -d --wait")
    project = read_project(engine)
    web, db = project.service("web"), project.service("db")
    assert (web.status, db.status) == ("running", "running, healthy")
    assert web.ports[0].endswith(":5000") and db.ports == ()
    assert set(running(engine, name)) == {each.containers[0].id[:12] for each in (web, db)}
    cell("%docker compose down -v")


@pytest.fixture
def light(engine, folder):
    """Write a project of two services that only sleep, with a volume; `web` is built."""
    (folder / "app.py").write_text("")
    (folder / "Dockerfile").write_text(f"FROM {BASE}\nCOPY app.py .\n")
    file = folder / "compose.yaml"
    sleep = "    init: true\n    command: [sleep, '600']\n"
    file.write_text(
        f"services:\n  web:\n    build: .\n{sleep}    depends_on: [db]\n"
        f"  db:\n    image: {image_for(engine, BASE)}\n{sleep}    volumes: ['data:/d']\n"
        "volumes:\n  data:\n"
    )
    return file


# Nobody else makes volumes on this engine meanwhile.
@pytest.mark.parametrize("engine", ["user_engine"], indirect=True)
def test_stop_table_follows_the_file(engine, name, light):
    volumes = {each["Name"] for each in engine.client.api.volumes()["Volumes"] or []}
    stops = compare_stops(engine=engine)
    assert [stop.row()[1:] for stop in stops.stops] == [
        ("stopped", "kept", "data kept", "kept"),
        ("stopped", "kept", "data kept", "kept"),
        ("removed", "removed", "data kept", "kept"),
        ("removed", "removed", "data removed", "kept"),
    ]
    light.write_text(light.read_text().replace("data:/d", "/d"))
    changed = compare_stops(engine=engine)
    assert changed.stop("down").volumes == "anonymous kept"
    assert changed.stop("down -v").volumes == "anonymous removed"
    for listing in (("ps", "--all"), ("images",), ("network", "ls")):
        assert f"{name}-copy" not in engine.run(*listing).stdout
    assert {each["Name"] for each in engine.client.api.volumes()["Volumes"] or []} == volumes


def test_rebuild_table_follows_the_file(engine, name, light):
    """The table of chapter 07; the chapter has it on both image stores."""
    rebuilds = compare_rebuilds("web", engine=engine)
    build, force, alone = "--build", "--force-recreate", "--no-deps"
    expected = {
        (): ("nothing", "nothing", "db: container; web: container"),
        (build,): ("nothing", "web: image, container", "db: container; web: container"),
        (force,): ("web: container", "web: container", "db: container; web: container"),
        (alone,): ("nothing", "nothing", "web: container"),
        (build, force, alone): ("web: container", "web: image, container", "web: container"),
    }
    for flags, cells in expected.items():
        assert tuple(rebuilds.attempt(change, *flags).text() for change in CHANGES) == cells, flags
    light.write_text(light.read_text().replace("    depends_on: [db]\n", ""))
    independent = compare_rebuilds("web", flag_sets=[()], engine=engine)
    assert independent.attempt(CONFIGURATION).text() == "web: container"


def test_rebuild_of_unknown_service_is_one_line(engine, visits):
    with pytest.raises(CourseError, match="no service 'api'"):
        compare_rebuilds("api", engine=engine)
    with pytest.raises(CourseError, match=r"no file 'main.py'"):
        compare_rebuilds("web", "main.py", engine=engine)
