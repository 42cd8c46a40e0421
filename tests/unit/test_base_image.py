"""Which stand-ins a build or a container uses, without an engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.engine import base_image
from helpers.engine.base_image import (
    LABEL_VALUES,
    POSTGRES,
    REAL,
    STAND_IN_LABEL,
    STAND_INS,
    find_kind,
    image_for,
    named_contexts,
)
from helpers.engine.engine import Engine

USER = Engine("unix:///nowhere", "user", "28")
PRIVATE = Engine("unix:///nowhere", "private", "28")


def have(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let the engine have these images and no others."""
    monkeypatch.setattr(
        base_image.probe,
        "inspect_image",
        lambda host, name: {"Config": {}} if name in names else None,
    )


@pytest.mark.parametrize(
    ("text", "images"),
    [
        (f"FROM {REAL}\nENV URL=postgresql://db/shop\n", [REAL]),
        ("ARG TAG=17\nFROM postgres:$TAG\n", [POSTGRES]),
        (f"FROM {REAL} AS app\nFROM scratch\nCOPY --from={POSTGRES} / /\n", [REAL, POSTGRES]),
        ("FROM alpine\nRUN python -c 1; psql postgres\n", []),
    ],
)
def test_contexts_for_stand_ins_in_use(
    text: str, images: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    have(monkeypatch, *STAND_INS.values())
    contexts = [f"{image}=docker-image://{STAND_INS[image]}" for image in images]
    assert [arg for arg in named_contexts(USER, text) if arg != "--build-context"] == contexts
    have(monkeypatch, *STAND_INS.values(), *STAND_INS)
    assert named_contexts(USER, text) == named_contexts(PRIVATE, text) == []


def test_stand_in_only_where_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert image_for(USER, "nginx") == "nginx"
    assert image_for(USER, POSTGRES) == POSTGRES, "the engine does not answer"
    for names, image in (
        ((), POSTGRES),
        ((POSTGRES,), POSTGRES),
        ((POSTGRES, STAND_INS[POSTGRES]), POSTGRES),
        ((STAND_INS[POSTGRES],), STAND_INS[POSTGRES]),
    ):
        have(monkeypatch, *names)
        assert image_for(USER, POSTGRES) == image


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (None, "real"),
        ({"maintainer": "somebody"}, "real"),
        ({STAND_IN_LABEL: LABEL_VALUES[REAL]}, "stand-in"),
        ({STAND_IN_LABEL: REAL}, "missing"),  # by the first recipe, which had no number
    ],
)
def test_stand_in_of_another_recipe_is_made_again(
    labels: dict[str, str] | None, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = {"Config": {"Labels": labels}}
    monkeypatch.setattr(base_image.probe, "inspect_image", lambda host, name: image)
    assert find_kind(PRIVATE) == find_kind(USER) == kind
