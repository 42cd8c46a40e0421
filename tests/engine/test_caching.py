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
from helpers.experiments.caching.result import COPY_FIRST, REQUIREMENTS_FIRST

pytestmark = pytest.mark.engine

INSTALL = {
    "app.py": ("install step rebuilt", "install step cached"),
    "requirements.txt": ("install step rebuilt", "install step rebuilt"),
    "Dockerfile": ("install step rebuilt", "install step rebuilt"),
    None: ("every step cached", "every step cached"),
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


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("edit", list(INSTALL))
def test_each_edit(engine: Engine, edit: str | None) -> None:
    result = compare_orders(edit=edit, repeats=1, engine=engine)
    facts = result.facts().splitlines()
    assert facts[:4] == [
        "cold build, copy first: every RUN and COPY rebuilt",
        "cold build, requirements first: every RUN and COPY rebuilt",
        "unchanged rebuild, copy first: every step cached",
        "unchanged rebuild, requirements first: every step cached",
    ]
    edited = (
        result.order(COPY_FIRST).phase("edited"),
        result.order(REQUIREMENTS_FIRST).phase("edited"),
    )
    assert tuple(p.install.outcome for p in edited) == tuple(
        words.rsplit(" ", 1)[1] for words in INSTALL[edit]
    )


@pytest.mark.usefixtures("clean")
def test_runs_share_no_cache(engine: Engine) -> None:
    result = compare_orders(edit="app.py", repeats=2, engine=engine)
    assert "disagree" not in result.facts()
    assert "after editing app.py, requirements first: install step cached" in result.facts()
    assert "after editing app.py, copy first: install step rebuilt" in result.facts()


@pytest.mark.usefixtures("clean")
def test_ctrl_c_leaves_nothing(engine: Engine) -> None:
    def interrupt(line: str) -> None:
        if "build 3 of" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare_orders(repeats=1, engine=engine, on_progress=interrupt)


@pytest.mark.usefixtures("clean")
def test_runs_in_a_worker_thread(engine: Engine) -> None:
    facts: list[str] = []
    worker = threading.Thread(
        target=lambda: facts.append(compare_orders(edit=None, repeats=1, engine=engine).facts())
    )
    worker.start()
    worker.join(120)
    assert facts and "every step cached" in facts[0]


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
    result = compare_orders(app, "main.sh", repeats=1, engine=engine)
    assert "after editing main.sh, requirements first: install step cached" in result.facts()
