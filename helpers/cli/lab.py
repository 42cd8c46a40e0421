"""Set up what is missing and open JupyterLab on this machine.

Ctrl-C stops JupyterLab and everything it started.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable
from functools import partial
from pathlib import Path

from helpers.cli import look, work
from helpers.cli.ready import ready_engine
from helpers.engine.engine import Engine
from helpers.errors import CourseError, ExitCode
from helpers.paths import cache_dir
from helpers.process import is_port_free, stop_group, wait_until
from helpers.setup.console import say, step
from helpers.setup.signals import uninterrupted
from helpers.vm import answers

PORTS = range(8888, 8908)
START_SECONDS = 60
STOP_STEPS = ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--no-browser", action="store_true", help="print the address without opening a browser"
    )
    parser.add_argument(
        "--port", type=int, help="port to use (default: 8888, or the next free one)"
    )
    parser.add_argument(
        "--reset",
        metavar="CHAPTER",
        help="restore one chapter first; your version is kept under another name",
    )


def run(args: argparse.Namespace) -> int:
    """Serve the chapters until Ctrl-C."""
    if args.reset:  # report a mistyped name before anything is started
        work.chapter_path(args.reset)
    lay_out = partial(work.lay_out, reset=args.reset)
    return serve(args, work.WORK, "00_start_here.ipynb", lay_out)


def serve(
    args: argparse.Namespace,
    root: Path,
    chapter: str,
    lay_out: Callable[[], list[str]],
    *,
    presenting: bool = False,
) -> int:
    """Serve `root`, which `lay_out` fills, and open one of its chapters, until Ctrl-C."""
    began = time.monotonic()
    port = choose_port(args.port)
    engine = ready_engine()
    for line in lay_out():
        say(f"  !  {line}")
    token = secrets.token_hex(24)
    if os.geteuid() == 0:
        say("  !  You are root: JupyterLab starts with --allow-root.")
    log_file = cache_dir() / "lab.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("wb") as log:
        server = subprocess.Popen(
            command(root, port),
            env=session_env(engine, token) | look.configure(root, presenting=presenting),
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        with step("starting JupyterLab"):
            wait_until_served(server, port, token)
        address = f"http://127.0.0.1:{port}/lab/tree/notebooks/{chapter}?token={token}"
        say(f"Ready after {time.monotonic() - began:.1f} s. Press Ctrl-C to stop.")
        print(address, flush=True)
        if not args.no_browser:
            webbrowser.open(address)
        server.wait()
        raise CourseError("JupyterLab exited unexpectedly.", f"See its log: {log_file}")
    except KeyboardInterrupt:
        say("stopping JupyterLab")
        return ExitCode.SUCCESS
    finally:
        with uninterrupted():
            stop_group(server, STOP_STEPS)


def session_env(engine: Engine, token: str) -> dict[str, str]:
    """Return the environment of notebooks and terminals: the engine, the course's Python first."""
    tools = str(Path(sys.executable).parent)
    first = [tools, str(Path(engine.docker).parent)] if engine.has_course_client else [tools]
    return {
        **engine.env,
        "JUPYTER_TOKEN": token,
        "PATH": f"{tools}:{engine.env.get('PATH', '')}",
        "COURSE_PATH": ":".join(first),
    }


def command(root: Path, port: int) -> list[str]:
    """Return the command that serves JupyterLab from `root`; JUPYTER_TOKEN holds the token."""
    # Terminals run no login shell, and the course's folders come after the user's settings: either
    # could put another docker or python first.
    rc = root / ".terminal.bashrc"
    rc.write_text('[ -f ~/.bashrc ] && . ~/.bashrc\nPATH="$COURSE_PATH:$PATH"\n')
    shell = ["bash", "--rcfile", str(rc)]
    return [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        f"--ServerApp.root_dir={root}",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--LabApp.extension_manager=readonly",
        "--LabApp.custom_css=True",
        f"--ServerApp.terminado_settings={{'shell_command': {shell!r}}}",
        *(["--allow-root"] if os.geteuid() == 0 else []),
    ]


def choose_port(requested: int | None) -> int:
    """Return the requested port, or else the first free one. Raises CourseError if there is none."""
    if requested is not None:
        if not 1024 <= requested < 65_536:
            raise CourseError(f"Invalid port {requested}.", "Use a number between 1024 and 65535.")
        if not is_port_free(requested):
            raise CourseError(
                f"Port {requested} is already in use.", "Leave out --port to use a free one."
            )
        return requested
    port = next(filter(is_port_free, PORTS), None)
    if port is None:
        raise CourseError(
            f"Ports {PORTS[0]} to {PORTS[-1]} are all in use.",
            "Choose a free port with --port PORT.",
        )
    if port != PORTS[0]:
        say(f"  !  Port {PORTS[0]} is already in use, using {port}.")
    return port


def wait_until_served(server: subprocess.Popen[bytes], port: int, token: str) -> None:
    """Wait for the server's first answer. Raises CourseError if it exits, or after START_SECONDS."""

    def is_served() -> bool:
        try:
            return bool(answers.fetch(port, f"/api/status?token={token}", timeout=2))
        except OSError:
            return False

    is_decided = wait_until(lambda: server.poll() is not None or is_served(), START_SECONDS)
    if is_decided and server.poll() is None:
        return
    log_file = cache_dir() / "lab.log"
    lines = log_file.read_text(errors="replace").strip().splitlines()
    raise CourseError(
        f"JupyterLab did not start: {lines[-1] if lines else 'its log is empty'}",
        f"See its log: {log_file}",
    )
