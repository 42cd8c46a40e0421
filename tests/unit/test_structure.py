"""Imports go one way, as pyproject.toml has it; the files for people who fork the course."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from helpers import errors
from helpers.cli.lab import PORTS
from helpers.errors import CourseError
from helpers.paths import CHECKOUT

TOOL = Path(sys.executable).with_name("lint-imports")

# Imports all modules twice: first for the libraries, which are this system's, then as on macOS,
# where there is no /proc and no iptables. No module may start a program when it is imported.
IMPORT_AS_ON_MACOS = """
import importlib, pkgutil, platform, shutil, sys
import helpers

names = [module.name for module in pkgutil.walk_packages(helpers.__path__, "helpers.")]
for name in names:
    importlib.import_module(name)
for name in [name for name in sys.modules if name.startswith("helpers")]:
    del sys.modules[name]

def refuse(event, args):
    if event == "subprocess.Popen" or event == "open" and str(args[0]).startswith("/proc"):
        raise FileNotFoundError(f"{event}: {args[0]}")

sys.addaudithook(refuse)
sys.platform = "darwin"
platform.system = lambda: "Darwin"
shutil.which = lambda *args, **kwargs: None
for name in names:
    importlib.import_module(name)
print(*names)
"""


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


def test_every_error_is_in_the_tree() -> None:
    """Their docstring shows every class with its exit code; bootstrap's is the only other one."""

    def show(error: type[CourseError]) -> Iterator[tuple[str, int]]:
        yield error.__name__, error.exit_code
        for below in error.__subclasses__():
            yield from show(below)

    shown = re.findall(r"(\w+) +(\d+) ", errors.__doc__ or "")
    assert [(name, int(code)) for name, code in shown] == list(show(CourseError))
    defined = [
        path.name
        for path in (CHECKOUT / "helpers").rglob("*.py")
        if re.search(r"^class \w+\(\w*(Error|Exception)\)", path.read_text(), re.MULTILINE)
    ]
    assert sorted(defined) == ["bootstrap.py", "errors.py"]


def test_every_module_imports_on_macos() -> None:
    completed = subprocess.run(
        [sys.executable, "-c", IMPORT_AS_ON_MACOS],
        cwd=CHECKOUT,
        text=True,
        capture_output=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    modules = {path.stem for path in (CHECKOUT / "helpers").rglob("*.py")} - {"__init__"}
    assert modules <= {name.rpartition(".")[2] for name in completed.stdout.split()}


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
    assert container["forwardPorts"] == [PORTS[0]]
    assert list(container["portsAttributes"]) == [str(PORTS[0])]
