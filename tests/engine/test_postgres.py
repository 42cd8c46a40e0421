"""The database image: the real postgres:17, or a stand-in with the same interface.

On the private engine; chapter 07 uses it on both image stores.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from helpers.engine.base_image import POSTGRES, ensure_base_image, image_for
from helpers.engine.engine import Engine
from helpers.engine.labels import labels
from helpers.process import wait_until

pytestmark = pytest.mark.engine
NAME = f"postgres-test-{secrets.token_hex(3)}"


@pytest.fixture(scope="module")
def engine(private_engine: Engine) -> Engine:
    ensure_base_image(private_engine, POSTGRES, say=print)
    return private_engine


@pytest.fixture
def volume(engine: Engine) -> Iterator[str]:
    yield NAME
    engine.run("rm", "-fv", NAME)
    engine.run("volume", "rm", NAME)


def start(engine: Engine, volume: str, *args: str) -> None:
    """Start a database whose data is in a volume, and wait until it is ready."""
    label_args = [f"--label={name}={value}" for name, value in labels().items()]
    mount = f"{volume}:/var/lib/postgresql/data"
    completed = engine.run(
        *("run", "-d", "--name", NAME, *label_args, "-v", mount),
        *(*args, image_for(engine, POSTGRES)),
    )
    assert completed.returncode == 0, completed.stderr
    ready = ("exec", NAME, "pg_isready", "-h", "127.0.0.1")
    assert wait_until(lambda: engine.run(*ready).returncode == 0, 30), engine.run("logs", NAME)


def query(engine: Engine, address: str, sql: str) -> tuple[str, str]:
    """Return what psql in the container prints for a query, and its error message."""
    completed = engine.run("exec", NAME, "psql", "-At", address, "-c", sql)
    return completed.stdout.strip(), completed.stderr


def test_data_survives_in_volume(engine: Engine, volume: str) -> None:
    settings = ("POSTGRES_PASSWORD=secret", "POSTGRES_USER=app", "POSTGRES_DB=shop")
    start(engine, volume, *(f"-e{setting}" for setting in settings))
    assert "PostgreSQL init process complete" in engine.run("logs", NAME).stdout
    assert query(engine, "postgresql://app@/shop", "CREATE TABLE t AS SELECT 7 AS n")[1] == ""
    assert engine.run("exec", NAME, "cat", "/proc/1/comm").stdout.strip() == "postgres"
    assert engine.run("exec", NAME, "stat", "-c%U", "/proc/1").stdout.strip() == "postgres"
    assert engine.run("stop", "-t", "9", NAME).returncode == 0
    code = engine.run("inspect", "-f", "{{.State.ExitCode}}", NAME).stdout
    assert code.strip() == "0", "SIGINT is a fast shutdown"
    engine.run("rm", NAME)
    start(engine, volume)  # an initialized database needs no password
    assert "Skipping initialization" in engine.run("logs", NAME).stdout
    assert query(engine, "postgresql://app@/shop", "SELECT n FROM t") == ("7", "")


def test_wrong_password_is_refused(engine: Engine, volume: str) -> None:
    start(engine, volume, "--network=bridge", "-ePOSTGRES_PASSWORD=se'cret")
    address = engine.run("exec", NAME, "hostname", "-i").stdout.strip()
    right, wrong = (
        f"postgresql://postgres:se%27cret@{address}",
        f"postgresql://postgres:x@{address}",
    )
    assert query(engine, right, "SELECT 1") == ("1", "")
    answer, error = query(engine, wrong, "SELECT 1")
    assert answer == ""
    assert 'FATAL:  password authentication failed for user "postgres"' in error


def test_missing_password_is_reported(engine: Engine) -> None:
    completed = engine.run("run", "--rm", "--network=none", image_for(engine, POSTGRES))
    assert completed.returncode == 1
    assert "superuser password is not specified" in completed.stderr
    assert "You must specify POSTGRES_PASSWORD" in completed.stderr


def test_interface_of_official_image(engine: Engine) -> None:
    config = engine.client.images.get(image_for(engine, POSTGRES)).attrs["Config"]
    assert list(config["Volumes"]) == ["/var/lib/postgresql/data"]
    assert list(config["ExposedPorts"]) == ["5432/tcp"]
    assert "PGDATA=/var/lib/postgresql/data" in config["Env"]
    assert config["StopSignal"] == "SIGINT" and config["Cmd"] == ["postgres"]
    version = engine.run("run", "--rm", image_for(engine, POSTGRES), "postgres", "--version")
    assert "PostgreSQL) 17." in version.stdout
