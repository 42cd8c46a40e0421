"""The student's copies: no stored outputs, changes kept, chapters restored on request."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from ipykernel.ipkernel import IPythonKernel

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


def test_copies_have_no_outputs(source: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    assert lay_out(source, work) == []
    assert cell(work)["outputs"] == []
    assert (work / "notebooks/apps/app.py").read_text() == "print(1)\n"
    assert "the answer" in (source / "04_x.ipynb").read_text()


def test_copies_have_no_speaker_notes(source: Path, tmp_path: Path) -> None:
    cells = [
        nbformat.v4.new_markdown_cell(kind, id=kind, metadata={"slideshow": {"slide_type": kind}})
        for kind in ("slide", "notes")
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), source / "04_x.ipynb")
    work = tmp_path / "work"
    work.mkdir()
    lay_out(source, work)
    assert cell(work)["id"] == "slide"
    assert len(json.loads((work / "notebooks/04_x.ipynb").read_text())["cells"]) == 1


def test_jupyterlab_has_nothing_to_add(source: Path, tmp_path: Path) -> None:
    """JupyterLab marks a chapter as changed if its metadata differs from the kernel's."""
    work = tmp_path / "work"
    work.mkdir()
    lay_out(source, work)
    notebook = json.loads((work / "notebooks/04_x.ipynb").read_text())
    assert notebook["metadata"]["language_info"] == IPythonKernel.language_info


def test_unchanged_copy_is_updated(source: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    lay_out(source, work)
    write(work / "notebooks/04_x.ipynb", "1 + 1")  # run, not changed
    write(source / "04_x.ipynb", "2 + 2")
    assert lay_out(source, work) == []
    assert cell(work)["source"] in ("2 + 2", ["2 + 2"])


def test_changed_copy_is_kept_and_reported(source: Path, tmp_path: Path) -> None:
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


def test_renamed_app_file_is_replaced(source: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    lay_out(source, work)
    mine = work / "notebooks/apps/app.py"
    mine.write_text("print('mine')\n")
    (source / "apps/app.py").write_text("print(2)\n")
    (line,) = lay_out(source, work)
    assert "rename your file, then run this command again" in line
    mine.rename(mine.with_name("mine.py"))
    assert lay_out(source, work) == []
    assert mine.read_text() == "print(2)\n"


def test_reset_restores_chapter_and_keeps_changes(source: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    lay_out(source, work)
    write(work / "notebooks/04_x.ipynb", "mine")
    lay_out(source, work, reset="04")
    assert cell(work)["source"] in ("1 + 1", ["1 + 1"])
    aside = list((work / "notebooks").glob("04_x.mine-*.ipynb"))
    assert len(aside) == 1
    assert "mine" in aside[0].read_text()
