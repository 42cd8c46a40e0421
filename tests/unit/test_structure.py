"""Imports go one way, as pyproject.toml has it; the files for people who fork the course."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from helpers.cli.lab import FIRST_PORT
from helpers.paths import CHECKOUT

TOOL = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(TOOL), "--no-cache"],
        cwd=folder,
        text=True,
        capture_output=True,
        check=False,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
    )


def test_imports_go_one_way() -> None:
    completed = lint(CHECKOUT)
    assert completed.returncode == 0, completed.stdout + completed.stderr


def test_upward_imports_are_reported(tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "helpers", tmp_path / "helpers")
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    for module, line in {
        "engine/probe.py": "from helpers.magic import parse",
        "bootstrap.py": "from helpers import paths",
        "experiments/ladder/measure.py": "from helpers.experiments.ladder import view",
    }.items():
        file = tmp_path / "helpers" / module
        file.write_text(f"{file.read_text()}\n{line}\n")
    completed = lint(tmp_path)
    assert completed.returncode == 1
    assert "Imports go one way BROKEN" in completed.stdout
    assert "helpers.bootstrap is not allowed to import helpers.paths" in completed.stdout
    assert "What measures never imports what draws BROKEN" in completed.stdout


def test_workflow_runs_the_suite() -> None:
    workflow = yaml.safe_load((CHECKOUT / ".github/workflows/test.yml").read_text())
    (job,) = workflow["jobs"].values()
    run, keep = job["steps"][-2:]
    assert job["runs-on"].startswith("ubuntu-")
    assert run["run"] == "bash .ci/run"
    assert keep["uses"].startswith("actions/upload-artifact@") and keep["if"] == "always()"
    assert keep["with"]["path"] == run["env"]["COURSE_ARTIFACTS"]


def test_dev_container_has_engine_and_port() -> None:
    container = json.loads((CHECKOUT / ".devcontainer/devcontainer.json").read_text())
    assert "docker-in-docker" in container["features"]
    assert container["forwardPorts"] == [FIRST_PORT]
    assert list(container["portsAttributes"]) == [str(FIRST_PORT)]
