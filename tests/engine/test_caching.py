"""The caching experiment on a real engine: every kind of edit, and nothing is left."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest
from docker.errors import ImageNotFound

from helpers.build.result import BuildReport
from helpers.engine.engine import Engine
from helpers.experiments.caching import measure as caching
from helpers.experiments.caching.measure import compare_orders
from helpers.experiments.caching.result import OrderExperiment

pytestmark = pytest.mark.engine

AFTER = {
    "app.py": (
        "WORKDIR cached, COPY rebuilt, RUN rebuilt",
        "WORKDIR cached, COPY cached, RUN cached, COPY rebuilt",
    ),
    "requirements.txt": (
        "WORKDIR cached, COPY rebuilt, RUN rebuilt",
        "WORKDIR cached, COPY rebuilt, RUN rebuilt, COPY rebuilt",
    ),
    "Dockerfile": (
        "WORKDIR cached, COPY cached, RUN rebuilt",
        "WORKDIR cached, COPY cached, RUN rebuilt, COPY rebuilt",
    ),
    None: (
        "WORKDIR cached, COPY cached, RUN cached",
        "WORKDIR cached, COPY cached, RUN cached, COPY cached",
    ),
}


@pytest.fixture
def engine(each_engine: Engine) -> Engine:
    """Each test here runs on both image stores."""
    return each_engine


def fingerprint(folder: Path) -> str:
    return hashlib.sha256(
        b"".join(
            str(p).encode() + (p.read_bytes() if p.is_file() else b"")
            for p in sorted(folder.rglob("*"))
        )
    ).hexdigest()


@pytest.fixture
def clean(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that all images and folders of this test are gone; others may use the engine too."""
    app = caching.find_app("flask-app")
    before, real = fingerprint(app), caching.build_image
    tags: list[str] = []
    folders: list[Path] = []

    def build(context: Path, *, tag: str, **others: object) -> BuildReport:
        tags.append(tag)
        folders.append(context.parent)
        report = real(context, tag=tag, **others)
        assert engine.client.images.get(tag), "the image exists before it is removed"
        return report

    monkeypatch.setattr(caching, "build_image", build)
    yield
    assert tags and fingerprint(app) == before, "the student's files were touched"
    for tag in tags:
        with pytest.raises(ImageNotFound):
            engine.client.images.get(tag)
    assert not any(folder.exists() for folder in folders)


def outcomes(experiment: OrderExperiment) -> tuple[str, ...]:
    return tuple(line.split(":  ")[1].strip() for line in experiment.facts().splitlines()[1:])


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("edit", [None])
def test_each_edit(engine: Engine, edit: str | None) -> None:
    """Chapter 04 makes the three edits on both image stores, with strict outputs."""
    assert outcomes(compare_orders(edit=edit, engine=engine)) == AFTER[edit]


@pytest.mark.usefixtures("clean")
def test_runs_share_no_cache(engine: Engine) -> None:
    result = compare_orders(edit="app.py", repeats=2, engine=engine)
    assert outcomes(result) == AFTER["app.py"]


@pytest.mark.usefixtures("clean")
def test_same_dockerfile_twice_shares_no_edit(engine: Engine) -> None:
    both = {"given": "Dockerfile", "yours": "Dockerfile"}
    result = compare_orders(edit="app.py", dockerfiles=both, engine=engine)
    assert outcomes(result) == (AFTER["app.py"][1],) * 2


@pytest.mark.usefixtures("clean")
def test_ctrl_c_leaves_nothing(engine: Engine) -> None:
    def interrupt(line: str) -> None:
        if "after the edit" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare_orders(engine=engine, on_progress=interrupt)


@pytest.mark.usefixtures("clean")
def test_runs_in_a_worker_thread(engine: Engine) -> None:
    facts: list[str] = []
    worker = threading.Thread(
        target=lambda: facts.append(compare_orders(edit=None, engine=engine).facts())
    )
    worker.start()
    worker.join(120)
    assert facts and "rebuilt" not in facts[0]


@pytest.mark.usefixtures("clean")
def test_app_folder_with_a_space(engine: Engine, tmp_path: Path) -> None:
    app = tmp_path / "my app"
    app.mkdir()
    (app / "requirements.txt").write_text("")
    (app / "main.sh").write_text("echo hi\n")
    for name, lines in {
        "Dockerfile": "COPY requirements.txt .\nRUN echo install\nCOPY . .\n",
        "Dockerfile.copy-first": "COPY . .\nRUN echo install\n",
    }.items():
        (app / name).write_text("FROM python:3.13-slim\nWORKDIR /own\n" + lines)
    assert outcomes(compare_orders(app, "main.sh", engine=engine)) == AFTER["app.py"]
