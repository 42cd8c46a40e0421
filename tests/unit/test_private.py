"""The choice of the private engine's packages and of the client tools, without a download."""

from __future__ import annotations

import stat
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helpers.engine import base_image, find
from helpers.engine.engine import Engine
from helpers.engine.private import RECIPE, PrivateEngine
from helpers.errors import CourseError, EngineUnavailable, NotResolvable
from helpers.setup import packages


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PrivateEngine:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(packages, "os_codename", lambda: "bookworm")
    return PrivateEngine()


def fake_unpack(
    monkeypatch: pytest.MonkeyPatch, missing: str = "", error: Exception | None = None
) -> list[list[str]]:
    """Record what is unpacked. Packages of the suite `missing` can't be installed."""
    requests: list[list[str]] = []

    def unpack(names: Sequence[str], into: Path, *, suites: Sequence[str]) -> Path:
        requests.append([*names])
        if error:
            raise error
        if missing in suites:
            raise NotResolvable("apt-get failed: unmet dependencies")
        plugins = into / "usr/libexec/docker/cli-plugins"
        plugins.mkdir(parents=True)
        (plugins / "docker-buildx").write_text("")
        (into / "from").write_text(names[0])
        return into

    monkeypatch.setattr(packages, "unpack", unpack)
    return requests


def test_newest_packages_are_preferred(
    private: PrivateEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = fake_unpack(monkeypatch)
    private.install()
    (names,) = requests
    assert "docker.io/forky" in names and "tini-static/forky" in names
    assert "runc/bookworm" in names and not any("trixie" in name for name in names)


def test_older_packages_for_older_libc(
    private: PrivateEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = fake_unpack(monkeypatch, missing="forky")
    private.install()
    assert (private.root / "from").read_text() == "docker.io/trixie"
    assert "tini-static/trixie" not in requests[-1]
    private.install()
    assert len(requests) == 2, "once is enough"


def test_no_packages_is_one_error(private: PrivateEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_unpack(monkeypatch, error=NotResolvable("apt-get failed", "hint"))
    with pytest.raises(CourseError, match="apt-get failed"):
        private.install()
    assert not private.root.exists()


def test_older_engine_is_replaced(
    private: PrivateEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (private.root / "old").mkdir(parents=True)
    (private.base / "data").mkdir()
    fake_unpack(monkeypatch)
    private.install()
    assert not (private.root / "old").exists() and (private.root / "from").is_file()
    assert (private.root / ".recipe").read_text() == RECIPE and (private.base / "data").is_dir()
    assert "updating Docker Engine (your images are kept)" in capsys.readouterr().err
    assert not list(private.base.glob("root.*"))


def test_older_engine_is_kept_offline(
    private: PrivateEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (private.root / "usr/libexec/docker/cli-plugins").mkdir(parents=True)
    fake_unpack(monkeypatch, error=CourseError("apt-get failed: no network"))
    private.install()
    assert (
        "keeping the current engine for now: apt-get failed: no network" in capsys.readouterr().err
    )


def docker_with(folder: Path, buildx: str, compose: str) -> Path:
    """Create a docker command whose plugins print these versions ("" for a missing one)."""
    answers = {"buildx": buildx, "compose": compose}
    cases = "".join(f'{name}) echo "{version}";;' for name, version in answers.items() if version)
    docker = folder / "docker"
    docker.write_text(f'#!/bin/sh\ncase "$1" in {cases} *) exit 1;; esac\n')
    docker.chmod(docker.stat().st_mode | stat.S_IXUSR)
    return docker


@pytest.mark.parametrize(
    ("buildx", "compose", "expected"),
    [
        ("github.com/docker/buildx v0.14.0 abc", "Docker Compose version v2.27.0", None),
        ("github.com/docker/buildx 0.29.1+ds1 0.29.1", "Docker Compose version 2.40.3-3", None),
        (
            "github.com/docker/buildx v0.13.1",
            "Docker Compose version v2.27.0",
            "its buildx plugin is version 0.13 (the course needs 0.14 or newer).",
        ),
        (
            "",
            "Docker Compose version v2.27.0",
            "its buildx plugin is missing (the course needs 0.14 or newer).",
        ),
        (
            "github.com/docker/buildx v0.14.0",
            "",
            "its Compose plugin is missing (the course needs 2.0 or newer).",
        ),
    ],
)
def test_missing_plugin(buildx: str, compose: str, expected: str | None, tmp_path: Path) -> None:
    assert find.missing_plugin(str(docker_with(tmp_path, buildx, compose))) == expected


def test_old_client_is_replaced(
    private: PrivateEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_unpack(monkeypatch)
    (tmp_path / "bin").mkdir()
    docker_with(tmp_path / "bin", "github.com/docker/buildx v0.12.0", "")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(PrivateEngine, "unavailable_reason", lambda self: None)
    with pytest.raises(EngineUnavailable, match=r"its buildx plugin is version 0\.12"):
        find.find_client(install=False)  # the doctor downloads nothing
    docker, env = find.find_client()
    assert docker == str(private.root / "usr/bin/docker")
    assert Path(env["DOCKER_CONFIG"], "cli-plugins/docker-buildx").is_symlink()


def test_old_client_without_replacement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker_with(tmp_path, "", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(PrivateEngine, "unavailable_reason", lambda self: "it needs Linux")
    with pytest.raises(EngineUnavailable, match="buildx plugin is missing") as caught:
        find.find_client()
    assert "docker-buildx-plugin" in caught.value.hint


def test_parallel_starts_build_stand_in_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    builds: list[str] = []

    def build() -> None:
        builds.append("tarball")
        time.sleep(0.3)
        base_image.tarball_path().write_text("")

    class NoImages(Engine):
        def run(self, *args: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
            return subprocess.CompletedProcess(args, 1, "", "cannot be pulled")

    monkeypatch.setattr(base_image, "find_kind", lambda *_: "missing")
    monkeypatch.setattr(base_image, "build_tarball", build)
    monkeypatch.setattr(base_image, "load_tarball", lambda engine: None)
    engine = NoImages("unix:///nowhere", "user", "28")
    with ThreadPoolExecutor(2) as both:
        results = list(both.map(lambda _: base_image.ensure_base_image(engine), range(2)))
    assert results == ["stand-in", "stand-in"] and builds == ["tarball"]
