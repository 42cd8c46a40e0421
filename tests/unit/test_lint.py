"""The code and the notebooks are formatted, linted and typed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from helpers.paths import CHECKOUT


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "--no-cache", "."),
        ("ruff", "format", "--no-cache", "--check", "."),
        ("mypy", "helpers"),
    ],
    ids=" ".join,
)
def test_tool_finds_nothing(command: tuple[str, ...]) -> None:
    completed = subprocess.run(
        [sys.executable, "-m", *command], text=True, cwd=CHECKOUT, capture_output=True, check=False
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
