"""`clean` removes what carries our label, and leaves all else, on a user's own engine."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.engine import standin
from helpers.engine.build import build_image
from helpers.engine.cleanup import clean, count_ours
from helpers.engine.engine import Engine
from helpers.engine.owner import CHECKOUT, OWNER_LABEL, name_taken, owner_id
from helpers.engine.standin import STANDIN

pytestmark = pytest.mark.engine
both_stores = pytest.mark.parametrize("second_daemon", ["containerd", "classic"], indirect=True)


def inventory(engine: Engine) -> dict[str, set[str]]:
    client = engine.client
    return {"containers": {c.name for c in client.containers.list(all=True)},
            "images": {t for i in client.images.list() for t in (*i.tags, i.id)},
            "volumes": {v.name for v in client.volumes.list()},
            "networks": {n.name for n in client.networks.list()}}


def make_set(engine: Engine, prefix: str, labels: dict[str, str]) -> None:
    flags = [part for k, v in labels.items() for part in ("--label", f"{k}={v}")]
    changes = [part for k, v in labels.items() for part in ("--change", f"LABEL {k}={v}")]
    for args in (["volume", "create", *flags, f"{prefix}-volume"],
                 ["network", "create", *flags, f"{prefix}-network"],
                 ["create", "--name", f"{prefix}-container", *flags, "foreign:1", "true"],
                 ["commit", *changes, f"{prefix}-container", f"{prefix}-image:1"]):
        done = engine.run(*args)
        assert done.returncode == 0, done.stderr


@both_stores
def test_only_ours_is_removed(own_engine: Engine) -> None:
    make_set(own_engine, "foreign", {})
    make_set(own_engine, "other-checkout", {OWNER_LABEL: "0123456789ab"})
    before = inventory(own_engine)
    make_set(own_engine, "ours", {OWNER_LABEL: owner_id()})
    assert inventory(own_engine) != before
    cleaned = clean(own_engine)
    assert inventory(own_engine) == before
    assert (cleaned.containers, cleaned.images, cleaned.volumes, cleaned.networks) == (1, 1, 1, 1)


@both_stores
def test_the_stand_in_leaves_a_users_engine_with_clean_alone(own_engine: Engine) -> None:
    before = inventory(own_engine)
    standin.ensure_base_image(own_engine)
    clean(own_engine, tools=False)
    assert STANDIN in inventory(own_engine)["images"]
    clean(own_engine)
    assert inventory(own_engine) == before


def test_all_chapters_pass_and_leave_a_users_engine_as_it_was(own_engine: Engine,
                                                              way_out: None) -> None:
    """nbval compares every chapter's facts on the containerd store, as on the private engine."""
    make_set(own_engine, "foreign", {})
    before = inventory(own_engine)
    ready = standin.ensure_base_image(own_engine)
    chapters = sorted((CHECKOUT / "notebooks").glob("*.ipynb"))
    completed = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--nbval", "--nbval-current-env",
         "--nbval-sanitize-with=tests/notebooks/sanitize.cfg", "--nbval-cell-timeout=300",
         "-p", "no:cacheprovider", *map(str, chapters)],
        cwd=CHECKOUT, env=own_engine.env, text=True, capture_output=True, check=False,
        timeout=900, stdin=subprocess.DEVNULL)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    after = inventory(own_engine)
    for kind in ("containers", "volumes", "networks"):
        assert after[kind] == before[kind]
    more = {name for name in after["images"] - before["images"] if not name.startswith("sha256:")}
    assert (STANDIN in more) is (ready == "stand-in")
    assert all(name == STANDIN or name.startswith("dockercourse/") for name in more), more
    assert before["images"] <= after["images"]
    clean(own_engine)
    assert inventory(own_engine) == before


@both_stores
def test_a_tag_that_another_checkout_took_over_stays(own_engine: Engine) -> None:
    other = {OWNER_LABEL: "0123456789ab"}
    make_set(own_engine, "ours", {OWNER_LABEL: owner_id()})
    make_set(own_engine, "theirs", other)
    ours = own_engine.client.images.get("ours-image:1").id
    theirs = own_engine.client.images.get("theirs-image:1").id
    assert own_engine.run("tag", "theirs-image:1", "ours-image:1").returncode == 0
    clean(own_engine)
    assert own_engine.client.images.get("ours-image:1").id == theirs
    assert ours not in inventory(own_engine)["images"]
    assert "another copy of the course" in name_taken(own_engine.host, "ours-image:1")
    assert name_taken(own_engine.host, "foreign:1") == name_taken(own_engine.host, "none") == ""
    tool = "dockercourse/theirs"
    assert own_engine.run("tag", "theirs-image:1", tool).returncode == 0
    assert name_taken(own_engine.host, tool) == "", "a tool is made once for all checkouts"


MAKES_A_VOLUME = """
import sys
from helpers.engine.engine import Engine
from helpers.engine.owner import labels
engine = Engine(sys.argv[1], "own", "28", sys.argv[2])
engine.run("volume", "create", *(f"--label={k}={v}" for k, v in labels().items()), sys.argv[3])
engine.run("run", "-d", "--name", sys.argv[3], "--entrypoint", "/x",
           *(f"--label={k}={v}" for k, v in labels().items()), "foreign:1")
print("made", flush=True)
sys.stdin.read()
"""


def test_another_open_notebook_keeps_what_it_made_until_it_ends(own_engine: Engine) -> None:
    """A notebook that starts clean, or a rehearsal, leaves an open lab of this checkout alone."""
    command = [sys.executable, "-c", MAKES_A_VOLUME, own_engine.host, own_engine.docker]
    notebooks = [subprocess.Popen([*command, name], cwd=CHECKOUT, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, env=own_engine.env, text=True)
                 for name in ("open", "killed")]
    try:
        for notebook in notebooks:
            assert notebook.stdout and notebook.stdout.readline() == "made\n"
        notebooks[1].kill()      # hard: it can remove nothing any more
        notebooks[1].wait()
        clean(own_engine, all_sessions=False)
        left = inventory(own_engine)
        assert "open" in left["volumes"] and "killed" not in left["volumes"]
        assert left["containers"] == {"open"}
        assert count_ours(own_engine) == 0, "what is in use elsewhere is not left over"
    finally:
        for notebook in notebooks:
            notebook.kill()
            notebook.communicate()
    clean(own_engine, all_sessions=False)
    assert inventory(own_engine)["volumes"] == set()


@pytest.mark.parametrize("kind", ["own", "private"])
def test_a_stand_in_that_was_pruned_is_loaded_by_the_next_build(
        kind: str, own_engine: Engine, tmp_path: Path) -> None:
    engine = dataclasses.replace(own_engine, kind=kind)
    standin.ensure_base_image(engine)
    (tmp_path / "Dockerfile").write_text(f"FROM {standin.REAL}\nENV A=1\n")
    for remove in (["system", "prune", "-af"], ["rmi", "-f", standin.REAL, STANDIN]):
        engine.run(*remove)
        assert standin.base_image(engine) == "missing"
        build_image(tmp_path, tag="after-prune", engine=engine)
        assert standin.base_image(engine) == "stand-in"


@both_stores
def test_what_others_use_of_ours_stays_and_the_rest_goes(own_engine: Engine) -> None:
    mark = {OWNER_LABEL: owner_id()}
    make_set(own_engine, "ours", mark)
    for args in (["create", "--name", "uses-volume", "-v", "ours-volume:/data", "foreign:1",
                  "true"],
                 ["create", "--name", "uses-image", "--label", f"{OWNER_LABEL}=somebody",
                  "ours-image:1", "true"]):
        done = own_engine.run(*args)
        assert done.returncode == 0, done.stderr
    cleaned = clean(own_engine)
    left = inventory(own_engine)
    assert {"uses-volume", "uses-image"} <= left["containers"]
    assert "ours-volume" in left["volumes"] and "ours-image:1" in left["images"]
    assert "ours-network" not in left["networks"]
    assert (cleaned.kept, cleaned.containers, cleaned.networks) == (2, 1, 1)
    assert "2 left, in use by others' containers" in cleaned.text()


@both_stores
def test_on_the_private_engine_the_unlabelled_is_the_courses_too(own_engine: Engine) -> None:
    private = dataclasses.replace(own_engine, kind="private")
    make_set(own_engine, "typed", {})
    standin.ensure_base_image(private)
    make_set(own_engine, "other-checkout", {OWNER_LABEL: "0123456789ab"})
    clean(private, also_unlabelled=True)
    assert own_engine.run("image", "inspect", STANDIN).returncode == 0
    left = inventory(own_engine)
    assert "typed-image:1" not in left["images"]
    assert left["containers"] == {"other-checkout-container"}
    assert left["volumes"] == {"other-checkout-volume"}
    assert "other-checkout-network" in left["networks"]
    assert "typed-network" not in left["networks"]


@both_stores
def test_a_chapter_keeps_the_courses_tools_and_clean_does_not(own_engine: Engine) -> None:
    make_set(own_engine, "ours", {OWNER_LABEL: owner_id()})
    made = own_engine.run("tag", "ours-image:1", "dockercourse/small-server:latest")
    assert made.returncode == 0, made.stderr
    own_engine.run("rmi", "ours-image:1")
    clean(own_engine, tools=False)
    assert "dockercourse/small-server:latest" in inventory(own_engine)["images"]
    assert count_ours(own_engine) == 0
    clean(own_engine)
    assert "dockercourse/small-server:latest" not in inventory(own_engine)["images"]
