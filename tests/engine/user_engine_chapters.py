"""Run chapters under nbval on an engine that plays a user's, and compare what the engine has.

Run by `test_user_engine_chapters.py` in a network namespace, so that the ports which chapters
publish do not meet those of the chapters on the private engine.
"""

from __future__ import annotations

import subprocess
import sys

from helpers.engine.base_image import REAL, STAND_INS, ensure_base_image
from helpers.engine.cleanup import clean
from helpers.paths import CHECKOUT
from tests.conftest import as_user_engine, import_foreign_image, second_engine, short_folder
from tests.engine.test_capstone import REPAIRS, check_cases
from tests.exercises.cases import TALKING, find_cases, list_problems
from tests.inventory import inventory, make_set

NBVAL = (
    *("-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env"),
    *("--nbval-sanitize-with=tests/notebooks/sanitize.cfg", "--nbval-cell-timeout=300"),
)


def main(chapters: list[str]) -> int:
    """Run the chapters and return nbval's exit code; raise AssertionError if the engine changed."""
    with short_folder() as folder, second_engine(folder, packet_filter=True) as daemon:
        engine = as_user_engine(daemon)
        import_foreign_image(engine, folder)
        make_set(engine, "foreign", {})
        before = inventory(engine)
        ready = ensure_base_image(engine)
        command = [sys.executable, *NBVAL, *chapters]
        code = subprocess.run(command, cwd=CHECKOUT, env=engine.env, check=False).returncode
        check_cases(engine, folder / "capstone", ((), tuple(REPAIRS)), at_a_time=1)
        for task_id in TALKING:
            cases = find_cases(task_id, "start", "solution")
            assert list_problems(cases, engine, at_once=1) == []
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
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
