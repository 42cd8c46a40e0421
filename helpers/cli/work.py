"""The student's copies in `work/`: chapters without stored outputs, and the apps they use.

Stored outputs would show the answer before the prediction, and running would change tracked
files. On update, a file the student has not changed is renewed; one they changed is kept.
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

from helpers.engine.owner import CHECKOUT
from helpers.errors import CourseError

SOURCE = CHECKOUT / "notebooks"
WORK = CHECKOUT / "work"


def chapter_path(prefix: str) -> Path:
    """The tracked notebook whose name begins with `prefix`; CourseError unless exactly one does."""
    names = sorted(path for path in SOURCE.glob("*.ipynb"))
    found = [path for path in names if path.name.startswith(prefix)]
    if len(found) != 1:
        have = ", ".join(path.stem for path in names)
        raise CourseError(f"{len(found)} chapters begin with {prefix!r}.", f"Chapters: {have}")
    return found[0]


def lay_out(source: Path = SOURCE, work: Path = WORK, reset: str | None = None) -> list[str]:
    """Bring `work/notebooks` up to date; return a line for each file that was kept as changed."""
    record_file = work / ".delivered.json"
    delivered: dict[str, str] = {}
    if record_file.is_file():
        delivered = json.loads(record_file.read_text())
    kept = []
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        name = path.relative_to(source).as_posix()
        if ".ipynb_checkpoints" in name or "__pycache__" in name:
            continue
        fresh = _without_outputs(path)
        target = work / "notebooks" / name
        if target.is_file() and reset and name.startswith(reset):
            target.rename(target.with_name(f"{target.stem}.mine-{time.strftime('%H%M%S')}"
                                           f"{target.suffix}"))
        if target.is_file():
            mine = _essence(target)
            if mine not in (delivered.get(name), _essence_of(name, fresh)):
                if delivered.get(name) != _essence_of(name, fresh):
                    how = (f"python3 -m helpers lab --reset {name.split('_')[0]}"
                           if name.endswith(".ipynb") else "rename yours and start again")
                    kept.append(f"{name}: your changes are kept; for the new version: {how}")
                continue
            if delivered.get(name) == _essence_of(name, fresh):
                continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(fresh)
        delivered[name] = _essence_of(name, fresh)
    record_file.write_text(json.dumps(delivered, indent=1))
    return kept


def _without_outputs(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix != ".ipynb":
        return data
    notebook = json.loads(data)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    notebook["metadata"].pop("widgets", None)
    return json.dumps(notebook, indent=1, ensure_ascii=False).encode()


def _essence(path: Path) -> str:
    return _essence_of(path.name, path.read_bytes())


def _essence_of(name: str, data: bytes) -> str:
    """A hash of what a student can write: of a notebook the cells' sources, else all bytes."""
    if name.endswith(".ipynb"):
        try:
            cells = json.loads(data)["cells"]
            data = json.dumps([(c["cell_type"], "".join(c["source"])) for c in cells]).encode()
        except (ValueError, KeyError):
            pass
    return hashlib.sha256(data).hexdigest()
