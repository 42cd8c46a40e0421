"""`test`: make everything ready, Chromium too, and run pytest over tests and notebooks."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from helpers.cli.ready import ready
from helpers.engine.owner import CHECKOUT
from helpers.errors import CourseError
from helpers.setup import environment, packages
from helpers.setup.console import cache_dir, say, step

CELL_SECONDS = 300
FINE, FAILED, LACKING = 0, 1, 2


def run_suite(pytest_args: Sequence[str]) -> int:
    """Run the suite with pytest's arguments; 0 all passed, 1 some failed, 2 could not be run."""
    engine = ready()
    artifacts = Path(os.environ.get("COURSE_ARTIFACTS") or cache_dir() / "artifacts")
    artifacts.mkdir(parents=True, exist_ok=True)
    env = {**engine.env, "COURSE_CHROMIUM": chromium(), "COURSE_ARTIFACTS": str(artifacts)}
    paths = [] if any(Path(arg.partition("::")[0]).exists() for arg in pytest_args) else [
        "tests", "notebooks"]
    command = [str(environment.python()), "-m", "pytest", "--nbval", "--nbval-current-env",
               "--nbval-sanitize-with=tests/notebooks/sanitize.cfg",
               f"--nbval-cell-timeout={CELL_SECONDS}", f"--junitxml={artifacts / 'junit.xml'}",
               *paths, *pytest_args]
    code = subprocess.run(command, cwd=CHECKOUT, env=env, check=False).returncode
    log = cache_dir() / "engine" / "dockerd.log"
    if code == FAILED and engine.kind == "private" and log.is_file():
        say("the engine's last words:\n" + "\n".join(
            log.read_text(errors="replace").splitlines()[-15:]))
    say(f"artifacts: {artifacts}")
    return {0: FINE, 1: FAILED}.get(code, LACKING)


def chromium() -> str:
    """The path of a Chromium: the system's, else Debian's package unpacked into the cache."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    if not packages.os_codename():
        raise CourseError("The browser tests need Chromium, and there is none.",
                          "Install the package chromium, then the same command again.")
    root = cache_dir() / "chromium"
    if not root.is_dir():
        with step("Chromium from Debian packages, into your cache folder"):
            packages.unpack(["chromium", "fonts-dejavu-core"], root,
                            suites=[packages.os_codename()])
    return str(_launcher(root))


def _launcher(root: Path) -> Path:
    """A script that starts the unpacked Chromium with the libraries unpacked beside it."""
    lib = next((root / "usr/lib").glob("*-linux-gnu"))
    script = root / "chromium.sh"
    script.write_text(f'#!/bin/sh\nexport LD_LIBRARY_PATH={lib}:{lib}/nss:{lib}/pulseaudio\n'
                      f'exec {root}/usr/lib/chromium/chromium "$@"\n')
    script.chmod(0o755)
    return script
