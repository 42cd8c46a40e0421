"""What goes wrong in chapters 02 and 03: their own cells give one message, and then a rerun works.

The cells run in a kernel, with names and a port of the test's own. A full disk during a build is in
test_bad_input.py.
"""

from __future__ import annotations

import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from helpers.engine import base_image
from helpers.engine.engine import Engine
from helpers.engine.private import PrivateEngine
from helpers.paths import CHECKOUT
from tests.conftest import as_user_engine
from tests.engine.test_bad_input import CELL_SECONDS, Notebook, notebook

pytestmark = pytest.mark.engine
NO_IMAGE = "There is no image {0} on this engine. If you build it yourself: docker build -t {0} ."
# An app that needs no download and answers at once.
DOCKERFILE = """\
FROM python:3.13-slim
WORKDIR /app
EXPOSE 5000
CMD ["python", "-m", "http.server", "5000"]
"""
# The folder in which a cell of chapter 03 runs.
FOLDERS = {"check_dockerfile(": "build-errors", "try_startup_commands(": "cmd-entrypoint"}


class Chapter:
    """The cells of a chapter in a kernel, with some words replaced."""

    def __init__(self, number: str, kernel: Notebook, words: dict[str, str]) -> None:
        (path,) = (CHECKOUT / "notebooks").glob(f"{number}_*.ipynb")
        self.cells = nbformat.read(path, as_version=4).cells
        self.kernel, self.words = kernel, words

    def source(self, text: str) -> str:
        """Return the first code cell with a text; the text is the chapter's."""
        source = next(c.source for c in self.cells if c.cell_type == "code" and text in c.source)
        for old, new in self.words.items():
            source = source.replace(old, new)
        return source

    def works(self, text: str) -> None:
        self.run(self.source(text))

    def run(self, code: str) -> None:
        """Run code that must succeed."""
        reply = self.kernel.client.execute_interactive(code, timeout=CELL_SECONDS)
        assert reply["content"]["status"] == "ok", code

    def fails(self, text: str) -> str:
        """Run a cell that must fail with one message; return it."""
        return self.kernel.fails(self.source(text))

    def advice(self, text: str) -> str:
        """Run a cell that must fail; return the next step, the last line of its message."""
        return self.fails(text).splitlines()[-1].removeprefix("→ ")


@pytest.fixture
def engine(user_engine: Engine) -> Engine:
    return user_engine


@pytest.fixture
def name(engine: Engine) -> Iterator[str]:
    unique = f"fault-{secrets.token_hex(4)}"
    yield unique
    for container in engine.run("ps", "-aq", "--filter", f"name={unique}").stdout.split():
        engine.run("rm", "-f", container)
    for image in engine.run("images", "-q", unique).stdout.split():
        engine.run("image", "rm", "-f", image)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_apps(tmp_path_factory.mktemp("chapters"))


@pytest.fixture(scope="module")
def kernel(user_engine: Engine, folder: Path) -> Iterator[Notebook]:
    """Yield the kernel in which the cells of both chapters run."""
    with notebook(user_engine, folder) as started:
        yield started


@pytest.fixture
def chapter_02(kernel: Notebook, name: str) -> Chapter:
    chapter = Chapter("02", kernel, {"course-02": name})
    chapter.run("import docker\nfrom helpers import watch_life")
    return chapter


@pytest.fixture
def chapter_03(kernel: Notebook, folder: Path, name: str) -> Chapter:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    words = {
        "my-flask-app": name,
        "--name web": f"--name {name}-web",
        "rm -f web": f"rm -f {name}-web",
        "5005": str(port),
    }
    return open_chapter_03(kernel, folder, words)


def copy_apps(folder: Path) -> Path:
    shutil.copytree(CHECKOUT / "notebooks/apps", folder / "apps")
    return folder


def open_chapter_03(kernel: Notebook, folder: Path, words: dict[str, str]) -> Chapter:
    """Return chapter 03 in the folder of its app, with a Dockerfile that installs nothing."""
    chapter = Chapter("03", kernel, words)
    imports = "check_dockerfile, compare_stop_times, fetch, open_app, try_startup_commands"
    chapter.run(f"import docker\nfrom helpers import {imports}")
    chapter.works('open_app("slide-app")')
    (folder / "scratch/slide-app/Dockerfile").write_text(DOCKERFILE)
    return chapter


def test_02_name_in_use(chapter_02: Chapter, name: str) -> None:
    """A container is left from an earlier run; the cell starts three."""
    chapter_02.run(f"%docker run -d --name {name}-b python:3.13-slim sleep 60")
    cell = "run -d --name course-02-a"
    for left in ("b", "a"):
        assert chapter_02.advice(cell) == (
            f"Remove the container {name}-{left} (docker rm -f {name}-{left}), or choose another "
            "--name."
        )
        chapter_02.run(f"%docker rm -f {name}-{left}")
    chapter_02.works(cell)
    chapter_02.works("docker rm -f course-02-a")
    chapter_02.works("docker create --init")
    assert chapter_02.advice("docker create --init").startswith(f"Remove the container {name}-life")


def test_02_image_removed(chapter_02: Chapter, name: str) -> None:
    """The tag is removed in a terminal between two cells, one of the command line, one of the SDK."""
    chapter_02.works("docker tag")
    chapter_02.works("docker rmi")
    assert chapter_02.advice("docker rmi") == NO_IMAGE.format(f"{name}:mine")
    assert chapter_02.advice("images.get(") == NO_IMAGE.format(f"{name}:mine")
    chapter_02.works("docker tag")
    chapter_02.works("images.get(")
    chapter_02.works("docker rmi")


def test_02_container_ended_or_removed(chapter_02: Chapter, name: str) -> None:
    """The cells of a container's life in another order."""
    assert f"creates {name}-life" in chapter_02.advice("docker start course-02-life")
    chapter_02.works("docker create --init")
    start = f"The container {name}-life is not running. Start it: docker start {name}-life"
    for cell in ("docker pause", "docker kill course-02-life"):
        assert chapter_02.advice(cell) == start
    for cell in ("docker start", "docker pause", "docker unpause", "docker kill", "docker rm"):
        chapter_02.works(f"{cell} course-02-life")


def test_03_port_taken(chapter_03: Chapter, name: str) -> None:
    chapter_03.works("docker build -t my-flask-app .")
    port = chapter_03.words["5005"]
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", int(port)))
        listener.listen()
        assert chapter_03.advice("docker run -d --name web") == (
            f"Port {port} is in use by a program that is not a container. Stop that program, or "
            "choose another host port. Then remove the container that could not start: "
            f"docker rm {name}-web"
        )
    chapter_03.works("docker rm -f web")
    chapter_03.works("fetch(")


def test_03_name_in_use(chapter_03: Chapter, name: str) -> None:
    """The cell that starts the first container is run again."""
    chapter_03.works("docker build -t my-flask-app .")
    cell = "%docker run -d --name web"
    chapter_03.works(cell)
    assert chapter_03.advice(cell).startswith(f"Remove the container {name}-web (docker rm -f")
    chapter_03.run(f"%docker rm -f {name}-web")
    chapter_03.works(cell)


def test_03_image_removed(chapter_03: Chapter, name: str) -> None:
    build = "docker build -t my-flask-app ."
    chapter_03.works(build)
    chapter_03.run(f"%docker image rm {name}")
    for cell in ("%docker image inspect -f", "images.get("):
        assert chapter_03.advice(cell) == NO_IMAGE.format(name)
    chapter_03.works(build)
    chapter_03.works("images.get(")


def test_03_folder_of_the_experiments_missing(chapter_03: Chapter) -> None:
    """The experiments are run in the folder of another section."""
    for cell in ("try_startup_commands()", "compare_stop_times()"):
        assert chapter_03.advice(cell).startswith("Run the cell with open_app above")
    assert "There is no file 'Dockerfile.planted'" in chapter_03.fails("check_dockerfile(")


def test_engine_stopped_and_restarted(second_daemon: PrivateEngine, tmp_path: Path) -> None:
    """All kinds of cells while a user's engine is stopped, and again after its start."""
    engine = as_user_engine(second_daemon)
    base_image.ensure_base_image(engine)
    with notebook(engine, copy_apps(tmp_path)) as kernel:
        third = open_chapter_03(kernel, tmp_path, {})
        third.run("from helpers import watch_life")
        second = Chapter("02", kernel, {})
        second.works("docker create --init")
        third.works("docker build -t my-flask-app .")
        third.run("open_app('build-errors'); open_app('cmd-entrypoint')")
        second_daemon.halt()
        cells = [
            (second, "watch_life("),
            (second, "docker start"),
            (second, "containers.list("),
            (third, "docker build -t"),
            (third, "images.get("),
            (third, "check_dockerfile("),
            (third, "try_startup_commands("),
        ]
        for chapter, cell in cells:
            third.run(f"%cd -q {tmp_path}/scratch/{FOLDERS.get(cell, 'slide-app')}")
            assert re.search("Start (Docker|it) again", chapter.fails(cell)), cell
        second_daemon.launch()
        for chapter, cell in cells:
            third.run(f"%cd -q {tmp_path}/scratch/{FOLDERS.get(cell, 'slide-app')}")
            chapter.works(cell)
