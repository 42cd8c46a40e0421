"""Chapters and exercises on an engine that plays a user's, with the containerd store.

The facts are the same there, and nothing of the user's is changed. All runs in a network namespace,
so that the ports which chapters publish do not meet those of the chapters on the private engine.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from helpers.engine.base_image import POSTGRES, STAND_INS, ensure_base_image
from helpers.engine.engine import Engine
from helpers.engine.private import PrivateEngine
from helpers.paths import CHECKOUT
from helpers.vm import guests
from tests.conftest import copy_image, short_folder
from tests.engine.user_engine_chapters import check_answers, check_capstone, connect_to, hold
from tests.exercises.cases import WITH_ANSWERS
from tests.network import checkout_env, network_namespace, run_part

pytestmark = pytest.mark.engine
NBVAL = (
    *("-q", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env", "notebooks"),
    *("--nbval-sanitize-with=tests/notebooks/sanitize.cfg", "--nbval-cell-timeout=300"),
)
PARTS = "tests.engine.user_engine_chapters"


@dataclass(frozen=True)
class User:
    """The user's engine in its network namespace: its folder, and what runs a command there."""

    folder: Path
    prefix: list[str]

    def run(self, part: str, *arguments: str) -> None:
        """Run a part of `user_engine_chapters`."""
        run_part(self.prefix, PARTS, part, str(self.folder), *arguments, timeout=1200)


def copy_tools(private_engine: Engine, engine: Engine, folder: Path) -> None:
    """Copy the images that take longest to build, QEMU's and PostgreSQL's, if there is no real one."""
    copy_image(guests.ensure(private_engine, guests.MACHINE), private_engine, engine, folder)
    if ensure_base_image(private_engine, POSTGRES) == "stand-in":
        copy_image(STAND_INS[POSTGRES], private_engine, engine, folder)


@pytest.fixture(scope="module")
def user(private_engine: Engine) -> Iterator[User]:
    """Run the engine; check at the end that nothing of the user's has changed."""
    with network_namespace(PrivateEngine().network.env) as prefix, short_folder() as folder:
        command = [*prefix, sys.executable, "-m", PARTS, hold.__name__, str(folder)]
        with subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=checkout_env(),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as engine:
            assert engine.stdout
            first = engine.stdout.readline()
            if first == "ready\n":
                copy_tools(private_engine, connect_to(folder), folder)
                yield User(folder, prefix)
                # It may be another checkout's, which `clean` leaves.
                connect_to(folder).run("image", "rm", "--force", guests.MACHINE)
            output, _ = engine.communicate(timeout=300)
        assert engine.returncode == 0, first + output


@pytest.mark.timeout(2800)  # 1,000 s on a slow machine, and twice as long on a busy one
def test_chapters(user: User) -> None:
    """Every chapter has the facts that are stored in it."""
    run_part(user.prefix, "pytest", *NBVAL, timeout=2700, env=connect_to(user.folder).env)


def test_capstone(user: User) -> None:
    user.run(check_capstone.__name__)


@pytest.mark.parametrize("task_id", WITH_ANSWERS)
def test_start_and_solution(user: User, task_id: str) -> None:
    user.run(check_answers.__name__, task_id)
