"""pyproject.toml is the one source: the lock and environment.yml agree with it."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = Path(__file__).parents[2]
LOCK = (TOP / "requirements.txt").read_text()


def wanted() -> list[Requirement]:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    extras = [r for group in project["optional-dependencies"].values() for r in group]
    return [Requirement(text) for text in [*project["dependencies"], *extras]]


def locked() -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", LOCK, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def test_every_dependency_is_locked_at_a_version_it_allows() -> None:
    lock = locked()
    for requirement in wanted():
        assert requirement.specifier.contains(lock[canonicalize_name(requirement.name)])


def test_nothing_is_locked_that_nothing_needs() -> None:
    lock, needed = locked(), set()
    todo = [canonicalize_name(r.name) for r in wanted()]
    while todo:
        name = todo.pop()
        if name in needed:
            continue
        needed.add(name)
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:     # another platform's
            continue
        todo += [canonicalize_name(r.name) for r in map(Requirement, requires)
                 if canonicalize_name(r.name) in lock]
    assert set(lock) == needed & set(lock)


def test_every_locked_package_has_hashes_and_no_address_is_named() -> None:
    assert "://" not in LOCK
    assert "index-url" not in LOCK.partition("\nanyio")[2]
    for block in re.split(r"\n(?=[A-Za-z0-9])", LOCK.partition("\nanyio")[2]):
        assert "--hash=sha256:" in block


SYSTEMS = {
    "linux": {"sys_platform": "linux", "os_name": "posix", "platform_system": "Linux"},
    "macos": {"sys_platform": "darwin", "os_name": "posix", "platform_system": "Darwin"},
    "windows": {"sys_platform": "win32", "os_name": "nt", "platform_system": "Windows"},
}
# What IPython's, JupyterLab's and pytest's own requirements name for one system or two alone.
ONLY = {"appnope": {"macos"}, "colorama": {"windows"}, "pywinpty": {"windows"},
        "pexpect": {"linux", "macos"}, "ptyprocess": {"linux", "macos"}}


@pytest.mark.parametrize("package", ONLY)
def test_the_lock_is_for_linux_macos_and_windows(package: str) -> None:
    found = re.search(rf"^{package}==\S+( *;[^\\\n]*)", LOCK, re.MULTILINE)
    assert found, f"{package} is not locked with a marker"
    when = Requirement(f"{package}{found[1]}").marker
    assert when is not None
    assert {name for name, system in SYSTEMS.items() if when.evaluate(system)} == ONLY[package]


def test_the_conda_environment_refers_to_the_lock() -> None:
    environment = yaml.safe_load((TOP / "environment.yml").read_text())
    pip = next(d for d in environment["dependencies"] if isinstance(d, dict))["pip"]
    assert pip == ["-r requirements.txt"]
