"""The code and the notebooks are ruff clean."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_ruff_is_clean() -> None:
    done = subprocess.run([sys.executable, "-m", "ruff", "check", "--no-cache", "."], text=True,
                          cwd=Path(__file__).parents[2], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
