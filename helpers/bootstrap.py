"""Create the Python environment and run the command in it; the only code that runs without it.

Standard library only, in a syntax that Python 3.8 can read, to say that it is too old.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
VENV = CHECKOUT / ".venv"
LOCK = CHECKOUT / "requirements.txt"
TEST_LOCK = CHECKOUT / "requirements-test.txt"  # all of LOCK, and the test tools
STAMP = "docker-course.lock-hash"
JUPYTERLAB_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    # Keep all cells in the page, where searching, slides and browser tests see them.
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}


class SetupError(Exception):
    """A problem that the user can solve: what happened, then the next step."""


def enter(arguments: Sequence[str]) -> None:
    """Return if this Python is the course's; otherwise run the command again in it, or exit."""
    lock = TEST_LOCK if arguments[:1] == ["test"] else LOCK
    try:
        check_platform()
        if not is_ready(lock):
            create(lock)
        elif is_inside(lock):
            return
        python = environment(lock) / "bin/python"
        os.execv(python, [str(python), "-m", "helpers", *arguments])
    except (SetupError, OSError) as error:
        say(str(error))
        sys.exit(2)
    except KeyboardInterrupt:
        say("stopped")
        sys.exit(130)


def check_platform() -> None:
    """Raise SetupError on native Windows and if this Python is too old."""
    if os.name == "nt":
        raise SetupError("Native Windows isn't supported. Run this in WSL 2 (wsl --install).")
    if sys.version_info < (3, 11):  # noqa: UP036 - an older Python prints this message
        raise SetupError(
            f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}. "
            "Install a newer one, then run it instead, for example: python3.12 -m helpers lab"
        )


def environment(lock: Path = LOCK) -> Path:
    """Return the environment's folder: `.venv`, or an active conda environment with the packages."""
    conda, package = os.environ.get("CONDA_PREFIX"), "nbval" if lock == TEST_LOCK else "docker"
    is_active = conda and Path(conda).resolve() == Path(sys.prefix).resolve()
    if is_active and importlib.util.find_spec(package):
        return Path(sys.prefix)
    return VENV


def is_inside(lock: Path = LOCK) -> bool:
    """Return whether this process runs in the environment."""
    return Path(sys.prefix).resolve() == environment(lock).resolve()


def is_ready(lock: Path = LOCK) -> bool:
    """Return whether the environment is complete, for this folder and from the current lock.

    One made for `test` has everything that the other verbs need.
    """
    folder = environment(lock)
    if not (folder / STAMP).is_file() or not (folder / "bin/python").exists():
        return False
    return (folder / STAMP).read_text() in (stamp_text(lock), stamp_text(TEST_LOCK))


def stamp_text(lock: Path) -> str:
    """Return the lock's hash and this folder: a copied .venv would run the other folder's code."""
    return f"{hashlib.sha256(lock.read_bytes()).hexdigest()} {CHECKOUT}"


def create(lock: Path) -> None:
    """Create or repair the environment. Raises SetupError if that fails."""
    import fcntl  # not on Windows

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, signal.default_int_handler)
    with LOCK.open() as file:
        with contextlib.suppress(OSError):  # not every network file system has locks
            fcntl.flock(file, fcntl.LOCK_EX)
        if is_ready(lock):  # another command created it meanwhile
            return
        if environment(lock) == VENV:
            # One that runs this process, or only lacks the test tools, may be in use: keep it.
            if not is_inside(lock) and not is_ready(LOCK):
                if VENV.exists():
                    with step("removing .venv: incomplete, outdated or from another folder"):
                        shutil.rmtree(VENV)
                with step("creating the Python environment .venv"):
                    create_venv()
            with step(f"installing packages from {lock.name} (hashes checked)"):
                install(lock)
        configure(environment(lock) / "bin/python")
        # Written last: a half-made environment has no stamp.
        (environment(lock) / STAMP).write_text(stamp_text(lock))


def create_venv() -> None:
    """Create an empty `.venv`; leave nothing behind if that fails."""
    completed = run(sys.executable, "-m", "venv", str(VENV))
    if completed.returncode == 0:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    output = (completed.stdout + completed.stderr).strip() or "no reason given"
    reason, hint = output.splitlines()[-1], "Check this folder's permissions and free space."
    if "ensurepip" in output or "No module named venv" in output:
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        reason = "its module venv or ensurepip is missing."
        hint = f"On Debian or Ubuntu: sudo apt install {package}   (then run this command again)"
    raise SetupError(f"Can't create .venv: {reason}\n→ {hint}")


def install(lock: Path) -> None:
    """Install a lock's packages with uv, or with pip if uv can't. Raises SetupError."""
    python = str(VENV / "bin/python")
    options = ("--quiet", "--no-compile", "--disable-pip-version-check", "--require-hashes")
    pip = (python, "-m", "pip", "install", *options)
    pin = re.search(r"^uv==.*(\n .*)*", TEST_LOCK.read_text(), re.MULTILINE)
    with tempfile.TemporaryDirectory(dir=VENV) as folder:  # uv isn't kept: it is 38 MB
        Path(folder, "uv.txt").write_text(pin[0] if pin else "")
        uv = (f"{folder}/bin/uv", "pip", "install", "--quiet", "--require-hashes")
        completed = run(*pip, "--target", folder, "-r", f"{folder}/uv.txt")
        if completed.returncode == 0:
            if run(*uv, "--python", python, "-r", str(lock)).returncode == 0:
                return
            say("  !  uv can't install the packages. Using pip, which takes longer.")
            completed = run(*pip, "-r", str(lock))
    if completed.returncode != 0:
        lines = [line for line in completed.stderr.splitlines() if line.startswith("ERROR")]
        raise SetupError(
            f"pip can't install the packages: {(lines or ['no reason given'])[0]}\n"
            "→ Check your network connection, then run this command again."
        )


def configure(python: Path) -> None:
    """Let notebooks in any folder import `helpers`, and write JupyterLab's settings."""
    code = "import sysconfig, sys; print(sysconfig.get_path('purelib'), sys.prefix, sep='\\n')"
    site, prefix = run(str(python), "-c", code).stdout.splitlines()
    Path(site, "docker_course.pth").write_text(f"{CHECKOUT}\n")
    overrides = Path(prefix, "share/jupyter/lab/settings/overrides.json")
    overrides.parent.mkdir(parents=True, exist_ok=True)
    existing = json.loads(overrides.read_text()) if overrides.is_file() else {}
    overrides.write_text(json.dumps({**existing, **JUPYTERLAB_SETTINGS}, indent=2))


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return its output."""
    return subprocess.run(command, text=True, capture_output=True, stdin=subprocess.DEVNULL)


def say(text: str) -> None:
    """Print one line to standard error, unless the terminal has been closed."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    """Print that a step begins and, when it ends, how many seconds it took."""
    start, mark = time.monotonic(), "✗"
    say(f"  …  {name}")
    try:
        yield
        mark = "✓"
    finally:
        say(f"  {mark}  {name}  ({time.monotonic() - start:.1f} s)")
