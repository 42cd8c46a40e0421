"""The student's copies: no stored answers, changes kept, one chapter put back on request."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from helpers.cli.work import lay_out


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "notebooks"
    (folder / "apps").mkdir(parents=True)
    (folder / "apps/app.py").write_text("print(1)\n")
    write(folder / "04_x.ipynb", "1 + 1")
    return folder


def write(path: Path, source: str) -> None:
    output = nbformat.v4.new_output("stream", text="the answer")
    cell = nbformat.v4.new_code_cell(source, outputs=[output], execution_count=1, id="a")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)


def cell(work: Path) -> dict[str, object]:
    return json.loads((work / "notebooks/04_x.ipynb").read_text())["cells"][0]


def test_copies_have_no_stored_outputs(source: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    assert lay_out(source, work) == []
    assert cell(work)["outputs"] == []
    assert (work / "notebooks/apps/app.py").read_text() == "print(1)\n"
    assert "the answer" in (source / "04_x.ipynb").read_text()


def test_an_untouched_copy_is_renewed_even_after_it_was_run(source: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    lay_out(source, work)
    write(work / "notebooks/04_x.ipynb", "1 + 1")     # run, not changed
    write(source / "04_x.ipynb", "2 + 2")
    assert lay_out(source, work) == []
    assert cell(work)["source"] in ("2 + 2", ["2 + 2"])


def test_what_the_student_changed_is_kept_and_said(source: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    lay_out(source, work)
    write(work / "notebooks/04_x.ipynb", "mine")
    assert lay_out(source, work) == []
    write(source / "04_x.ipynb", "2 + 2")
    kept = lay_out(source, work)
    assert len(kept) == 1
    assert "--reset 04" in kept[0]
    assert cell(work)["source"] in ("mine", ["mine"])


def test_an_apps_file_comes_anew_as_the_message_says(source: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    lay_out(source, work)
    mine = work / "notebooks/apps/app.py"
    mine.write_text("print('mine')\n")
    (source / "apps/app.py").write_text("print(2)\n")
    (said,) = lay_out(source, work)
    assert "rename yours and start again" in said
    mine.rename(mine.with_name("mine.py"))
    assert lay_out(source, work) == []
    assert mine.read_text() == "print(2)\n"


def test_reset_brings_the_chapter_back_and_keeps_mine_aside(source: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    lay_out(source, work)
    write(work / "notebooks/04_x.ipynb", "mine")
    lay_out(source, work, reset="04")
    assert cell(work)["source"] in ("1 + 1", ["1 + 1"])
    aside = list((work / "notebooks").glob("04_x.mine-*.ipynb"))
    assert len(aside) == 1
    assert "mine" in aside[0].read_text()
