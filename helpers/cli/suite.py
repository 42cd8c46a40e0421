"""`test`: prepare everything, including Chromium, and run pytest on tests and notebooks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from helpers.cli.ready import ready_engine
from helpers.errors import CourseError
from helpers.paths import CHECKOUT, cache_dir
from helpers.setup import packages
from helpers.setup.console import say, step

CELL_SECONDS = 300
USUAL_MINUTES = "15 to 20"
PASSED, FAILED, NOT_RUN = 0, 1, 2


def run_quick(pytest_args: Sequence[str]) -> int:
    """Run the tests that need no engine and no browser; return 0, 1 or 2 as `run_suite` does."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/unit", *pytest_args]
    code = subprocess.run(command, cwd=CHECKOUT, check=False).returncode
    return code if code in (PASSED, FAILED) else NOT_RUN


def run_suite(pytest_args: Sequence[str]) -> int:
    """Run the suite with pytest's arguments; return 0 (passed), 1 (failed) or 2 (could not run)."""
    if not pytest_args:
        say(f"The suite usually takes {USUAL_MINUTES} minutes. Without engine: test --quick")
    engine = ready_engine()
    artifacts = Path(os.environ.get("COURSE_ARTIFACTS") or cache_dir() / "artifacts")
    artifacts.mkdir(parents=True, exist_ok=True)
    env = {**engine.env, "COURSE_CHROMIUM": chromium(), "COURSE_ARTIFACTS": str(artifacts)}
    paths = (
        []
        if any(Path(arg.partition("::")[0]).exists() for arg in pytest_args)
        else ["tests", "notebooks"]
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval",
        "--nbval-current-env",
        "--nbval-sanitize-with=tests/notebooks/sanitize.cfg",
        f"--nbval-cell-timeout={CELL_SECONDS}",
        f"--junitxml={artifacts / 'junit.xml'}",
        *paths,
        *pytest_args,
    ]
    code = subprocess.run(command, cwd=CHECKOUT, env=env, check=False).returncode
    log = cache_dir() / "engine" / "dockerd.log"
    if code == FAILED and engine.kind == "private" and log.is_file():
        say(
            "end of the engine's log:\n"
            + "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        )
    say(f"artifacts: {artifacts}")
    return code if code in (PASSED, FAILED) else NOT_RUN


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
        with step("Chromium from Debian packages, into your cache folder"):
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
