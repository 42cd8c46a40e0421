"""The conventions of every chapter file; nbval runs the chapters."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
IMPORTS = "%reload_ext helpers"
MOST_LINES = 12


def shell_docker(source: str) -> list[str]:
    """Return the lines that run docker through IPython's `!`, whose failure nbval can't see."""
    return [
        line
        for line in source.splitlines()
        if re.search(
            r"^\s*(\w+\s*=\s*)?(!|%sx\b|%system\b).*\bdocker\b|"
            r"^%%(bash|sh|script|sx|system|!)",
            line,
        )
        or re.search(r"get_ipython\(\)\.(system|getoutput)|os\.system\(", line)
    ]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=4)


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_chapters_exist() -> None:
    assert len(NOTEBOOKS) >= 2


def test_format_is_valid(notebook: nbformat.NotebookNode) -> None:
    nbformat.validate(notebook)


def test_docker_failures_are_never_silent(notebook: nbformat.NotebookNode) -> None:
    assert [line for cell in code(notebook) for line in shell_docker(cell.source)] == []


@pytest.mark.parametrize(
    "line",
    [
        "!docker ps",
        "  !docker run x",
        "out = !docker ps",
        "!!docker ps",
        "! docker ps",
        "%%bash",
        "!cd app && docker build .",
        "!sudo docker ps",
        "%%sx",
        "x = %sx docker ps",
        "get_ipython().system('docker ps')",
    ],
)
def test_silent_docker_is_detected(line: str) -> None:
    assert shell_docker(f"x = 1\n{line}")


def test_cells_are_short(notebook: nbformat.NotebookNode) -> None:
    for cell in code(notebook):
        assert len(cell.source.splitlines()) <= MOST_LINES
        assert not re.search(r"^\s*(def|class|try)\b", cell.source, re.MULTILINE)


def test_first_code_cell_loads_helpers(notebook: nbformat.NotebookNode) -> None:
    assert code(notebook)[0].source.startswith(IMPORTS)


def test_outputs_come_from_one_run(notebook: nbformat.NotebookNode) -> None:
    counts = [cell.execution_count for cell in code(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    assert not [o for cell in code(notebook) for o in cell.outputs if o.output_type == "error"]


def test_every_cell_has_slide_type(notebook: nbformat.NotebookNode) -> None:
    assert all(cell.metadata.get("slideshow", {}).get("slide_type") for cell in notebook.cells)


def test_ignored_output_is_followed_by_facts(notebook: nbformat.NotebookNode) -> None:
    assert "nbval_ignore_output" not in str(notebook.metadata)
    for number, cell in enumerate(notebook.cells):
        if is_compared(cell) or not shows_result(cell):
            continue
        following = notebook.cells[number + 1 :]
        section = list(itertools.takewhile(lambda later: not is_heading(later), following))
        assert any(map(is_compared, section)), (
            f"no cell is compared between this one and the next heading: {cell.source}"
        )


def is_heading(cell: nbformat.NotebookNode) -> bool:
    return cell.cell_type == "markdown" and cell.source.startswith("#")


def is_compared(cell: nbformat.NotebookNode) -> bool:
    ignored = {"nbval-ignore-output", "nbval-skip"} & set(cell.metadata.get("tags", []))
    return cell.cell_type == "code" and bool(cell.outputs) and not ignored


def shows_result(cell: nbformat.NotebookNode) -> bool:
    """Return whether a cell shows a result; a widget is stored only as an id of that run."""
    return any(
        output.output_type == "execute_result"
        and "application/vnd.jupyter.widget-view+json" not in output.data
        for output in cell.get("outputs", [])
    )


def test_no_home_folder_is_stored(notebook: nbformat.NotebookNode) -> None:
    text = nbformat.writes(notebook)
    assert not re.search(r"/(root|home/\w+|Users/\w+)/", text)
