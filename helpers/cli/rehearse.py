"""Run chapters as a class would see them, and show how long each takes.

If a chapter fails, the failing cell and its error are shown, and the exit code is 1. What a failed
or stopped chapter created on the engine is removed.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from docker.errors import DockerException
from requests.exceptions import RequestException

from helpers import process
from helpers.cli import work
from helpers.cli.ready import ready_engine
from helpers.engine import cleanup
from helpers.engine.engine import Engine
from helpers.errors import ExitCode
from helpers.paths import CHECKOUT, cache_dir
from helpers.setup.console import say

COMMAND = (sys.executable, "-m", "helpers.cli.chapter")
STOP_SECONDS = 20  # a stopped cell gets 15 to clean up, then its kernel is terminated


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "chapters",
        nargs="*",
        metavar="CHAPTER",
        help="the start of a chapter's name, for example 04 (default: all)",
    )
    parser.add_argument(
        "--save", action="store_true", help="save the outputs in the tracked notebooks"
    )


def run(args: argparse.Namespace) -> int:
    """Run the chapters one after the other."""
    # A mistyped name is reported before anything is started.
    chapters = [work.chapter_path(prefix) for prefix in args.chapters]
    engine = ready_engine()
    results = [_rehearse(path, args.save, engine) for path in chapters or work.all_chapters()]
    return ExitCode.SUCCESS if all(results) else ExitCode.FAILED


def _rehearse(path: Path, save: bool, engine: Engine) -> bool:
    began = time.monotonic()
    log_file = cache_dir() / "rehearse.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("wb") as log:
        chapter = subprocess.Popen(
            [*COMMAND, str(path), *(["--save"] if save else [])],
            cwd=CHECKOUT,
            env=engine.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        result = _follow(chapter, path)
    except KeyboardInterrupt:
        _stop(chapter)
        _remove_leftovers(engine)
        raise
    seconds = f"{time.monotonic() - began:.1f} s"
    if chapter.returncode == 0:
        end = "\r" if sys.stderr.isatty() else ""
        say(f"{end}  ✓  {path.stem}  ({seconds})")
        return True
    _remove_leftovers(engine)
    hint = f"  (kernel log: {log_file})" if result["see_log"] else ""
    say(
        f"\n  ✗  {path.stem}, cell {result['cell']}, after {seconds}:\n     {result['error']}{hint}"
    )
    return False


def _follow(chapter: subprocess.Popen[str], path: Path) -> dict[str, Any]:
    """Show which cell runs until the chapter's process ends; return its last cell and error."""
    assert chapter.stdout is not None
    result = {"cell": 1, "count": 0, "error": "its process ended unexpectedly", "see_log": True}
    for line in chapter.stdout:
        result |= json.loads(line)
        if sys.stderr.isatty():
            progress = f"\r  …  {path.stem}: cell {result['cell']} of {result['count']}"
            print(progress, end="", file=sys.stderr, flush=True)
    chapter.wait()
    return result


def _stop(chapter: subprocess.Popen[str]) -> None:
    """Let the running cell clean up and its kernel end; a second Ctrl-C kills both at once."""
    kernels = process.children(chapter.pid)

    def have_ended() -> bool:
        return not any(map(process.started, kernels))

    with suppress(KeyboardInterrupt):
        chapter.send_signal(signal.SIGINT)
        process.wait_until(have_ended, STOP_SECONDS)
    process.stop_group(chapter, [(signal.SIGKILL, 5)])
    process.wait_until(have_ended, 5)  # a kernel exits soon after its parent process


def _remove_leftovers(engine: Engine) -> None:
    """Remove what a chapter created that didn't reach its last cell."""
    # On an engine that has stopped, the chapter's first cell does it the next time.
    with suppress(DockerException, RequestException, OSError):
        cleanup.clean(engine, tools=False, all_sessions=False)
