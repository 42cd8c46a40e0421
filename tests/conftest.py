"""Fixtures: the engine the suite runs on, and a second engine that stands in for a user's."""

from __future__ import annotations

import json
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers.engine import base_image
from helpers.engine.cleanup import is_course_object
from helpers.engine.engine import Engine
from helpers.engine.find import connect
from helpers.engine.labels import OWNER_LABEL
from helpers.engine.private import PrivateEngine, as_root
from tests.network import forward

# A shell that starts the suite in the background makes it, and its children, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def private_engine() -> Engine:
    """Return the private engine (classic image store) with the base image on it."""
    engine = connect()
    base_image.ensure_base_image(engine)
    return engine


@pytest.fixture(scope="session")
def user_engine(private_engine: Engine) -> Iterator[Engine]:
    """Yield a second engine as a user's: with the containerd image store, as students have it."""
    with short_folder() as folder, second_engine(folder) as daemon, internet_access(daemon):
        engine = as_user_engine(daemon)
        base_image.ensure_base_image(engine)
        yield engine


@pytest.fixture(scope="session", params=["private_engine", "user_engine"])
def each_engine(request: pytest.FixtureRequest) -> Engine:
    """Return the private engine, then the user's: the classic and the containerd image store."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def engine(private_engine: Engine) -> Engine:
    """Return the engine of a test; a module that runs on both overrides it with `each_engine`."""
    return private_engine


def left_by_tests(engine: Engine) -> set[str]:
    """Return the ids of containers, and of images without an owner, that a test may have left.

    Objects that another checkout, or another running notebook of this one, uses are not counted.
    """
    # The SDK's own lists ask for each object by itself.
    containers = engine.client.api.containers(all=True)
    images = engine.client.api.images(all=True)
    return {
        container["Id"]
        for container in containers
        if OWNER_LABEL not in (labels := container["Labels"] or {})
        or is_course_object(labels, all_sessions=False)
    } | {image["Id"] for image in images if OWNER_LABEL not in (image["Labels"] or {})}


@pytest.fixture
def leaves_nothing(engine: Engine) -> Iterator[None]:
    """Check that the test adds no container and no image without a label."""
    before = left_by_tests(engine)
    yield
    assert left_by_tests(engine) == before


@contextmanager
def short_folder() -> Iterator[Path]:
    """Yield a folder with a short path: the path of a socket has at most 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="dc-", dir="/tmp"))
    try:
        yield folder
    finally:  # the data of an engine in it belongs to root
        subprocess.run([*as_root(), "rm", "-rf", "--one-file-system", str(folder)], check=True)


@contextmanager
def second_engine(
    base: Path, store: str = "containerd", *, packet_filter: bool = False
) -> Iterator[PrivateEngine]:
    """Run a second daemon next to the suite's.

    It does not change the packet filter unless it has its own network namespace: two daemons
    that do remove each other's rules. As a user's engine, it publishes ports on all addresses
    unless a command names one.
    """
    config = base / "daemon.json"
    config.write_text(json.dumps({"features": {"containerd-snapshotter": store == "containerd"}}))
    unfiltered = () if packet_filter else ("--iptables=false", "--ip6tables=false")
    daemon = PrivateEngine(base, daemon_args=("--config-file", str(config), *unfiltered))
    daemon.install()
    try:
        daemon.launch()
        yield daemon
    finally:
        daemon.halt()


def as_user_engine(daemon: PrivateEngine) -> Engine:
    """Return a second daemon as a user's engine."""
    answer = daemon.answer()
    assert answer
    return Engine(daemon.host, "user", answer.version, *daemon.client())


@contextmanager
def internet_access(daemon: PrivateEngine) -> Iterator[None]:
    """Let the containers of a second engine reach the network."""
    bridge, env = daemon.network.bridge, daemon.network.env
    address = subprocess.run(
        ["ip", "-4", "-brief", "address", "show", "dev", bridge],
        env=env,
        text=True,
        capture_output=True,
        check=True,
    ).stdout
    with forward(bridge, address.split()[2], env):
        yield


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """Yield a folder with a short path."""
    with short_folder() as folder:
        yield folder


@pytest.fixture
def second_daemon(
    private_engine: Engine, short_tmp: Path, request: pytest.FixtureRequest
) -> Iterator[PrivateEngine]:
    """Yield a second engine for one test, with the containerd store or the one that it names."""
    with second_engine(short_tmp, getattr(request, "param", "containerd")) as daemon:
        yield daemon


@pytest.fixture
def small_disk(short_tmp: Path) -> Iterator[None]:
    """Mount a tmpfs of 48 MB for the data of the second engine, which must be requested later."""
    data = short_tmp / "data"
    data.mkdir()
    subprocess.run(
        [*as_root(), "mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(data)], check=True
    )
    yield
    subprocess.run([*as_root(), "umount", "--lazy", str(data)], check=False)


@pytest.fixture
def small_engine(small_disk: None, second_daemon: PrivateEngine) -> Engine:
    """Return an engine whose disk is soon full."""
    answer = second_daemon.answer()
    assert answer
    return second_daemon.engine(answer.version)


@pytest.fixture
def second_daemon_online(second_daemon: PrivateEngine) -> Iterator[None]:
    """Let the containers of the second engine reach the network."""
    with internet_access(second_daemon):
        yield


@pytest.fixture
def fresh_user_engine(second_daemon: PrivateEngine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Return the second engine as the user's, with a small foreign image `foreign:1` on it."""
    monkeypatch.setenv("DOCKER_HOST", second_daemon.host)
    engine = as_user_engine(second_daemon)
    import_foreign_image(engine, second_daemon.base)
    return engine


def copy_image(name: str, source: Engine, target: Engine, folder: Path) -> None:
    """Copy an image from one engine to another, through a file in a folder."""
    archive = folder / "image.tar"
    for engine, args in (
        (source, ("save", "-o", archive, name)),
        (target, ("load", "-i", archive)),
    ):
        completed = engine.run(*map(str, args))
        assert completed.returncode == 0, completed.stderr
    archive.unlink()


def import_foreign_image(engine: Engine, folder: Path) -> None:
    """Make an empty image `foreign:1`, which is not the course's."""
    tar = folder / "empty.tar"
    with tarfile.open(tar, "w"):
        pass
    imported = engine.run("import", str(tar), "foreign:1")
    assert imported.returncode == 0, imported.stderr
