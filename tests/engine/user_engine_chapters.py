"""Parts of `test_user_engine_chapters.py` that run in a network namespace.

They share an engine that plays a user's, and its folder is the argument. One engine for chapters and
exercises: they build the same first layers.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from helpers.engine.base_image import REAL, STAND_INS, ensure_base_image
from helpers.engine.cleanup import clean
from helpers.engine.engine import Engine
from helpers.engine.private import PrivateEngine
from helpers.exercises import image_or_container
from tests.conftest import as_user_engine, import_foreign_image, second_engine
from tests.engine.test_capstone import REPAIRS, check_cases
from tests.exercises.cases import find_cases, list_problems
from tests.exercises.test_cases import list_objects
from tests.inventory import inventory, make_set


def hold(folder: Path) -> None:
    """Run the engine until stdin ends; raise AssertionError if its foreign objects changed."""
    with second_engine(folder, packet_filter=True) as daemon:
        engine = as_user_engine(daemon)
        import_foreign_image(engine, folder)
        make_set(engine, "foreign", {})
        before = inventory(engine)
        ready = ensure_base_image(engine)
        print("ready", flush=True)
        sys.stdin.read()
        after = inventory(engine)
        for kind in ("containers", "volumes", "networks"):
            assert after[kind] == before[kind], kind
        images = after["images"] - before["images"]
        added = {name for name in images if not name.startswith("sha256:")}
        assert (STAND_INS[REAL] in added) is (ready == "stand-in")
        assert all(name.startswith("dockercourse/") for name in added), added
        assert before["images"] <= after["images"]
        clean(engine)
        assert inventory(engine) == before


def connect_to(folder: Path) -> Engine:
    """Return the engine that `hold` runs in a folder."""
    return as_user_engine(PrivateEngine(folder))


def check_capstone(folder: Path) -> None:
    """Check the capstone's start and its solution."""
    check_cases(connect_to(folder), folder / "capstone", ((), tuple(REPAIRS)), at_a_time=1)


def check_answers(folder: Path, task_id: str) -> None:
    """Check the verdicts of the start and the solution of a task, side by side; nothing is left."""
    engine, scratch = connect_to(folder), folder / "scratch"
    scratch.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(scratch))
        patch.setattr(image_or_container, "connect", lambda: engine)
        before = list_objects(engine)
        problems = list_problems(find_cases(task_id, "start", "solution"), engine)
        assert not problems, "\n\n".join(problems)
        assert list_objects(engine) == before
        assert list(scratch.iterdir()) == []


PARTS = {part.__name__: part for part in (hold, check_capstone, check_answers)}

if __name__ == "__main__":
    PARTS[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
