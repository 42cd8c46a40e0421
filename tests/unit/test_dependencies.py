"""pyproject.toml is the one source: the locks and environment.yml agree with it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.bootstrap import LOCK, TEST_LOCK
from helpers.paths import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
STUDENT = [Requirement(text) for text in PROJECT["dependencies"]]
TOOLS = [Requirement(text) for text in PROJECT["optional-dependencies"]["test"]]


@dataclass
class Lock:
    """One lock: its text, and the requirements it was compiled from."""

    text: str
    requirements: list[Requirement]

    @cached_property
    def versions(self) -> dict[str, set[str]]:
        """The versions of each package: one, or one per Python version."""
        versions: dict[str, set[str]] = {}
        for name, version in re.findall(
            r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", self.text, re.MULTILINE
        ):
            versions.setdefault(canonicalize_name(name), set()).add(version)
        return versions

    @property
    def packages(self) -> str:
        """The part of the text after its first comment."""
        return self.text.partition("\nanyio")[2]


@pytest.fixture(params=["student", "test"])
def lock(request: pytest.FixtureRequest) -> Lock:
    """The lock of the students' packages, then the one with the test tools."""
    if request.param == "student":
        return Lock(LOCK.read_text(), STUDENT)
    return Lock(TEST_LOCK.read_text(), STUDENT + TOOLS)


def test_every_dependency_is_locked(lock: Lock) -> None:
    for requirement in lock.requirements:
        versions = lock.versions[canonicalize_name(requirement.name)]
        assert all(requirement.specifier.contains(version) for version in versions)


def test_nothing_unneeded_is_locked(lock: Lock) -> None:
    needed: set[str] = set()
    todo = [canonicalize_name(requirement.name) for requirement in lock.requirements]
    while todo:
        name = todo.pop()
        if name in needed:
            continue
        needed.add(name)
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # for another platform
            continue
        names = [canonicalize_name(requirement.name) for requirement in map(Requirement, requires)]
        todo += [name for name in names if name in lock.versions]
    assert set(lock.versions) <= needed


def test_locks_have_hashes_and_no_address(lock: Lock) -> None:
    assert "://" not in lock.text
    assert "index-url" not in lock.packages
    for block in re.split(r"\n(?=[A-Za-z0-9])", lock.packages):
        assert "--hash=sha256:" in block


def test_test_lock_contains_student_lock() -> None:
    student = Lock(LOCK.read_text(), STUDENT).versions
    test = Lock(TEST_LOCK.read_text(), STUDENT + TOOLS).versions
    assert student.items() <= test.items()


def test_students_get_no_test_tools() -> None:
    student = Lock(LOCK.read_text(), STUDENT).versions
    assert not {tool.name for tool in TOOLS} - {"packaging", "pyyaml"} & set(student)


SYSTEMS = {
    "linux": {"sys_platform": "linux", "os_name": "posix", "platform_system": "Linux"},
    "macos": {"sys_platform": "darwin", "os_name": "posix", "platform_system": "Darwin"},
    "windows": {"sys_platform": "win32", "os_name": "nt", "platform_system": "Windows"},
}
# Packages that IPython, JupyterLab and pytest require on one or two systems.
ONLY = {
    "appnope": {"macos"},
    "colorama": {"windows"},
    "pywinpty": {"windows"},
    "pexpect": {"linux", "macos"},
    "ptyprocess": {"linux", "macos"},
}


@pytest.mark.parametrize("package", ONLY)
def test_locks_are_for_every_system(package: str, lock: Lock) -> None:
    match = re.search(rf"^{package}==\S+( *;[^\\\n]*)", lock.text, re.MULTILINE)
    assert match, f"{package} is not locked with a marker"
    marker = Requirement(f"{package}{match[1]}").marker
    assert marker is not None
    assert {name for name, system in SYSTEMS.items() if marker.evaluate(system)} == ONLY[package]


def test_conda_environment_uses_the_lock() -> None:
    environment = yaml.safe_load((CHECKOUT / "environment.yml").read_text())
    pip = next(d for d in environment["dependencies"] if isinstance(d, dict))["pip"]
    assert pip == ["-r requirements.txt"]
