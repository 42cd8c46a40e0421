"""`lab`: prepare everything, serve JupyterLab on 127.0.0.1, and stop it all on Ctrl-C."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
import webbrowser
from pathlib import Path

import requests

from helpers.cli import work
from helpers.cli.ready import ready_engine
from helpers.engine.engine import Engine
from helpers.errors import CourseError
from helpers.paths import cache_dir
from helpers.process import is_port_free, stop_group, wait_until
from helpers.setup.console import say, step
from helpers.setup.signals import uninterrupted

FIRST_PORT, PORTS_TRIED = 8888, 20
START_SECONDS = 60
STOP_STEPS = ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0))


def lab(*, browser: bool, port: int | None, reset: str | None) -> int:
    """Serve the chapters until Ctrl-C; return the exit code."""
    began = time.monotonic()
    if reset:
        work.chapter_path(reset)
    port = _choose_port(port)
    engine = ready_engine()
    work.WORK.mkdir(exist_ok=True)
    for line in work.lay_out(reset=reset):
        say(f"  !  {line}")
    token = secrets.token_hex(24)
    if os.geteuid() == 0:
        say("  !  running as root: JupyterLab starts with --allow-root")
    log_file = cache_dir() / "lab.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    env = session_env(engine, token)
    with log_file.open("wb") as log:
        server = subprocess.Popen(
            command(work.WORK, port),
            env=env,
            cwd=work.WORK,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        with step("starting JupyterLab"):
            wait_until_served(server, port, token)
        address = f"http://127.0.0.1:{port}/lab/tree/notebooks/00_start_here.ipynb?token={token}"
        say(f"ready after {time.monotonic() - began:.1f} s. Ctrl-C stops it.")
        print(address, flush=True)
        if browser:
            webbrowser.open(address)
        server.wait()
        raise CourseError("JupyterLab exited unexpectedly.", f"See its log: {log_file}")
    except KeyboardInterrupt:
        say("stopping JupyterLab")
        return 0
    finally:
        with uninterrupted():
            stop_group(server, STOP_STEPS)


def session_env(engine: Engine, token: str) -> dict[str, str]:
    """Return the environment of notebooks and terminals: the engine, the course's Python first."""
    tools = Path(sys.executable).parent
    path = f"{tools}{os.pathsep}{engine.env.get('PATH', '')}"
    first = os.pathsep.join(
        [str(tools), *([str(Path(engine.docker).parent)] if engine.has_course_client else [])]
    )
    return {**engine.env, "JUPYTER_TOKEN": token, "PATH": path, "COURSE_PATH": first}


def command(root: Path, port: int) -> list[str]:
    """Return the command that serves JupyterLab from `root`; JUPYTER_TOKEN holds the token."""
    line = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        f"--ServerApp.root_dir={root}",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--LabApp.extension_manager=readonly",
    ]
    # Terminals run no login shell, and the course's folders come after the user's settings: either
    # could put another docker or python first.
    rc = root / ".terminal.bashrc"
    rc.write_text('[ -f ~/.bashrc ] && . ~/.bashrc\nPATH="$COURSE_PATH:$PATH"\n')
    shell = ["bash", "--rcfile", str(rc)]
    line.append(f"--ServerApp.terminado_settings={{'shell_command': {shell!r}}}")
    if os.geteuid() == 0:
        line.append("--allow-root")
    return line


def _choose_port(requested: int | None) -> int:
    if requested is not None:
        if not 0 < requested < 65_536:
            raise CourseError(f"Invalid port {requested}.", "Use a number between 1024 and 65535.")
        if not is_port_free(requested):
            raise CourseError(
                f"Port {requested} is already in use.", "Leave out --port to use a free one."
            )
        return requested
    for port in range(FIRST_PORT, FIRST_PORT + PORTS_TRIED):
        if is_port_free(port):
            if port != FIRST_PORT:
                say(f"  !  port {FIRST_PORT} is already in use; using {port}")
            return port
    raise CourseError(
        f"Ports {FIRST_PORT} to {FIRST_PORT + PORTS_TRIED - 1} are all in use.",
        "Choose a free one: python3 -m helpers lab --port PORT",
    )


def wait_until_served(server: subprocess.Popen[bytes], port: int, token: str) -> None:
    """Wait for the server's first answer. Raises CourseError if it exits, or after START_SECONDS."""
    session = requests.Session()
    session.trust_env = False  # no proxy on the way to this machine
    session.headers["Authorization"] = f"token {token}"

    def has_answered() -> bool:
        try:
            return session.get(f"http://127.0.0.1:{port}/api/status", timeout=2).ok
        except requests.RequestException:
            return False

    with session:
        wait_until(lambda: server.poll() is not None or has_answered(), START_SECONDS)
        if server.poll() is None and has_answered():
            return
    log_file = cache_dir() / "lab.log"
    lines = log_file.read_text(errors="replace").strip().splitlines()
    raise CourseError(
        f"JupyterLab did not start: {lines[-1] if lines else 'its log is empty'}",
        f"See its log: {log_file}",
    )
