"""`lab` in a real terminal: it serves the chapters and stops everything it started."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
import requests

from helpers import process
from helpers.engine.engine import Engine
from helpers.paths import CHECKOUT
from helpers.process import wait_until

pytestmark = pytest.mark.engine


@dataclass
class Terminal:
    """A process that leads a session, and the other end of its terminal."""

    pid: int
    fd: int
    output: str = ""

    def read_until(self, pattern: str, seconds: float) -> re.Match[str]:
        deadline = time.monotonic() + seconds
        while not (match := re.search(pattern, self.output)):
            ready, _, _ = select.select([self.fd], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"no {pattern!r} within {seconds} s in: {self.output}"
            try:
                self.output += os.read(self.fd, 65_536).decode(errors="replace")
            except OSError:  # the other end is closed
                pytest.fail(f"no {pattern!r} in: {self.output}")
        return match

    def exit_code(self, seconds: float) -> int:
        """Wait for the process to end; return its exit code, a signal as a negative number."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        pytest.fail(f"still running after {seconds} s; output: {self.output}")


@pytest.fixture
def terminal(engine: Engine) -> Iterator[Terminal]:
    pid, fd = os.forkpty()
    if pid == 0:
        os.chdir(CHECKOUT)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored in a suite run with nohup
        os.execve(
            sys.executable, [sys.executable, "-m", "helpers", "lab", "--no-browser"], engine.env
        )
    opened = Terminal(pid, fd)
    try:
        yield opened
    finally:
        with suppress(OSError):
            os.close(opened.fd)
        if opened.pid:
            os.kill(opened.pid, signal.SIGTERM)
            opened.exit_code(60)


def type_ctrl_c(terminal: Terminal) -> None:
    os.write(terminal.fd, b"\x03")
    terminal.read_until("stopping JupyterLab", 10)


def close_the_window(terminal: Terminal) -> None:
    os.close(terminal.fd)


@pytest.mark.parametrize("end", [type_ctrl_c, close_the_window])
def test_lab_stops_what_it_started(end: Callable[[Terminal], None], terminal: Terminal) -> None:
    address = terminal.read_until(r"http://127\.0\.0\.1:\d+/lab/tree/\S+", 120).group()
    page = address.replace("/lab/tree/", "/api/contents/")
    assert '"00_start_here.ipynb"' in requests.get(page, timeout=10).text
    without_token = requests.get(page.partition("?")[0], timeout=10)
    assert without_token.status_code == 403
    started = process.children(terminal.pid, recursive=True)
    assert started
    end(terminal)
    terminal.exit_code(60)
    assert wait_until(lambda: all(map(process.has_exited, started)), 30)
    with pytest.raises(requests.ConnectionError):
        requests.get(address, timeout=10)
