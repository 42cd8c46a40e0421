"""Bad input in a cell of a real kernel, with `build_image` and with `%docker`.

Each gives one short message without a stack trace and leaves nothing behind.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

from helpers.engine.engine import Engine
from helpers.engine.private import PrivateEngine
from helpers.process import all_pids, command_line, wait_until
from tests.conftest import copy_image

pytestmark = pytest.mark.engine

WAYS = {
    "build_image": "build_image({context!r}, tag={tag!r})",
    "magic": "%docker build -t {tag} {context}",
}
BASE = "python:3.13-slim"
CELL_SECONDS = 90
MOST_LINES = 14  # ten of a failed command's output, the message, its place and what to do
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Notebook:
    """A kernel with the helpers loaded."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager, self.client = manager, client

    def fails(self, code: str, meanwhile: Callable[[], None] | None = None) -> str:
        """Run a cell that must fail; return its output and its message."""
        thread = threading.Thread(target=meanwhile) if meanwhile else None
        if thread:
            thread.start()
        printed: list[str] = []
        messages: list[dict] = []

        def record(message: dict) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                printed.append(content["text"])
            elif message["msg_type"] == "error":
                messages.append(content)

        reply = self.client.execute_interactive(code, timeout=CELL_SECONDS, output_hook=record)
        if thread:
            thread.join()
        assert reply["content"]["status"] == "error", printed
        (error,) = messages
        shown = ANSI.sub("", "\n".join(error["traceback"]))
        assert "Traceback" not in shown and "---->" not in shown, shown
        assert len(shown.splitlines()) <= MOST_LINES, shown
        return "".join(printed) + shown


@contextmanager
def notebook(engine: Engine, folder: Path) -> Iterator[Notebook]:
    """Start a kernel that uses the engine."""
    manager, client = start_new_kernel(env=engine.env, cwd=str(folder))
    try:
        result = Notebook(manager, client)
        loaded = client.execute_interactive(
            "%load_ext helpers\nfrom helpers import build_image", timeout=CELL_SECONDS
        )
        assert loaded["content"]["status"] == "ok"
        yield result
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture
def cell(engine: Engine, tmp_path: Path) -> Iterator[Notebook]:
    with notebook(engine, tmp_path) as started:
        yield started


def is_running(word: str) -> bool:
    """Return whether a process on this machine has the word in its command line."""
    return any(word in " ".join(command_line(pid)) for pid in all_pids())


def slow_build(folder: Path) -> str:
    """Write a Dockerfile with a slow RUN; return a word that identifies its process."""
    word = f"slow{secrets.token_hex(6)}"
    (folder / "Dockerfile").write_text(
        f"FROM {BASE}\nRUN --network=none sh -c 'sleep 120; echo {word}'\n"
    )
    return word


def is_in_run(word: str) -> bool:
    """Return whether the build is in its slow step: only the step's shell has this text."""
    return is_running(f"sleep 120; echo {word}")


@pytest.mark.parametrize("way", WAYS)
def test_missing_dockerfile_context_or_image(
    way: str, engine: Engine, cell: Notebook, tmp_path: Path
) -> None:
    tag = f"bad-{secrets.token_hex(4)}"
    (tmp_path / "empty").mkdir()
    (tmp_path / "offline").mkdir()
    (tmp_path / "offline/Dockerfile").write_text("FROM no-such.invalid/image:1\nRUN true\n")
    for context, expected in (
        ("empty", "Dockerfile"),
        ("nowhere", "nowhere"),
        ("offline", "no-such.invalid/image:1"),
    ):
        assert expected in cell.fails(WAYS[way].format(context=context, tag=tag))
    assert not engine.client.images.list(tag)


def test_arguments_of_the_wrong_kind(cell: Notebook) -> None:
    for call in (
        'build_image(None, tag="x")',
        'build_image(".", tag=None)',
        'build_image(".", tag="x", dockerfile=7)',
        'build_image(".", tag="x", build_args=["a"])',
    ):
        assert "For example: build_image" in cell.fails(call)


@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c_during_a_build(way: str, engine: Engine, cell: Notebook, tmp_path: Path) -> None:
    word, tag = slow_build(tmp_path), f"bad-{secrets.token_hex(4)}"

    def interrupt() -> None:
        if wait_until(lambda: is_in_run(word), 30):
            cell.manager.interrupt_kernel()

    began = time.monotonic()
    assert "stopped" in cell.fails(WAYS[way].format(context=".", tag=tag), interrupt)
    assert time.monotonic() - began < 60
    assert wait_until(lambda: not is_in_run(word), 10), "the engine still runs the step"
    assert not engine.client.images.list(tag)


def test_ctrl_c_during_the_caching_experiment(cell: Notebook, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()

    def interrupt() -> None:
        if wait_until(lambda: is_running(str(copies)), 30):
            time.sleep(0.5)
            cell.manager.interrupt_kernel()

    assert "You stopped the experiment" in cell.fails(
        f"import tempfile\ntempfile.tempdir = {str(copies)!r}\n"
        "from helpers import compare_orders\ncompare_orders(repeats=20)",
        interrupt,
    )
    assert wait_until(lambda: not is_running(str(copies)), 10)
    assert not list(copies.iterdir())


@pytest.mark.parametrize("way", WAYS)
def test_engine_stops_during_a_build(
    way: str, engine: Engine, second_daemon: PrivateEngine, tmp_path: Path
) -> None:
    answer = second_daemon.answer()
    assert answer
    other = second_daemon.engine(answer.version)
    copy_image(BASE, engine, other, tmp_path)
    word = slow_build(tmp_path)

    def stop() -> None:
        if wait_until(lambda: is_in_run(word), 30):
            second_daemon.halt()

    with notebook(other, tmp_path) as cell:
        cell.client.execute_interactive(
            "from helpers.engine.find import connect\nconnect()", timeout=CELL_SECONDS
        )
        line = WAYS[way].format(context=".", tag="cut-off")
        message = cell.fails(line, stop)
        assert "stopped answering" in message or "error reading from server" in message
        message = cell.fails(line)
        assert "stopped answering" in message or "Cannot connect to the Docker daemon" in message
        assert "stopped answering" in cell.fails("from helpers import clean_up\nclean_up()")
        assert "stopped answering" in cell.fails(
            'from helpers import inspect_layers\ninspect_layers("x")'
        )
        for call in (
            "compare_startup",
            "compare_footprints",
            "compare_kernels",
            "measure_ladder",
            "measure_density",
            "build_small_server",
        ):
            message = cell.fails(f"from helpers import {call}\n{call}()")
            assert (
                "stopped answering" in message or "Cannot connect to the Docker daemon" in message
            )
    assert not is_in_run(word)


@pytest.mark.parametrize("way", WAYS)
def test_disk_full(way: str, small_engine: Engine, tmp_path: Path) -> None:
    """The data root is a small tmpfs, and the image does not fit."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY big /big\n")
    (tmp_path / "big").write_bytes(os.urandom(80 << 20))
    with notebook(small_engine, tmp_path) as cell:
        assert "no space left on device" in cell.fails(WAYS[way].format(context=".", tag="too-big"))
    assert not small_engine.client.images.list()
