"""Tables as text and as HTML, and numbers with their units."""

from __future__ import annotations

import pytest

from helpers.tables import Cell, duration, html_table, human_size, memory_size, spread, text_table


def test_text_columns_are_aligned() -> None:
    rows = [("name", "size", "note"), ("a", "1,000", ""), ("long name", "5", "x")]
    assert text_table(rows, align="lr").splitlines() == [
        "name        size  note",
        "a          1,000",
        "long name      5  x",
    ]


def test_html_is_escaped_and_aligned() -> None:
    page = html_table(
        ("<name>", "size"),
        [("<a>", "1"), (Cell("<b>", code=True, title='"'), Cell("<i>", span=2))],
        "<caption>",
        align="lr",
    )
    for text in ("&lt;name&gt;", "&lt;a&gt;", "&lt;b&gt;", "&lt;i&gt;", "&lt;caption&gt;"):
        assert text in page
    assert 'title="&quot;"' in page and 'colspan="2"' in page
    assert page.count('scope="row"') == 2 and page.count("text-align:right") == 3


def test_html_without_row_header() -> None:
    assert 'scope="row"' not in html_table(("a",), [("b",)], row_header=None)


@pytest.mark.parametrize(
    ("size_bytes", "on_disk", "in_memory"),
    [
        (5, "5 B", "5 B"),
        (1500, "1.5 kB", "1.465 KiB"),
        (64 << 20, "67.1 MB", "64 MiB"),
        (7 << 28, "1.9 GB", "1.75 GiB"),
        (5_000_000_000_000, "5000.0 GB", "4657 GiB"),
    ],
)
def test_sizes_have_units(size_bytes: int, on_disk: str, in_memory: str) -> None:
    assert (human_size(size_bytes), memory_size(size_bytes)) == (on_disk, in_memory)


def test_seconds_have_units() -> None:
    assert [duration(s) for s in (0.00062, 0.031, 3.44)] == ["0.62 ms", "31 ms", "3.4 s"]
    assert (spread((1.0,)), spread((1.0, 3.0, 2.0))) == ("1.00", "2.00 (1.00–3.00)")
