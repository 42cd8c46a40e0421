"""The storage comparison without an engine: its table and its options."""

from __future__ import annotations

import pytest

from helpers.errors import CourseError
from helpers.experiments.storage import view
from helpers.experiments.storage.measure import ALL_KINDS, OPTIONS, compare_storage
from helpers.experiments.storage.result import (
    ANONYMOUS,
    KEPT,
    LAYER,
    LEFT_BEHIND,
    LOST,
    NO_VOLUME,
    REMOVE,
    STOP,
    Storage,
    StorageComparison,
)

RESULT = StorageComparison(
    (
        Storage("", LAYER, (KEPT, LOST, LOST, NO_VOLUME)),
        Storage("-v /data", ANONYMOUS, (KEPT, LEFT_BEHIND, LOST, LOST)),
    )
)


def test_outcomes_are_found_by_event() -> None:
    assert RESULT.row(LAYER).after(STOP) == KEPT
    assert RESULT.row(ANONYMOUS).after(REMOVE) == LEFT_BEHIND


def test_table_has_every_row() -> None:
    page = view.mimebundle(RESULT)
    for text in (RESULT.text(), page["text/html"]):
        assert LAYER in text and ANONYMOUS in text and "-v /data" in text
        assert "does not find it" in text
    assert len(RESULT.facts().splitlines()) == 3 and "-v /data" not in RESULT.facts()


def test_note_only_if_left_behind() -> None:
    assert StorageComparison(RESULT.rows[:1]).note() == ""


@pytest.mark.parametrize("text", [*ALL_KINDS, "-v VOLUME:/elsewhere", "--tmpfs /tmp"])
def test_valid_options(text: str) -> None:
    assert OPTIONS.fullmatch(text)


@pytest.mark.parametrize(
    "text",
    ["-v mine:/data", "-v /etc:/data", "-v $PWD:/data", "--privileged", "-v /data --rm", "/data"],
)
def test_other_options_are_refused(text: str) -> None:
    """The experiment removes volumes, so it must not take the name of a user's."""
    with pytest.raises(CourseError, match="Invalid option"):
        compare_storage(text, engine=object())  # type: ignore[arg-type]
