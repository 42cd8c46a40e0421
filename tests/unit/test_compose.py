"""A Compose project's model, diagram and tables, without an engine."""

from __future__ import annotations

import json
import subprocess

import pytest

from helpers.compose import project as reading
from helpers.engine.engine import Engine
from helpers.errors import CourseError
from helpers.experiments.compose_rebuilding import view as rebuilding_view
from helpers.experiments.compose_rebuilding.result import CHANGES, CODE, Attempt, RebuildComparison
from helpers.experiments.compose_stopping import view as stopping_view
from helpers.experiments.compose_stopping.result import Stop, StopComparison
from helpers.experiments.composition.result import ProjectDiagram
from helpers.experiments.composition.view import mermaid, render

ENGINE = Engine("unix:///nowhere.sock", "private", "28")
CONFIG = {
    "name": "shop",
    "services": {
        "web": {
            "build": {"context": "/shop"},
            "depends_on": {"db": {"condition": "service_healthy"}},
            "networks": {"back": None, "default": None},
            "ports": [{"target": 5000, "published": "5000"}],
            "volumes": [{"type": "bind", "source": "/shop", "target": "/app"}],
        },
        "db": {
            "image": 'post"gres:17',
            "networks": {"back": None},
            "volumes": [{"type": "volume", "source": "data", "target": "/data"}],
        },
        "end": {"image": "x", "volumes": [{"type": "volume", "target": "/anonymous"}]},
    },
}
RUNNING = [
    {
        "ID": "1" * 64,
        "Service": "web",
        "State": "exited",
        "Health": "",
        "ExitCode": 1,
        "Publishers": None,
    },
    {
        "ID": "2" * 64,
        "Service": "db",
        "State": "running",
        "Health": "healthy",
        "ExitCode": 0,
        "Publishers": [{"PublishedPort": 0, "TargetPort": 5432}],
    },
]


@pytest.fixture
def project(monkeypatch):
    """Return the project that these answers of docker compose describe."""

    def answer(engine, *args, timeout=0):
        lines = "\n".join(map(json.dumps, RUNNING))
        return subprocess.CompletedProcess(
            args, 0, lines if "ps" in args else json.dumps(CONFIG), ""
        )

    monkeypatch.setattr(Engine, "run", answer)
    return reading.read_project(ENGINE)


def test_project_joins_file_and_containers(project):
    assert [service.name for service in project.services] == ["db", "end", "web"]
    web = project.service("web")
    assert web.image == "shop-web"
    assert web.ports == ("5000:5000",)
    assert web.depends_on == (("db", "service_healthy"),)
    assert web.status == "exited (1)"
    assert project.service("db").status == "running, healthy"
    assert project.service("end").status == "not created"
    assert project.service("end").volumes == ("anonymous:/anonymous",)


def test_folders_are_relative_to_the_project(monkeypatch, tmp_path, project):
    monkeypatch.chdir(tmp_path)
    sources = (tmp_path, tmp_path / "code", "/etc")
    shown = [reading._source({"source": str(source)}) for source in sources]
    assert shown == [".", "./code", "/etc"]


def test_diagram_has_every_part(project):
    text = mermaid(project)
    for part in (
        'subgraph n0["networks back, default"]',
        '"port 5000 → 5000" --> s_web',
        's_web -. "waits until it is healthy" .-> s_db',
        '[("volume data")]',
        "running, healthy",
        "post#quot;gres",
        "s_end[",
    ):
        assert part in text.replace("n1[", "n0[").replace("n2[", "n0["), part
    assert text.count("subgraph") == text.count("  end\n") == 3


def test_diagram_is_also_text(project):
    result = ProjectDiagram(project)
    assert set(render(result)) == {"text/plain", "text/vnd.mermaid"}
    assert "db: running, healthy" in result.facts()
    assert "web: exited (1), waits until db is healthy" in result.facts()


def test_wrong_file_is_one_line(monkeypatch):
    failed = subprocess.CompletedProcess((), 1, "", "warning\nyaml: line 3: did not find key\n")
    monkeypatch.setattr(Engine, "run", lambda *args, **options: failed)
    with pytest.raises(CourseError, match="can't read the project: yaml: line 3"):
        reading.read_project(ENGINE)


def test_stops_are_drawn():
    stops = StopComparison("shop", (Stop("down", "removed", "removed", "data kept", "kept"),))
    assert stops.stop("down").volumes == "data kept"
    assert "data kept" in stops.facts()
    assert "<code" in stopping_view.render(stops)["text/html"]


def test_rebuilds_are_drawn():
    attempts = [Attempt((), change, (), ()) for change in CHANGES]
    attempts += [
        Attempt(("--build",), change, ("web",) if change == CODE else (), ("web", "db"))
        for change in CHANGES
    ]
    rebuilds = RebuildComparison("web", tuple(attempts))
    assert rebuilds.rows()[0] == ("(none)", "nothing", "nothing", "nothing")
    assert rebuilds.rows()[1][2] == "db: container; web: image, container"
    assert "--build" in rebuilding_view.render(rebuilds)["text/html"]
