"""What every chapter keeps to, read from the file; nbval runs the chapters themselves."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
IMPORTS = "%load_ext helpers"
MOST_LINES = 12


def shell_docker(source: str) -> list[str]:
    """The lines that run docker through IPython's `!`, whose failure nbval cannot see."""
    return [line for line in source.splitlines()
            if re.search(r"^\s*(\w+\s*=\s*)?(!|%sx\b|%system\b).*\bdocker\b|"
                         r"^%%(bash|sh|script|sx|system|!)", line)
            or re.search(r"get_ipython\(\)\.(system|getoutput)|os\.system\(", line)]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=4)


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_chapters() -> None:
    assert len(NOTEBOOKS) >= 2


def test_the_format_is_valid(notebook: nbformat.NotebookNode) -> None:
    nbformat.validate(notebook)


def test_docker_never_runs_where_its_failure_is_silent(notebook: nbformat.NotebookNode) -> None:
    assert [line for cell in code(notebook) for line in shell_docker(cell.source)] == []


@pytest.mark.parametrize("line", ["!docker ps", "  !docker run x", "out = !docker ps",
                                  "!!docker ps", "! docker ps", "%%bash",
                                  "!cd app && docker build .", "!sudo docker ps", "%%sx",
                                  "x = %sx docker ps", "get_ipython().system('docker ps')"])
def test_the_check_for_silent_docker_sees(line: str) -> None:
    assert shell_docker(f"x = 1\n{line}")


def test_cells_are_short_and_plain(notebook: nbformat.NotebookNode) -> None:
    for cell in code(notebook):
        assert len(cell.source.splitlines()) <= MOST_LINES
        assert not re.search(r"^\s*(def|class|try)\b", cell.source, re.MULTILINE)


def test_the_first_code_cell_loads_the_helpers(notebook: nbformat.NotebookNode) -> None:
    assert code(notebook)[0].source.startswith(IMPORTS)


def test_outputs_are_stored_from_one_run_in_order(notebook: nbformat.NotebookNode) -> None:
    counts = [cell.execution_count for cell in code(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    assert not [o for cell in code(notebook) for o in cell.outputs if o.output_type == "error"]


def test_every_cell_says_its_place_in_the_slides(notebook: nbformat.NotebookNode) -> None:
    assert all(cell.metadata.get("slideshow", {}).get("slide_type") for cell in notebook.cells)


def test_after_an_ignored_output_facts_are_compared(notebook: nbformat.NotebookNode) -> None:
    assert "nbval_ignore_output" not in str(notebook.metadata)
    for number, cell in enumerate(notebook.cells):
        if is_compared(cell) or not shows_result(cell):
            continue
        following = notebook.cells[number + 1:]
        section = list(itertools.takewhile(lambda later: not is_heading(later), following))
        assert any(map(is_compared, section)), (
            f"no cell is compared between this one and the next heading: {cell.source}")


def is_heading(cell: nbformat.NotebookNode) -> bool:
    return cell.cell_type == "markdown" and cell.source.startswith("#")


def is_compared(cell: nbformat.NotebookNode) -> bool:
    ignored = {"nbval-ignore-output", "nbval-skip"} & set(cell.metadata.get("tags", []))
    return cell.cell_type == "code" and bool(cell.outputs) and not ignored


def shows_result(cell: nbformat.NotebookNode) -> bool:
    """Whether a result is shown; of a widget only an id of that one run is stored."""
    return any(output.output_type == "execute_result"
               and "application/vnd.jupyter.widget-view+json" not in output.data
               for output in cell.get("outputs", []))


def test_no_path_of_a_machine_is_stored(notebook: nbformat.NotebookNode) -> None:
    text = nbformat.writes(notebook)
    assert not re.search(r"/(root|home/\w+|Users/\w+)/", text)
