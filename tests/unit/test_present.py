"""The slides and speaker notes of a chapter, and the configuration that `lab` and `present` use."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from helpers.cli import look, present


def notebook(*cells: tuple[str, str, str]) -> nbformat.NotebookNode:
    """Return a notebook with cells of a kind, a slide type and a source."""
    result = nbformat.v4.new_notebook()
    for kind, slide_type, source in cells:
        cell = getattr(nbformat.v4, f"new_{kind}_cell")(source)
        cell.metadata["slideshow"] = nbformat.from_dict({"slide_type": slide_type})
        result.cells.append(cell)
    return result


CHAPTER = (
    ("markdown", "slide", "# 9 · Title"),
    ("code", "skip", "%reload_ext helpers\nclean_up()"),
    ("markdown", "slide", "## Does <it> run?"),
    ("code", "fragment", "%docker ps"),
    ("markdown", "notes", "Ask **first**."),
    ("code", "subslide", "%docker version"),
)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with one tracked chapter, which has a stored output."""
    folder = tmp_path / "source"
    folder.mkdir()
    chapter = notebook(*CHAPTER)
    chapter.cells[3].outputs = [nbformat.v4.new_output("stream", text="the answer")]
    nbformat.write(chapter, folder / "09_title.ipynb")
    monkeypatch.setattr(
        present.work, "lay_out", lambda work, lay_out=present.work.lay_out: lay_out(folder, work)
    )
    return folder


def test_each_slide_has_number() -> None:
    deck = present.as_deck(notebook(*CHAPTER))
    layers = [c.source for c in deck.cells if "jupyterlab-slideshow" in c.metadata]
    assert layers == ["1 / 3", "2 / 3", "3 / 3"]
    nbformat.validate(deck)


def test_notes_are_no_stop() -> None:
    deck = present.as_deck(notebook(*CHAPTER))
    assert "notes" not in map(present.slide_type, deck.cells)


def test_deck_is_fresh_and_imports_at_kernel_start(source: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    present.lay_out(root, "09_title.ipynb")
    path = root / "notebooks" / "09_title.ipynb"
    assert "the answer" not in path.read_text()
    startup = root / ".ipython/profile_default/startup/chapter.ipy"
    assert startup.read_text() == "%reload_ext helpers\nclean_up()\n"
    path.write_text("changed while presenting")
    present.lay_out(root, "09_title.ipynb")
    assert "Does <it> run?" in path.read_text()


def test_notes_are_numbered_like_slides(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(present, "NOTES", tmp_path / "notes")
    page = present.write_notes(source / "09_title.ipynb")
    text = page.read_text()
    assert page.name == "09_title.html"
    assert "<span>2</span>Does &lt;it&gt; run?</h2>\n<div><p>Ask <strong>first</strong>." in text
    assert text.index("Ask") < text.index("<span>3</span>")


def test_own_settings_are_kept(tmp_path: Path) -> None:
    look.configure(tmp_path)
    settings = tmp_path / ".jupyter/lab/user-settings/@jupyterlab/apputils-extension"
    (settings / "themes.jupyterlab-settings").write_text('{"theme": "JupyterLab Dark"}')
    look.configure(tmp_path)
    assert "Dark" in (settings / "themes.jupyterlab-settings").read_text()


def test_table_of_contents_opens_once(tmp_path: Path) -> None:
    look.configure(tmp_path)
    (workspace,) = (tmp_path / ".jupyter/lab/workspaces").iterdir()
    layout = json.loads(workspace.read_text())["data"]["layout-restorer:data"]
    assert layout["left"]["current"] == look.TABLE_OF_CONTENTS
    workspace.write_text("the student's layout")
    look.configure(tmp_path)
    assert workspace.read_text() == "the student's layout"


def test_slides_start_only_in_present(tmp_path: Path) -> None:
    assert "JUPYTER_PATH" not in look.configure(tmp_path)
    folder = Path(look.configure(tmp_path, presenting=True)["JUPYTER_PATH"].split(":")[0])
    package = json.loads((folder / "labextensions/docker-course-present/package.json").read_text())
    entry = package["jupyterlab"]["_build"]["load"]
    assert (folder / "labextensions/docker-course-present" / entry).is_file()
