"""`lab`: make everything ready, serve JupyterLab on 127.0.0.1, and stop it all on Ctrl-C."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path

from helpers.cli import work
from helpers.cli.ready import ready
from helpers.engine.engine import Engine
from helpers.errors import CourseError
from helpers.setup import environment
from helpers.setup.console import cache_dir, say, step
from helpers.setup.signals import uninterrupted

FIRST_PORT, PORTS_TRIED = 8888, 20
START_SECONDS = 60


def lab(*, browser: bool, port: int | None, reset: str | None) -> int:
    """Serve the chapters until Ctrl-C; return the exit code."""
    began = time.monotonic()
    if reset:
        work.chapter_path(reset)
    port = _choose_port(port)
    engine = ready()
    work.WORK.mkdir(exist_ok=True)
    for line in work.lay_out(reset=reset):
        say(f"  !  {line}")
    token = secrets.token_hex(24)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        say("  !  you are root: JupyterLab is told to allow it (--allow-root)")
    log_file = cache_dir() / "lab.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    env = session_env(engine, token)
    with log_file.open("wb") as log:
        server = subprocess.Popen(command(work.WORK, port), env=env, cwd=work.WORK,
                                  stdin=subprocess.DEVNULL,
                                  stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        with step("starting JupyterLab"):
            wait_until_served(server, port, token)
        address = f"http://127.0.0.1:{port}/lab/tree/notebooks/00_start_here.ipynb?token={token}"
        say(f"ready after {time.monotonic() - began:.1f} s. Ctrl-C stops it.")
        print(address, flush=True)
        if browser:
            webbrowser.open(address)
        server.wait()
        raise CourseError("JupyterLab ended by itself.", f"Its log: {log_file}")
    except KeyboardInterrupt:
        say("stopping JupyterLab")
        return 0
    finally:
        with uninterrupted():
            server.terminate()
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()


def session_env(engine: Engine, token: str) -> dict[str, str]:
    """What notebooks and terminals get: the engine, and the course's own Python first."""
    tools = environment.python().parent
    path = f"{tools}{os.pathsep}{engine.env.get('PATH', '')}"
    first = os.pathsep.join([str(tools), *([str(Path(engine.docker).parent)]
                                           if engine.has_course_client else [])])
    return {**engine.env, "JUPYTER_TOKEN": token, "PATH": path, "COURSE_PATH": first}


def command(root: Path, port: int) -> list[str]:
    """The command line that serves JupyterLab from `root`; the token is in JUPYTER_TOKEN."""
    line = [str(environment.python()), "-m", "jupyterlab", "--no-browser",
            f"--ServerApp.root_dir={root}", "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
            "--LabApp.extension_manager=readonly"]
    if os.name != "nt":
        # Not a login shell, and our PATH after the user's own settings: either could put another
        # docker or python first.
        rc = root / ".terminal.bashrc"
        rc.write_text('[ -f ~/.bashrc ] && . ~/.bashrc\nPATH="$COURSE_PATH:$PATH"\n')
        shell = ["bash", "--rcfile", str(rc)]
        line.append(f"--ServerApp.terminado_settings={{'shell_command': {shell!r}}}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        line.append("--allow-root")
    return line


def _choose_port(wanted: int | None) -> int:
    if wanted is not None:
        if not 0 < wanted < 65_536:
            raise CourseError(f"{wanted} is not a port.", "Give a number from 1024 to 65535.")
        if not _is_free(wanted):
            raise CourseError(f"Port {wanted} is taken on this machine.",
                              "Leave --port out to get a free one.")
        return wanted
    for port in range(FIRST_PORT, FIRST_PORT + PORTS_TRIED):
        if _is_free(port):
            if port != FIRST_PORT:
                say(f"  !  port {FIRST_PORT} is taken; using {port}")
            return port
    raise CourseError(f"Ports {FIRST_PORT} to {FIRST_PORT + PORTS_TRIED - 1} are all taken.",
                      "Name a free one: python3 -m helpers lab --port PORT")


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until_served(server: subprocess.Popen[bytes], port: int, token: str) -> None:
    """Return once the server answers; CourseError when it does not within START_SECONDS."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/status",
                                     headers={"Authorization": f"token {token}"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with opener.open(request, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    last = (cache_dir() / "lab.log").read_text(errors="replace").strip().splitlines()[-1:]
    raise CourseError(f"JupyterLab did not start: {last[0] if last else 'no word from it'}",
                      f"Its log: {cache_dir() / 'lab.log'}")
