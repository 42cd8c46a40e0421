"""Set up what is missing and run the test suite.

Arguments after -- go to pytest, for example: test -- -k caching
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from helpers.cli.ready import ready_engine
from helpers.errors import CourseError, ExitCode
from helpers.paths import CHECKOUT, cache_dir
from helpers.setup import packages
from helpers.setup.console import say, step

CELL_SECONDS = 300
USUAL_MINUTES = "25 to 35"
# `tests/engine/test_user_engine_chapters.py` runs all chapters, on the containerd image store. Their
# stored facts come from the private engine, with the classic one. Only that engine runs chapter 08's
# swarm.
IN_PARALLEL = (
    *("-p", "tests.parallel", "-n", "3", "--no-loadscope-reorder"),
    *("--durations=30", "--durations-min=5", "tests", "notebooks/08_shipping.ipynb"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--quick",
        action="store_true",
        help="run only the tests that need no engine or browser (20 s)",
    )
    parser.add_argument(
        "pytest_args", nargs="*", metavar="-- PYTEST_ARG", help="arguments for pytest"
    )


def run(args: argparse.Namespace) -> int:
    """Run pytest."""
    if args.quick:
        return run_pytest(["-q", "tests/unit", *args.pytest_args])
    return run_suite(args.pytest_args)


def run_pytest(arguments: Sequence[str], env: Mapping[str, str] | None = None) -> ExitCode:
    """Run pytest; return whether the tests passed, failed or could not run."""
    command = [sys.executable, "-m", "pytest", *arguments]
    code = subprocess.run(command, cwd=CHECKOUT, env=env, check=False).returncode
    # pytest has further codes, such as 4 for a usage error and 5 for no tests.
    return ExitCode(code) if code in (ExitCode.SUCCESS, ExitCode.FAILED) else ExitCode.CANNOT_RUN


def run_suite(pytest_args: Sequence[str]) -> ExitCode:
    """Run the tests and notebooks on an engine, with pytest's arguments."""
    if not pytest_args:
        say(f"The full suite usually takes {USUAL_MINUTES} minutes.")
        say("For the tests without an engine (20 s): python3 -m helpers test --quick")
        pytest_args = IN_PARALLEL
    engine = ready_engine()
    artifacts = Path(os.environ.get("COURSE_ARTIFACTS") or cache_dir() / "artifacts")
    artifacts.mkdir(parents=True, exist_ok=True)
    env = {**engine.env, "COURSE_CHROMIUM": chromium(), "COURSE_ARTIFACTS": str(artifacts)}
    has_path = any(Path(arg.partition("::")[0]).exists() for arg in pytest_args)
    arguments = [
        "--nbval",
        "--nbval-current-env",
        "--nbval-sanitize-with=tests/notebooks/sanitize.cfg",
        f"--nbval-cell-timeout={CELL_SECONDS}",
        f"--junitxml={artifacts / 'junit.xml'}",
        *(pytest_args if has_path else ["tests", "notebooks", *pytest_args]),
    ]
    code = run_pytest(arguments, env)
    log = cache_dir() / "engine" / "dockerd.log"
    if code == ExitCode.FAILED and engine.kind == "private" and log.is_file():
        end = log.read_text(errors="replace").splitlines()[-15:]
        say("\n".join(["The end of the engine's log:", *end]))
    say(f"Artifacts: {artifacts}")
    return code


def chromium() -> str:
    """Return the path of the system's Chromium, else of Debian's, unpacked into the cache folder."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    if not packages.os_codename():
        raise CourseError(
            "The browser tests need Chromium, which is not installed.",
            "Install the package chromium, then run this command again.",
        )
    root = cache_dir() / "chromium"
    if not root.is_dir():
        with step("unpacking Chromium into your cache folder"):
            packages.unpack(
                ["chromium", "fonts-dejavu-core"], root, suites=[packages.os_codename()]
            )
    return str(_launcher(root))


def _launcher(root: Path) -> Path:
    """Write a script that starts the unpacked Chromium with its libraries; return its path."""
    lib = next((root / "usr/lib").glob("*-linux-gnu"))
    script = root / "chromium.sh"
    script.write_text(
        f"#!/bin/sh\nexport LD_LIBRARY_PATH={lib}:{lib}/nss:{lib}/pulseaudio\n"
        f'exec {root}/usr/lib/chromium/chromium "$@"\n'
    )
    script.chmod(0o755)
    return script
