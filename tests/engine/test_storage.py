"""Where data survives, with other mounts than chapter 06; its own table is a fact of the chapter.

On the second engine, where nobody else makes anonymous volumes meanwhile. Chapter 06 runs on both.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.build.run import build_image
from helpers.engine.engine import Engine
from helpers.errors import CourseError
from helpers.experiments.storage.measure import compare_storage
from helpers.experiments.storage.result import LAYER, StorageComparison

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("leaves_nothing")]


@pytest.fixture
def engine(user_engine: Engine) -> Engine:
    return user_engine


@pytest.fixture
def image(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield an image with a shell, and work in a temporary folder that must stay empty."""
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM python:3.13-slim\n")
    name = f"storage-{secrets.token_hex(4)}"
    build_image(folder, tag=name, engine=engine)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    volumes = volume_names(engine)
    yield name
    engine.client.images.remove(name, force=True)
    assert volume_names(engine) - volumes == set()
    assert not list(work.iterdir())


def volume_names(engine: Engine) -> set[str]:
    """Return the names of the volumes of this chapter, and of those without a name."""
    names = {volume.name for volume in engine.client.volumes.list()}
    return {name for name in names if name.startswith("course-06-") or len(name) == 64}


def test_other_mounts_change_the_table(engine: Engine, image: str) -> None:
    """A mount on another folder than /data keeps nothing of /data."""

    def outcomes(result: StorageComparison) -> list[tuple[str, tuple[str, ...]]]:
        return [(row.kind, row.outcomes) for row in result.rows]

    result = compare_storage(
        "-v VOLUME:/elsewhere", "-v VOLUME:/data", "--tmpfs /tmp", image=image, engine=engine
    )
    assert outcomes(result) == [
        (LAYER, ("kept", "lost", "lost", "lost")),
        ("named volume", ("kept", "kept", "kept", "lost")),
        (LAYER, ("kept", "lost", "lost", "(no volume)")),
    ]


def test_missing_image_is_named(engine: Engine) -> None:
    with pytest.raises(CourseError, match="no image 'no-such-image'") as caught:
        compare_storage(image="no-such-image", engine=engine)
    assert "docker build -t no-such-image ." in caught.value.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which takes root")
def test_user_can_remove_files_of_bind_mount(engine: Engine, image: str, short_tmp: Path) -> None:
    """A student can delete what root in a container wrote to the student's folder."""
    short_tmp.chmod(0o755)
    data = short_tmp / "data"
    data.mkdir()
    os.chown(data, 4242, 4242)
    completed = engine.run("run", "--rm", "-v", f"{data}:/data", image, "touch", "/data/roots")
    assert completed.returncode == 0, completed.stderr
    assert (data / "roots").stat().st_uid == 0
    subprocess.run(["rm", "-f", str(data / "roots")], user=4242, group=4242, check=True)
    assert not list(data.iterdir())
