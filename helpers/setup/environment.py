"""The Python environment of this checkout: `.venv`, made from the lock, or a conda environment.

A stamp with the lock's hash and this folder is written last, so that a `.venv` that is half made,
outdated or another folder's is made again. Knows nothing of Docker. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from helpers.engine.owner import CHECKOUT
from helpers.errors import CourseError
from helpers.setup.console import step

VENV = CHECKOUT / ".venv"
LOCK = CHECKOUT / "requirements.txt"
OVERRIDES = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    # All cells are in the page: searching finds them, and slides and tests see them.
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}


def python() -> Path:
    """The interpreter that has the course's packages: conda's when in such, else `.venv`'s."""
    if _in_conda():
        return Path(sys.executable)
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def is_ready() -> bool:
    """Whether the environment is complete, and made for this folder from today's lock."""
    return _stamp_path().is_file() and _stamp_path().read_text() == _stamp()


def ensure() -> Path:
    """Make the environment unless it is ready; return its python.

    Raises CourseError, with the line to type, when Python cannot make one.
    """
    if sys.version_info < (3, 11):      # noqa: UP036 - an older Python gets this message
        raise CourseError(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}.",
                          "Install a newer Python and start with it: python3.12 -m helpers lab")
    if is_ready():
        return python()
    if not _in_conda():
        if not is_inside():      # never take away the environment this very process runs in
            if VENV.exists():
                with step("removing the .venv: incomplete, outdated, or of another folder"):
                    shutil.rmtree(VENV)
            with step("Python environment .venv"):
                _make_venv()
        with step("packages from requirements.txt, hashes checked"):
            _pip_install()
    _add_to_path()
    _stamp_path().write_text(_stamp())
    return python()


def is_inside() -> bool:
    """Whether this process runs in the environment that the course uses."""
    return Path(sys.prefix).resolve() == VENV.resolve() or _in_conda()


def _in_conda() -> bool:
    prefix = os.environ.get("CONDA_PREFIX")
    return bool(prefix) and Path(prefix).resolve() == Path(sys.prefix).resolve()


def _stamp() -> str:
    # With the folder: a clone that was moved or copied would run the code of the old one.
    return f"{hashlib.sha256(LOCK.read_bytes()).hexdigest()} {CHECKOUT}"


def _stamp_path() -> Path:
    root = Path(sys.prefix) if _in_conda() else VENV
    return root / "docker-course.lock-hash"


def _make_venv() -> None:
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], text=True,
                          capture_output=True, check=False)
    if made.returncode == 0:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    said = (made.stdout + made.stderr).strip()
    if "ensurepip" in said or "No module named venv" in said:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise CourseError("This Python cannot make an environment: its venv module is missing.",
                          f"sudo apt install python{version}-venv   (then the same command again)")
    raise CourseError(f"The environment .venv could not be made: {said.splitlines()[-1]}",
                      "Check that this folder is writable and the disk is not full.")


def _pip_install() -> None:
    command = [str(python()), "-m", "pip", "install", "--quiet", "--require-hashes",
               "--disable-pip-version-check", "-r", str(LOCK)]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise CourseError(f"pip could not install the packages: {(errors or ['no reason'])[0]}",
                          "Check the network, then the same command again; what is there is kept.")


def _add_to_path() -> None:
    """Let notebooks import `helpers` from any folder; put JupyterLab's settings in place."""
    code = "import sysconfig, sys; print(sysconfig.get_paths()['purelib']); print(sys.prefix)"
    said = subprocess.run([str(python()), "-c", code], text=True, capture_output=True, check=True)
    site, prefix = said.stdout.split("\n")[:2]
    (Path(site) / "docker_course.pth").write_text(f"{CHECKOUT}\n")
    settings = Path(prefix) / "share/jupyter/lab/settings"
    settings.mkdir(parents=True, exist_ok=True)
    overrides = settings / "overrides.json"
    had = json.loads(overrides.read_text()) if overrides.is_file() else {}
    overrides.write_text(json.dumps({**had, **OVERRIDES}, indent=2))
