"""What `rehearse --save` stores in a chapter."""

from __future__ import annotations

import nbformat

from helpers.cli.chapter import FOLDER, normalise
from helpers.paths import CHECKOUT


def test_outputs_have_no_path_of_their_author() -> None:
    cell = nbformat.v4.new_code_cell("%pwd")
    cell.outputs = [nbformat.v4.new_output("stream", text=f"{CHECKOUT}/notebooks\n")]
    notebook = nbformat.v4.new_notebook(cells=[cell])
    (output,) = normalise(notebook).cells[0].outputs
    assert output.text == f"{FOLDER}/notebooks\n"
