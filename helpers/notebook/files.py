"""The folder that a chapter works in: a fresh copy of an app, and one-line edits shown as a diff."""

from __future__ import annotations

import difflib
import os
import shutil
from pathlib import Path

from helpers.errors import CourseError

APPS, SCRATCH, PREVIOUS = "apps", "scratch", "previous"
_start: Path | None = None


def remember_start() -> None:
    """Remember the notebook's folder: the kernel's working folder before any cell changes it."""
    global _start
    _start = _start or Path.cwd()


def open_app(name: str) -> None:
    """Copy the app `apps/NAME` to `scratch/NAME` and make that the working folder.

    The copy is new each time, so a chapter can edit it and still run again. The last copy is kept
    in `scratch/previous`. Raises CourseError if there is no such app.

    Example:
        open_app("flask-app")
        %docker build -t my-flask-app .
    """
    remember_start()
    assert _start is not None
    source, target = _start / APPS / name, _start / SCRATCH / name
    if not source.is_dir() or not name:
        apps = sorted(path.name for path in (_start / APPS).glob("*") if path.is_dir())
        raise CourseError(f"There is no app {name!r}.", f"Choose one of: {', '.join(apps)}")
    if target.exists():
        previous = _start / SCRATCH / PREVIOUS / name
        shutil.rmtree(previous, ignore_errors=True)
        previous.parent.mkdir(parents=True, exist_ok=True)
        target.rename(previous)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_*"))
    os.chdir(target)
    files = sorted(path.relative_to(target).as_posix() for path in target.rglob("*"))
    print(f"working folder: {SCRATCH}/{name}\nfiles: {', '.join(files)}")


def edit_file(path: str, old: str, new: str) -> None:
    """Replace the first `old` in a file by `new` and print the changed lines.

    Raises CourseError if the file has neither text.

    Example:
        edit_file("app.py", "Hello", "Good morning")
    """
    file = Path(path)
    try:
        before = file.read_text(encoding="utf-8")
    except OSError as error:
        raise CourseError(
            f"{path}: {error.strerror}.", "Run the chapter's cells in order."
        ) from None
    if old not in before:
        if new in before:
            print(f"{path} already contains this edit")
            return
        raise CourseError(
            f"{path} does not contain {old!r}.",
            "Run the cell with open_app again for a fresh copy.",
        )
    after = before.replace(old, new, 1)
    file.write_text(after, encoding="utf-8")
    diff = difflib.ndiff(before.splitlines(), after.splitlines())
    print("\n".join([path, *(line for line in diff if line.startswith(("-", "+")))]))
