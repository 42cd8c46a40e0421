"""`rehearse` on a real engine, of a chapter made here: fine, failed, and stopped by Ctrl-C."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from helpers.engine.engine import Engine
from helpers.engine.owner import CHECKOUT

pytestmark = pytest.mark.engine

# The command line itself, its chapters taken from another folder.
PROGRAM = """
import sys
from pathlib import Path
from helpers.cli import main, work
work.SOURCE = Path(sys.argv[1])
# more
sys.exit(main(["rehearse", "01"]))
"""

# Ctrl-C when the kernel is idle and is about to be given the cell.
TOO_EARLY = """
import asyncio, os, signal
from helpers.cli import rehearse

async def stop(**_):
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(0.5)

class Client(rehearse._Client):
    async def _interrupt(self):
        print("interrupted, the cell runs:", self._runs, flush=True)
        await super()._interrupt()

    async def async_execute_cell(self, cell, *args, **kwargs):
        if "sleep" in cell.source:
            self.on_cell_execute = stop
        return await super().async_execute_cell(cell, *args, **kwargs)

rehearse._Client = Client
"""


@pytest.fixture
def name() -> str:
    return f"rehearsed-{secrets.token_hex(4)}"


def start(engine: Engine, folder: Path, *sources: str, more: str = "") -> subprocess.Popen[str]:
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in ("%load_ext helpers", *sources)])
    nbformat.write(notebook, folder / "01_made_here.ipynb")
    return subprocess.Popen([sys.executable, "-c", PROGRAM.replace("# more", more),
                             str(folder)], cwd=CHECKOUT, env=engine.env,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True)


def test_a_chapter_that_runs(engine: Engine, tmp_path: Path) -> None:
    child = start(engine, tmp_path, "print(1)")
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 0, said
    assert "✓  01_made_here  (" in said


def test_a_failed_chapter_says_where_and_leaves_nothing(
        engine: Engine, tmp_path: Path, name: str) -> None:
    child = start(engine, tmp_path, f"%docker volume create {name}", "%docker rm not-there")
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "✗  01_made_here, cell 3" in said and "docker rm not-there" in said
    assert "Traceback" not in said
    assert name not in engine.run("volume", "ls").stdout


def test_a_kernel_that_dies_is_said_in_one_message(engine: Engine, tmp_path: Path) -> None:
    volume = f"rehearsed-{secrets.token_hex(4)}"
    child = start(engine, tmp_path, f"%docker volume create {volume}",
                  "import os; os.write(2, b'last words'); os._exit(1)")
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 1
    assert volume not in engine.run("volume", "ls").stdout, "a dead kernel's objects are removed"
    told = re.search(r"✗  01_made_here, cell 3, .*:\n +Kernel died  \(.* (/.*)\)\n", said)
    assert told and "Traceback" not in said, said
    assert "last words" in Path(told[1]).read_text()


@pytest.mark.parametrize("cell", ["import time; time.sleep(100)",
                                  "%docker run --rm python:3.13-slim sleep 100"])
def test_ctrl_c_leaves_nothing(cell: str, engine: Engine, tmp_path: Path, name: str) -> None:
    child = start(engine, tmp_path, f"%docker volume create {name}",
                  f"open({str(tmp_path / 'reached')!r}, 'w').close()", cell)
    try:
        deadline = time.monotonic() + 40
        while not (tmp_path / "reached").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1.5)
        assert name in engine.run("volume", "ls").stdout, "proved to be there before it is gone"
        os.killpg(child.pid, signal.SIGINT)      # as a terminal does
        said, _ = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 130
    assert "Traceback" not in said and said.rstrip().endswith("stopped"), said
    assert name not in engine.run("volume", "ls").stdout


@pytest.mark.parametrize("seconds", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
def test_ctrl_c_while_the_kernel_starts(seconds: float, engine: Engine, tmp_path: Path) -> None:
    child = start(engine, tmp_path, "import time; time.sleep(100)")
    assert child.stdout is not None
    said = child.stdout.readline()      # the engine's line; the kernel comes next
    time.sleep(seconds)
    os.killpg(child.pid, signal.SIGINT)
    rest, _ = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in rest and rest.rstrip().endswith("stopped"), said + rest


def test_ctrl_c_before_the_kernel_has_the_cell_is_not_lost(engine: Engine, tmp_path: Path) -> None:
    child = start(engine, tmp_path, "import time; time.sleep(100)", more=TOO_EARLY)
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 130, said
    assert "Traceback" not in said and said.rstrip().endswith("stopped"), said
    assert "interrupted, the cell runs: True" in said, "it waits for the kernel's word"


def test_ctrl_c_where_the_cell_does_not_end(engine: Engine, tmp_path: Path) -> None:
    stubborn = """
import time
print(open({!r}, 'w').close())
until = time.monotonic() + 60
while time.monotonic() < until:
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        pass
""".format(str(tmp_path / "reached"))
    child = start(engine, tmp_path, stubborn)
    deadline = time.monotonic() + 40
    while not (tmp_path / "reached").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(child.pid, signal.SIGINT)
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 130, said
    assert "Traceback" not in said and said.rstrip().endswith("stopped"), said
