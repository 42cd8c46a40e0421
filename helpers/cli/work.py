"""Keep the student's copies in `work/`: chapters without stored outputs, and their apps.

Stored outputs would show the answer before the prediction, and running a chapter would change
tracked files. On update, files that the student changed are kept, and all others are replaced.
"""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from pathlib import Path

from helpers.errors import CourseError
from helpers.paths import CHECKOUT, DELIVERED

SOURCE = CHECKOUT / "notebooks"
WORK = CHECKOUT / "work"


def all_chapters() -> list[Path]:
    """Return the tracked notebooks, in order."""
    return sorted(SOURCE.glob("*.ipynb"))


def chapter_path(prefix: str) -> Path:
    """Return the tracked notebook whose name starts with `prefix`.

    Raises CourseError unless there is exactly one.
    """
    paths = all_chapters()
    matching = [path for path in paths if path.name.startswith(prefix)]
    if len(matching) == 1:
        return matching[0]
    raise CourseError(
        f"{len(matching) or 'No'} chapter{'s start' if matching else ' starts'} with {prefix!r}.",
        f"Choose one of: {', '.join(path.stem for path in paths)}",
    )


def lay_out(source: Path = SOURCE, work: Path = WORK, reset: str | None = None) -> list[str]:
    """Update `work/notebooks`; return a line for each changed file that has a newer version."""
    work.mkdir(exist_ok=True)
    record_file = work / DELIVERED
    delivered: dict[str, str] = {}
    if record_file.is_file():
        delivered = json.loads(record_file.read_text())
    kept = []
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        name = path.relative_to(source).as_posix()
        if {".ipynb_checkpoints", "__pycache__", "scratch"} & set(path.relative_to(source).parts):
            continue
        target = work / "notebooks" / name
        if reset and name.startswith(reset) and target.is_file():
            aside = f"{target.stem}.mine-{time.strftime('%H%M%S')}{target.suffix}"
            target.rename(target.with_name(aside))
        data = _student_copy(path)
        newest = _content_hash(name, data)
        current = _content_hash(name, target.read_bytes()) if target.is_file() else None
        is_new = delivered.get(name) != newest
        if current not in (None, delivered.get(name), newest):  # the student changed it
            if is_new:
                kept.append(_kept_line(name))
        elif current is None or is_new:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            delivered[name] = newest
    record_file.write_text(json.dumps(delivered, indent=1))
    return kept


def _kept_line(name: str) -> str:
    if name.endswith(".ipynb"):
        how = f"python3 -m helpers lab --reset {name.split('_')[0]}"
    else:
        how = "rename your file, then run this command again"
    return f"{name}: your changes are kept; to get the new version: {how}"


def _student_copy(path: Path) -> bytes:
    """Return a file's bytes, for a chapter without outputs and without speaker notes.

    Notes may say what the exercise above asks; `present --notes` shows them. The `language_info` is
    the kernel's: JupyterLab sets it once the kernel runs, which would mark the chapter as changed.
    """
    from ipykernel.ipkernel import IPythonKernel

    data = path.read_bytes()
    if path.suffix != ".ipynb":
        return data
    notebook = json.loads(data)
    notebook["cells"] = [
        cell
        for cell in notebook["cells"]
        if cell["metadata"].get("slideshow", {}).get("slide_type") != "notes"
    ]
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    notebook["metadata"].pop("widgets", None)
    notebook["metadata"]["language_info"] = IPythonKernel.language_info
    return json.dumps(notebook, indent=1, ensure_ascii=False).encode()


def _content_hash(name: str, data: bytes) -> str:
    """Return a hash of what a student edits: the cells' sources in a notebook, else all bytes."""
    if name.endswith(".ipynb"):
        with suppress(ValueError, KeyError):
            cells = json.loads(data)["cells"]
            data = json.dumps([(c["cell_type"], "".join(c["source"])) for c in cells]).encode()
    return hashlib.sha256(data).hexdigest()
