"""Show one chapter as live slides, or write its speaker notes as a page.

Press Space for the next slide, Ctrl+Enter to run a cell, and Esc to leave the slides. Changes that
you make while presenting are not kept.
"""

from __future__ import annotations

import argparse
import shutil
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from helpers.cli import lab, work
from helpers.errors import ExitCode

ROOT = work.WORK / "present"
NOTES = work.WORK / "notes"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}: notes</title><style>
body {{ font: 16px/1.45 sans-serif; max-width: 46em; margin: 2em auto; padding: 0 1em }}
h2 {{ font-size: 1em; margin: 1em 0 0 }} h2 span {{ display: inline-block; min-width: 2.5em }}
div {{ margin-left: 2.5em; break-inside: avoid }} p {{ margin: .3em 0 }}
</style><h1>{title}</h1>
{slides}
</html>
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the chapter and the options."""
    parser.add_argument("chapter", metavar="CHAPTER", help="for example 04")
    parser.add_argument(
        "--notes",
        action="store_true",
        help="write the speaker notes to an HTML page and print its path",
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="print the address without opening a browser"
    )
    parser.add_argument(
        "--port", type=int, help="port to use (default: 8888, or the next free one)"
    )


def run(args: argparse.Namespace) -> int:
    """Serve the chapter until Ctrl-C, or write its notes."""
    chapter = work.chapter_path(args.chapter)
    if args.notes:
        print(write_notes(chapter))
        return ExitCode.SUCCESS
    return lab.serve(args, ROOT, chapter.name, lambda: lay_out(ROOT, chapter.name), presenting=True)


def lay_out(root: Path, name: str) -> list[str]:
    """Copy the chapters to `root/notebooks` and make a deck of the one called `name`.

    The first code cell is not on a slide. It runs whenever the kernel starts.
    """
    shutil.rmtree(root / "notebooks", ignore_errors=True)
    root.mkdir(parents=True, exist_ok=True)
    lines = work.lay_out(work=root)
    path = root / "notebooks" / name
    notebook = nbformat.read(path, as_version=4)
    imports = next(cell.source for cell in notebook.cells if cell.cell_type == "code")
    startup = root / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    (startup / "chapter.ipy").write_text(imports + "\n", encoding="utf-8")
    nbformat.write(as_deck(notebook), path)
    return lines


def as_deck(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook with a number on each slide, and without stops at the speaker notes.

    A number is a cell in a layer that jupyterlab-slideshow shows until the next slide. So that the
    last number has a next slide, an empty one ends the deck.
    """
    count = sum(map(starts_slide, notebook.cells))
    cells, number = [], 0
    for cell in notebook.cells:
        if slide_type(cell) == "notes":
            # jupyterlab-slideshow shows a blank page when the cell after a run one has notes.
            cell.metadata.slideshow.slide_type = "skip"
        cells.append(cell)
        if starts_slide(cell):
            number += 1
            layer = {
                "slideshow": {"slide_type": "skip"},
                "jupyterlab-slideshow": {"layer": "slide"},
            }
            cells.append(_markdown_cell(f"{number} / {count}", f"slide-{number}", layer))
    cells.append(
        _markdown_cell("*End of the slides*", "end", {"slideshow": {"slide_type": "slide"}})
    )
    notebook.cells = cells
    return notebook


def _markdown_cell(source: str, cell_id: str, metadata: dict[str, Any]) -> NotebookNode:
    return nbformat.v4.new_markdown_cell(source, id=cell_id, metadata=nbformat.from_dict(metadata))


def slide_type(cell: NotebookNode) -> str | None:
    """Return a cell's slide type, or None."""
    return cell.metadata.get("slideshow", {}).get("slide_type")


def starts_slide(cell: NotebookNode) -> bool:
    """Return whether a new slide starts with this cell."""
    return slide_type(cell) in ("slide", "subslide")


def write_notes(chapter: Path) -> Path:
    """Write the speaker notes of a chapter, numbered like its slides, as HTML; return the path."""
    from nbconvert.filters.markdown_mistune import markdown2html_mistune

    slides, number = [], 0
    for cell in nbformat.read(chapter, as_version=4).cells:
        if starts_slide(cell):
            number += 1
            first = cell.source.strip().splitlines()[0].lstrip("# ")
            slides.append(f"<h2><span>{number}</span>{escape(first)}</h2>")
        elif slide_type(cell) == "notes":
            slides.append(f"<div>{markdown2html_mistune(cell.source)}</div>")
    NOTES.mkdir(parents=True, exist_ok=True)
    page = NOTES / f"{chapter.stem}.html"
    page.write_text(PAGE.format(title=chapter.stem, slides="\n".join(slides)), encoding="utf-8")
    return page
