"""A try builds the files of its own folder."""

from __future__ import annotations

import os
from contextlib import ExitStack

import pytest

from helpers.engine.engine import Engine
from helpers.exercises.sandbox import open_sandbox

pytestmark = pytest.mark.engine


def test_files_of_equal_size_and_time_are_not_mixed_up(each_engine: Engine) -> None:
    """Two tries edit app.py within the same tick of the kernel's clock."""
    with ExitStack() as stack:
        for token in ("token-1", "token-2"):
            sandbox = stack.enter_context(open_sandbox(each_engine, "flask-app"))
            file = sandbox.folder / "app.py"
            file.write_text(token)
            os.utime(file, ns=(10**18, 10**18))
            image = sandbox.build_own("FROM python:3.13-slim\nCOPY app.py .\n")
            printed = each_engine.run("run", "--rm", image, "cat", "app.py").stdout
            assert printed == token
