"""`clean` removes the objects with the course's label from a user's engine, and nothing else."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from helpers.build import build_image
from helpers.engine import base_image
from helpers.engine.cleanup import clean, count_course_objects
from helpers.engine.engine import Engine
from helpers.engine.labels import OWNER_LABEL, name_taken, owner_id
from helpers.paths import CHECKOUT
from tests.inventory import inventory, make_set

pytestmark = pytest.mark.engine
STAND_IN = base_image.STAND_INS[base_image.REAL]
both_stores = pytest.mark.parametrize("second_daemon", ["containerd", "classic"], indirect=True)


@pytest.fixture(autouse=True)
def small_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a stand-in with one file: no test here looks into it, and a real one takes seconds."""
    tarball = tmp_path / "base" / "python.tar"
    tarball.parent.mkdir()
    with tarfile.open(tarball, "w") as archive:
        archive.add(__file__, "file")
    monkeypatch.setattr(base_image, "tarball_path", lambda: tarball)


@both_stores
def test_only_course_objects_are_removed(fresh_user_engine: Engine) -> None:
    make_set(fresh_user_engine, "foreign", {})
    make_set(fresh_user_engine, "other-checkout", {OWNER_LABEL: "0123456789ab"})
    before = inventory(fresh_user_engine)
    make_set(fresh_user_engine, "course", {OWNER_LABEL: owner_id()})
    assert inventory(fresh_user_engine) != before
    cleaned = clean(fresh_user_engine)
    assert inventory(fresh_user_engine) == before
    assert (cleaned.containers, cleaned.images, cleaned.volumes, cleaned.networks) == (1, 1, 1, 1)


@both_stores
def test_clean_removes_stand_in(fresh_user_engine: Engine) -> None:
    before = inventory(fresh_user_engine)
    base_image.ensure_base_image(fresh_user_engine)
    clean(fresh_user_engine, tools=False)
    assert STAND_IN in inventory(fresh_user_engine)["images"]
    clean(fresh_user_engine)
    assert inventory(fresh_user_engine) == before


@both_stores
def test_tag_of_another_checkout_stays(fresh_user_engine: Engine) -> None:
    other = {OWNER_LABEL: "0123456789ab"}
    make_set(fresh_user_engine, "course", {OWNER_LABEL: owner_id()})
    make_set(fresh_user_engine, "other", other)
    course_id = fresh_user_engine.client.images.get("course-image:1").id
    other_id = fresh_user_engine.client.images.get("other-image:1").id
    assert fresh_user_engine.run("tag", "other-image:1", "course-image:1").returncode == 0
    clean(fresh_user_engine)
    assert fresh_user_engine.client.images.get("course-image:1").id == other_id
    assert course_id not in inventory(fresh_user_engine)["images"]
    assert "another copy of the course" in name_taken(fresh_user_engine.host, "course-image:1")
    assert (
        name_taken(fresh_user_engine.host, "foreign:1")
        == name_taken(fresh_user_engine.host, "none")
        == ""
    )
    tool = "dockercourse/theirs"
    assert fresh_user_engine.run("tag", "course-image:1", tool).returncode == 0
    assert name_taken(fresh_user_engine.host, tool) == "", "tools are shared by all checkouts"


MAKES_A_VOLUME = """
import sys
import tarfile
from helpers.engine.engine import Engine
from helpers.engine.labels import labels
engine = Engine(sys.argv[1], "user", "28", sys.argv[2])
engine.run("volume", "create", *(f"--label={k}={v}" for k, v in labels().items()), sys.argv[3])
engine.run("run", "-d", "--name", sys.argv[3], "--entrypoint", "/x",
           *(f"--label={k}={v}" for k, v in labels().items()), "foreign:1")
print("made", flush=True)
sys.stdin.read()
"""


def test_objects_of_open_notebook_stay(fresh_user_engine: Engine) -> None:
    """A notebook or rehearsal that cleans up leaves other open notebooks of this checkout alone."""
    command = [
        sys.executable,
        "-c",
        MAKES_A_VOLUME,
        fresh_user_engine.host,
        fresh_user_engine.docker,
    ]
    notebooks = [
        subprocess.Popen(
            [*command, name],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=fresh_user_engine.env,
            text=True,
        )
        for name in ("open", "killed")
    ]
    try:
        for notebook in notebooks:
            assert notebook.stdout and notebook.stdout.readline() == "made\n"
        notebooks[1].kill()  # SIGKILL: it can't remove anything
        notebooks[1].wait()
        clean(fresh_user_engine, all_sessions=False)
        left = inventory(fresh_user_engine)
        assert "open" in left["volumes"] and "killed" not in left["volumes"]
        assert left["containers"] == {"open"}
        assert count_course_objects(fresh_user_engine) == 0, (
            "objects in use elsewhere are not leftovers"
        )
    finally:
        for notebook in notebooks:
            notebook.kill()
            notebook.communicate()
    clean(fresh_user_engine, all_sessions=False)
    assert inventory(fresh_user_engine)["volumes"] == set()


@pytest.mark.parametrize("kind", ["user", "private"])
def test_build_reloads_pruned_stand_in(
    kind: str, fresh_user_engine: Engine, tmp_path: Path
) -> None:
    engine = dataclasses.replace(fresh_user_engine, kind=kind)
    base_image.ensure_base_image(engine)
    (tmp_path / "Dockerfile").write_text(f"FROM {base_image.REAL}\nENV A=1\n")
    for remove in (["system", "prune", "-af"], ["rmi", "-f", base_image.REAL, STAND_IN]):
        engine.run(*remove)
        assert base_image.find_kind(engine) == "missing"
        build_image(tmp_path, tag="after-prune", engine=engine)
        assert base_image.find_kind(engine) == "stand-in"


@both_stores
def test_course_objects_used_by_others_stay(fresh_user_engine: Engine) -> None:
    make_set(fresh_user_engine, "course", {OWNER_LABEL: owner_id()})
    for args in (
        ["create", "--name", "uses-volume", "-v", "course-volume:/data", "foreign:1", "true"],
        [
            "create",
            "--name",
            "uses-image",
            "--label",
            f"{OWNER_LABEL}=somebody",
            "course-image:1",
            "true",
        ],
    ):
        completed = fresh_user_engine.run(*args)
        assert completed.returncode == 0, completed.stderr
    cleaned = clean(fresh_user_engine)
    left = inventory(fresh_user_engine)
    assert {"uses-volume", "uses-image"} <= left["containers"]
    assert "course-volume" in left["volumes"] and "course-image:1" in left["images"]
    assert "course-network" not in left["networks"]
    assert (cleaned.kept, cleaned.containers, cleaned.networks) == (2, 1, 1)
    assert "2 kept, used by other containers" in cleaned.text()


@both_stores
def test_private_engine_loses_unlabelled_objects(fresh_user_engine: Engine) -> None:
    private = dataclasses.replace(fresh_user_engine, kind="private")
    make_set(fresh_user_engine, "typed", {})
    base_image.ensure_base_image(private)
    make_set(fresh_user_engine, "other-checkout", {OWNER_LABEL: "0123456789ab"})
    clean(private, also_unlabelled=True)
    assert fresh_user_engine.run("image", "inspect", STAND_IN).returncode == 0
    left = inventory(fresh_user_engine)
    assert "typed-image:1" not in left["images"]
    assert left["containers"] == {"other-checkout-container"}
    assert left["volumes"] == {"other-checkout-volume"}
    assert "other-checkout-network" in left["networks"]
    assert "typed-network" not in left["networks"]


@both_stores
def test_only_clean_removes_course_tools(fresh_user_engine: Engine) -> None:
    make_set(fresh_user_engine, "course", {OWNER_LABEL: owner_id()})
    tagged = fresh_user_engine.run("tag", "course-image:1", "dockercourse/small-server:latest")
    assert tagged.returncode == 0, tagged.stderr
    fresh_user_engine.run("rmi", "course-image:1")
    clean(fresh_user_engine, tools=False)
    assert "dockercourse/small-server:latest" in inventory(fresh_user_engine)["images"]
    assert count_course_objects(fresh_user_engine) == 0
    clean(fresh_user_engine)
    assert "dockercourse/small-server:latest" not in inventory(fresh_user_engine)["images"]
