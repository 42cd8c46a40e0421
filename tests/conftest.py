"""Fixtures: the engine the suite runs on, and a second engine that plays the user's own."""

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

from helpers.engine import standin
from helpers.engine.cleanup import is_ours
from helpers.engine.engine import Engine
from helpers.engine.find import connect
from helpers.engine.owner import OWNER_LABEL
from helpers.engine.private import PrivateEngine, as_root

# A shell that starts the suite in the background has it ignore Ctrl-C, and all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def private_engine() -> Engine:
    """The private engine (classic image store) with the base image; a test fails without one."""
    found = connect()
    standin.ensure_base_image(found)
    return found


@pytest.fixture(scope="session")
def user_engine(private_engine: Engine) -> Iterator[Engine]:
    """A second engine that plays the user's own: containerd image store, as students have it."""
    with short_folder() as folder, second_engine(folder) as daemon, way_out_of(daemon):
        engine = as_users(daemon)
        standin.ensure_base_image(engine)
        yield engine


@pytest.fixture(scope="session", params=["private_engine", "user_engine"])
def each_engine(request: pytest.FixtureRequest) -> Engine:
    """The private engine, then the user's: the classic and the containerd image store."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def engine(private_engine: Engine) -> Engine:
    """The engine of a test; a module that has to pass on both overrides it with `each_engine`."""
    return private_engine


def left_by_tests(engine: Engine) -> set[str]:
    """The ids of containers, and of images without an owner, that a test may have left.

    What another checkout, or another running notebook of this one, is using is not counted.
    """
    containers = engine.client.containers.list(all=True, ignore_removed=True)
    images = engine.client.images.list(all=True)
    return ({c.id for c in containers
             if OWNER_LABEL not in c.labels or is_ours(c.labels, all_sessions=False)}
            | {i.id for i in images if OWNER_LABEL not in i.labels})


@pytest.fixture
def leaves_nothing(engine: Engine) -> Iterator[None]:
    """After the test there is no container, and no image without a label, more than before it."""
    before = left_by_tests(engine)
    yield
    assert left_by_tests(engine) == before


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder with a short path: a socket's path holds 107 bytes at most."""
    folder = Path(tempfile.mkdtemp(prefix="dc-", dir="/tmp"))
    try:
        yield folder
    finally:      # an engine's data in it are root's
        subprocess.run([*as_root({}), "rm", "-rf", "--one-file-system", str(folder)], check=True)


@contextmanager
def second_engine(base: Path, store: str = "containerd") -> Iterator[PrivateEngine]:
    """A second daemon beside the suite's; it leaves this machine's packet filter alone, since two
    daemons that write it remove each other's rules."""
    config = base / "daemon.json"
    config.write_text(json.dumps({"features": {"containerd-snapshotter": store == "containerd"}}))
    daemon = PrivateEngine(base, daemon_args=("--config-file", str(config), "--iptables=false",
                                              "--ip6tables=false"))
    daemon.install()
    try:
        daemon._launch()
        yield daemon
    finally:
        daemon._halt()


def as_users(daemon: PrivateEngine) -> Engine:
    """A second daemon as an engine of the user's own."""
    answer = daemon.answer()
    assert answer
    return Engine(daemon.host, "own", answer.version, *daemon.client())


@contextmanager
def way_out_of(daemon: PrivateEngine) -> Iterator[None]:
    """Let a second engine's containers reach the network."""
    bridge, env = daemon.bridge, daemon._daemon_env()
    shown = subprocess.run(["ip", "-4", "-brief", "address", "show", "dev", bridge], env=env,
                           text=True, capture_output=True, check=True).stdout
    rules = (("nat", "POSTROUTING", "-s", shown.split()[2], "!", "-o", bridge, "-j", "MASQUERADE"),
             ("filter", "FORWARD", "-i", bridge, "-j", "ACCEPT"),
             ("filter", "FORWARD", "-o", bridge, "-j", "ACCEPT"))

    def write(verb: str) -> None:
        for table, chain, *rule in rules:
            subprocess.run([*as_root(env), "iptables", "-w", "-t", table, verb, chain, *rule],
                           env=env, check=True)

    write("--insert")
    try:
        yield
    finally:
        write("--delete")


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """A folder with a short path."""
    with short_folder() as folder:
        yield folder


@pytest.fixture
def second_daemon(private_engine: Engine, short_tmp: Path,
                  request: pytest.FixtureRequest) -> Iterator[PrivateEngine]:
    """A second engine for this test alone, with the containerd store unless the test names it."""
    with second_engine(short_tmp, getattr(request, "param", "containerd")) as daemon:
        yield daemon


@pytest.fixture
def small_disk(short_tmp: Path) -> Iterator[None]:
    """48 MB, a tmpfs, for the data of the second engine; to be asked for before it."""
    data = short_tmp / "data"
    data.mkdir()
    subprocess.run([*as_root({}), "mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(data)],
                   check=True)
    yield
    subprocess.run([*as_root({}), "umount", "--lazy", str(data)], check=False)


@pytest.fixture
def small_engine(small_disk: None, second_daemon: PrivateEngine) -> Engine:
    """An engine whose disk is full soon."""
    answer = second_daemon.answer()
    assert answer
    return second_daemon.engine(answer.version)


@pytest.fixture
def way_out(second_daemon: PrivateEngine) -> Iterator[None]:
    """The second engine's containers reach the network."""
    with way_out_of(second_daemon):
        yield


@pytest.fixture
def own_engine(second_daemon: PrivateEngine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The second engine as the user's own, with a small foreign image `foreign:1` on it."""
    monkeypatch.setenv("DOCKER_HOST", second_daemon.host)
    mine = as_users(second_daemon)
    tar = second_daemon.base / "empty.tar"
    with tarfile.open(tar, "w"):
        pass
    made = mine.run("import", str(tar), "foreign:1")
    assert made.returncode == 0, made.stderr
    return mine
