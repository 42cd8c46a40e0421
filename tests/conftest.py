"""Fixtures: the engine the suite runs on, and a second engine that plays the user's own."""

from __future__ import annotations

import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.engine import standin
from helpers.engine.engine import Engine
from helpers.engine.find import connect
from helpers.engine.owner import OWNER_LABEL, owner_id
from helpers.engine.private import PrivateEngine, as_root

# A shell that starts the suite in the background has it ignore Ctrl-C, and all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def engine() -> Engine:
    """A real engine with the base image; a test that asks for it fails where there is none."""
    found = connect()
    standin.ensure_base_image(found)
    return found


def not_of_another_checkout(engine: Engine) -> set[str]:
    """The ids of containers, and of images without an owner: what a test may have left.

    What carries another checkout's label is somebody else's work on the same engine.
    """
    containers = engine.client.containers.list(all=True, ignore_removed=True)
    images = engine.client.images.list(all=True)
    return ({c.id for c in containers if c.labels.get(OWNER_LABEL, owner_id()) == owner_id()}
            | {i.id for i in images if OWNER_LABEL not in i.labels})


@pytest.fixture
def leaves_nothing(engine: Engine) -> Iterator[None]:
    """After the test there is no container, and no image without a label, more than before it."""
    before = not_of_another_checkout(engine)
    yield
    assert not_of_another_checkout(engine) == before


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """A folder with a short path: a socket's path holds 107 bytes at most."""
    folder = Path(tempfile.mkdtemp(prefix="dc-", dir="/tmp"))
    yield folder
    # An engine's data in it are root's.
    subprocess.run([*as_root({}), "rm", "-rf", "--one-file-system", str(folder)], check=True)


@pytest.fixture
def second_daemon(engine: Engine, short_tmp: Path) -> Iterator[PrivateEngine]:
    """A second engine daemon beside the suite's, with data, socket and bridge of its own."""
    daemon = PrivateEngine(short_tmp, daemon_args=("--iptables=false", "--ip6tables=false"))
    if not daemon.root.is_dir():
        daemon._install()
    try:
        daemon._launch()
        yield daemon
    finally:
        daemon._halt()


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
    told = second_daemon.answer()
    assert told
    return second_daemon.engine(told.version)


@pytest.fixture
def way_out(second_daemon: PrivateEngine) -> Iterator[None]:
    """The second engine's containers reach the network: its daemon leaves this machine's packet
    filter alone, since two that write it take each other's rules away."""
    bridge, env = second_daemon.bridge, second_daemon._daemon_env()
    shown = subprocess.run(["ip", "-4", "-brief", "address", "show", "dev", bridge], env=env,
                           text=True, capture_output=True, check=True).stdout
    rules = (("nat", "POSTROUTING", "-s", shown.split()[2], "!", "-o", bridge, "-j", "MASQUERADE"),
             ("filter", "FORWARD", "-i", bridge, "-j", "ACCEPT"),
             ("filter", "FORWARD", "-o", bridge, "-j", "ACCEPT"))

    def write(verb: str) -> None:
        for table, chain, *rule in rules:
            subprocess.run([*as_root(env), "iptables", "-t", table, verb, chain, *rule], env=env,
                           check=True)

    write("--insert")
    yield
    write("--delete")


@pytest.fixture
def own_engine(second_daemon: PrivateEngine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The second engine as the user's own, with a small foreign image `foreign:1` on it."""
    monkeypatch.setenv("DOCKER_HOST", second_daemon.host)
    told = second_daemon.answer()
    assert told
    mine = Engine(second_daemon.host, "own", told.version, second_daemon.engine("").docker,
                  second_daemon.engine("").extra_env)
    tar = second_daemon.base / "empty.tar"
    with tarfile.open(tar, "w"):
        pass
    made = mine.run("import", str(tar), "foreign:1")
    assert made.returncode == 0, made.stderr
    return mine
