"""`%%grade TASK_ID`: grade the text of a cell, without a widget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from IPython.core.magic import Magics, cell_magic, magics_class, no_var_expand

from helpers.exercises import task
from helpers.exercises.prediction import parse_json
from helpers.exercises.progress import grade_and_record
from helpers.notebook.course_function import friendly_errors
from helpers.notebook.progress_bar import show_progress

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


@magics_class
class GradeMagic(Magics):
    """The magic that grades a cell."""

    @no_var_expand
    @cell_magic
    def grade(self, line: str, cell: str) -> None:
        """Grade the lines below as the answer to a task: `%%grade 05-publish-port`.

        The answer to a prediction is written as JSON, that to a folder task is the folder's path.
        """
        task_id = line.strip()
        kind = task(task_id).kind
        answer = parse_json(cell, "This") if kind == "prediction" else cell
        if kind == "folder":
            answer = Path(cell.strip())
        with friendly_errors("the check"), show_progress() as update:
            verdict = grade_and_record(task_id, answer, update)
        print(verdict.text())


def load(ipython: InteractiveShell) -> None:
    """Register `%%grade` with this IPython."""
    ipython.register_magics(GradeMagic)
