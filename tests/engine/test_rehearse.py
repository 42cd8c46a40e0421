"""`rehearse` on a real engine, of small chapters: success, failure, and Ctrl-C."""

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
from helpers.paths import CHECKOUT
from helpers.process import wait_until

pytestmark = pytest.mark.engine

# The command line with chapters from another folder.
PROGRAM = """
import sys
from pathlib import Path
from helpers.cli import main, work
work.SOURCE = Path(sys.argv[1])
# more
sys.exit(main(["rehearse", "01"]))
"""

# The chapter's process, with Ctrl-C while the kernel is idle, just before it gets the cell.
EARLY_CTRL_C = """
import asyncio, os, signal, sys
from pathlib import Path
from helpers.cli import chapter

class Client(chapter.NotebookClient):
    async def async_execute_cell(self, cell, *args, **kwargs):
        if "sleep" in cell.source:
            os.kill(os.getppid(), signal.SIGINT)
            await asyncio.sleep(0.5)
        return await super().async_execute_cell(cell, *args, **kwargs)

chapter.NotebookClient = Client
sys.exit(chapter.main(Path(sys.argv[1]), save=False))
"""
USE_EARLY_CTRL_C = f"""
from helpers.cli import rehearse
rehearse.COMMAND = (sys.executable, "-c", {EARLY_CTRL_C!r})
"""


@pytest.fixture
def name() -> str:
    return f"rehearsed-{secrets.token_hex(4)}"


def start(engine: Engine, folder: Path, *sources: str, more: str = "") -> subprocess.Popen[str]:
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in ("%load_ext helpers", *sources)]
    )
    nbformat.write(notebook, folder / "01_made_here.ipynb")
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.replace("# more", more), str(folder)],
        cwd=CHECKOUT,
        env=engine.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_chapter_succeeds(engine: Engine, tmp_path: Path) -> None:
    child = start(engine, tmp_path, "print(1)")
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 0, output
    assert "✓  01_made_here  (" in output


def test_failed_chapter_is_located_and_cleaned(engine: Engine, tmp_path: Path, name: str) -> None:
    child = start(engine, tmp_path, f"%docker volume create {name}", "%docker rm not-there")
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "✗  01_made_here, cell 3" in output and "docker rm not-there" in output
    assert "Traceback" not in output
    assert name not in engine.run("volume", "ls").stdout


def test_dead_kernel_is_one_message(engine: Engine, tmp_path: Path) -> None:
    volume = f"rehearsed-{secrets.token_hex(4)}"
    child = start(
        engine,
        tmp_path,
        f"%docker volume create {volume}",
        "import os; os.write(2, b'written to stderr'); os._exit(1)",
    )
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 1
    assert volume not in engine.run("volume", "ls").stdout, (
        "the dead kernel's volume is still there"
    )
    match = re.search(r"✗  01_made_here, cell 3, .*:\n +Kernel died  \(.* (/.*)\)\n", output)
    assert match and "Traceback" not in output, output
    assert "written to stderr" in Path(match[1]).read_text()


@pytest.mark.parametrize(
    "cell", ["import time; time.sleep(100)", "%docker run --rm --init python:3.13-slim sleep 100"]
)
def test_ctrl_c_leaves_nothing(cell: str, engine: Engine, tmp_path: Path, name: str) -> None:
    child = start(
        engine,
        tmp_path,
        f"%docker volume create {name}",
        f"open({str(tmp_path / 'reached')!r}, 'w').close()",
        cell,
    )
    try:
        assert wait_until((tmp_path / "reached").exists, 40)
        time.sleep(1.5)
        assert name in engine.run("volume", "ls").stdout, "no volume to remove"
        os.killpg(child.pid, signal.SIGINT)  # as a terminal does
        output, _ = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 130
    assert "Traceback" not in output and output.rstrip().endswith("stopped"), output
    assert name not in engine.run("volume", "ls").stdout


@pytest.mark.parametrize("seconds", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
def test_ctrl_c_while_kernel_starts(seconds: float, engine: Engine, tmp_path: Path) -> None:
    child = start(engine, tmp_path, "import time; time.sleep(100)")
    assert child.stdout is not None
    output = child.stdout.readline()  # the line about the engine; the kernel starts next
    time.sleep(seconds)
    os.killpg(child.pid, signal.SIGINT)
    output += child.communicate(timeout=60)[0]
    assert child.returncode == 130
    assert "Traceback" not in output and output.rstrip().endswith("stopped"), output


def test_ctrl_c_before_the_cell_runs(engine: Engine, tmp_path: Path) -> None:
    child = start(engine, tmp_path, "import time; time.sleep(100)", more=USE_EARLY_CTRL_C)
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 130, output
    assert "Traceback" not in output and output.rstrip().endswith("stopped"), output


@pytest.mark.parametrize(("interrupts", "seconds"), [(1, 60), (2, 8)])
def test_ctrl_c_stops_a_stubborn_cell(
    interrupts: int, seconds: float, engine: Engine, tmp_path: Path
) -> None:
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
    assert wait_until((tmp_path / "reached").exists, 40)
    for _ in range(interrupts):
        os.killpg(child.pid, signal.SIGINT)
        time.sleep(0.5)
    output, _ = child.communicate(timeout=seconds)
    assert child.returncode == 130, output
    assert "Traceback" not in output and output.rstrip().endswith("stopped"), output
