"""A failed docker command fails its cell under nbval, even if the cell's output is ignored.

IPython's `!exit 3` in such a cell passes, which is the reason for %docker.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.engine


def run_nbval(folder: Path, *sources: str) -> subprocess.CompletedProcess[str]:
    cells = [
        nbformat.v4.new_code_cell(
            source, metadata={"tags": ["nbval-ignore-output"]}, execution_count=number
        )
        for number, source in enumerate(sources, 1)
    ]
    nbformat.write(
        nbformat.v4.new_notebook(
            cells=cells,
            metadata={
                "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
            },
        ),
        folder / "sample.ipynb",
    )
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--nbval",
            "--nbval-current-env",
            "-p",
            "no:cacheprovider",
            "sample.ipynb",
        ],
        cwd=folder,
        text=True,
        capture_output=True,
        check=False,
        timeout=120,
    )


def test_failed_shell_line_passes(tmp_path: Path) -> None:
    assert run_nbval(tmp_path, "!exit 3").returncode == 0


def test_failed_docker_line_fails(engine: object, tmp_path: Path) -> None:
    completed = run_nbval(tmp_path, "%load_ext helpers", "%docker image inspect no-such-image:0")
    assert completed.returncode == 1
    assert "1 failed, 1 passed" in completed.stdout


def test_successful_docker_line_passes(engine: object, tmp_path: Path) -> None:
    completed = run_nbval(tmp_path, "%load_ext helpers", "%docker version")
    assert completed.returncode == 0, completed.stdout
