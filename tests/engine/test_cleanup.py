"""`clean` removes what carries our label, and leaves all else, on a user's own engine."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from helpers.engine import standin
from helpers.engine.cleanup import clean, count_ours
from helpers.engine.engine import Engine
from helpers.engine.owner import CHECKOUT, OWNER_LABEL, owner_id
from helpers.engine.standin import STANDIN

pytestmark = pytest.mark.engine


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


def test_only_ours_is_removed(own_engine: Engine) -> None:
    make_set(own_engine, "foreign", {})
    make_set(own_engine, "other-checkout", {OWNER_LABEL: "0123456789ab"})
    before = inventory(own_engine)
    make_set(own_engine, "ours", {OWNER_LABEL: owner_id()})
    assert inventory(own_engine) != before
    cleaned = clean(own_engine)
    assert inventory(own_engine) == before
    assert (cleaned.containers, cleaned.images, cleaned.volumes, cleaned.networks) == (1, 1, 1, 1)


def test_the_stand_in_leaves_a_users_engine_with_clean_alone(own_engine: Engine) -> None:
    before = inventory(own_engine)
    standin.ensure_base_image(own_engine)
    clean(own_engine, tools=False)
    assert STANDIN in inventory(own_engine)["images"]
    clean(own_engine)
    assert inventory(own_engine) == before


def test_all_chapters_leave_a_users_engine_as_it_was(own_engine: Engine, way_out: None) -> None:
    make_set(own_engine, "foreign", {})
    before = inventory(own_engine)
    done = subprocess.run([sys.executable, "-m", "helpers", "rehearse"], cwd=CHECKOUT,
                          env=own_engine.env, text=True, capture_output=True, check=False,
                          timeout=900, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert "your own engine" in said
    for path in (CHECKOUT / "notebooks").glob("*.ipynb"):
        assert f"✓  {path.stem}  (" in said
    after = inventory(own_engine)
    for kind in ("containers", "volumes", "networks"):
        assert after[kind] == before[kind]
    more = {name for name in after["images"] - before["images"] if not name.startswith("sha256:")}
    assert STANDIN in more
    assert all(name == STANDIN or name.startswith("dockercourse/") for name in more), more
    assert before["images"] <= after["images"]
    clean(own_engine)
    assert inventory(own_engine) == before


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
