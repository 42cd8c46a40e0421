"""The `lab` verb in a real terminal: it serves the chapters, and ends with what it started."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from helpers.engine import processes
from helpers.engine.engine import Engine
from helpers.engine.owner import CHECKOUT
from helpers.engine.private import wait_until

pytestmark = pytest.mark.engine


@dataclass
class Terminal:
    """A process, the leader of its session, and our end of the terminal it runs in."""

    pid: int
    fd: int
    said: str = ""

    def read_until(self, pattern: str, seconds: float) -> re.Match[str]:
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.said)):
            ready, _, _ = select.select([self.fd], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"no {pattern!r} within {seconds} s in: {self.said}"
            try:
                self.said += os.read(self.fd, 65_536).decode(errors="replace")
            except OSError:      # the other end is closed
                pytest.fail(f"no {pattern!r} in: {self.said}")
        return found

    def ended(self, seconds: float) -> int:
        """The exit code, once it has ended; a signal as a negative number."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        pytest.fail(f"still running after {seconds} s; it said: {self.said}")


@pytest.fixture
def terminal(engine: Engine) -> Iterator[Terminal]:
    pid, fd = os.forkpty()
    if pid == 0:
        os.chdir(CHECKOUT)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)      # ignored in a suite run with nohup
        os.execve(sys.executable, [sys.executable, "-m", "helpers", "lab", "--no-browser"],
                  engine.env)
    opened = Terminal(pid, fd)
    try:
        yield opened
    finally:
        with suppress(OSError):
            os.close(opened.fd)
        if opened.pid:
            os.kill(opened.pid, signal.SIGTERM)
            opened.ended(60)


def answer(address: str) -> str:
    with urllib.request.urlopen(address, timeout=10) as page:
        return page.read().decode()


def type_ctrl_c(terminal: Terminal) -> None:
    os.write(terminal.fd, b"\x03")
    terminal.read_until("stopping JupyterLab", 10)


def close_the_window(terminal: Terminal) -> None:
    os.close(terminal.fd)


@pytest.mark.parametrize("end", [type_ctrl_c, close_the_window])
def test_lab_serves_and_ends_with_what_it_started(
        end: Callable[[Terminal], None], terminal: Terminal) -> None:
    address = terminal.read_until(r"http://127\.0\.0\.1:\d+/lab/tree/\S+", 120).group()
    page = address.replace("/lab/tree/", "/api/contents/")
    assert '"00_start_here.ipynb"' in answer(page)
    with pytest.raises(urllib.error.HTTPError, match="403"):      # never without the token
        answer(page.partition("?")[0])
    started = descendants(terminal.pid)
    assert started
    end(terminal)
    terminal.ended(60)
    assert wait_until(lambda: all(map(processes.has_exited, started)), 30)
    with pytest.raises(urllib.error.URLError):
        answer(address)


def descendants(parent: int) -> list[int]:
    """The processes that a process has started, and theirs."""
    direct = processes.children(parent)
    return [*direct, *(pid for child in direct for pid in descendants(child))]
