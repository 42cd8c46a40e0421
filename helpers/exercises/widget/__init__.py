"""The widget of an exercise: an editor or questions, Check, and the verdict next to each.

It collects the answer and calls `grade`. Neither the right answers nor the solution are in the page
before that. `exercise.js` draws it. The page asks the kernel for the text editor (`editor.js`), so
that a stored notebook does not contain it.
"""

from __future__ import annotations

import re
import threading
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from helpers.errors import CourseError
from helpers.exercises import solution, task
from helpers.exercises.differences import compare_lines
from helpers.exercises.frame import Task
from helpers.exercises.progress import TaskProgress, find_file, grade_and_record, read

FOLDER = Path(__file__).parent
VIEW = "application/vnd.jupyter.widget-view+json"
LANGUAGES = {
    "dockerfile": "dockerfile",
    "command": "shell",
    "compose-command": "shell",
    "compose": "yaml",
}


def exercise(task_id: str) -> ExerciseWidget:
    """Return the widget for a task. Raises CourseError if there is no such task.

    Example:
        exercise("04-predict-the-cache")
    """
    chosen = task(task_id)
    if chosen.kind != "prediction" and chosen.kind not in LANGUAGES:
        raise CourseError(
            f"There is no widget for a {chosen.kind} task.",
            f"In a terminal: python3 -m helpers grade {task_id} {chosen.kind.upper()}",
        )
    return ExerciseWidget(chosen)


class ExerciseWidget(anywidget.AnyWidget):
    """An exercise of any kind but a folder; `wait()` waits for a running check."""

    _esm = FOLDER / "exercise.js"
    _css = FOLDER / "exercise.css"
    task = traitlets.Dict().tag(sync=True)
    answer = traitlets.Any().tag(sync=True)
    tries = traitlets.Int().tag(sync=True)
    is_checking = traitlets.Bool().tag(sync=True)
    status = traitlets.Unicode().tag(sync=True)
    verdict: traitlets.Any = traitlets.Any().tag(sync=True)
    comparison: traitlets.List[Any] = traitlets.List().tag(sync=True)

    def __init__(self, chosen: Task) -> None:
        before = read(find_file()).get(chosen.id, TaskProgress())
        self._worker: threading.Thread | None = None
        about = asdict(chosen) | {"language": LANGUAGES.get(chosen.kind, "")}
        about["has_solution"] = bool(about["language"] and solution(chosen.id))
        has_answer = type(before.answer) is type(chosen.start)
        super().__init__(
            task=about,
            answer=before.answer if has_answer else chosen.start,
            tries=len(before.tries),
            status=describe_restored(before) if has_answer else "",
        )
        self.on_msg(self._receive)

    def check(self, answer: object) -> None:
        """Grade an answer in a thread, so that the notebook stays responsive."""
        if self._worker and self._worker.is_alive():
            return
        self.answer, self.verdict, self.comparison = answer, None, []
        self.is_checking, self.status = True, "Checking…"
        self._worker = threading.Thread(target=self._grade, args=(answer,), name="course-check")
        self._worker.start()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until a running check has ended, at most `seconds`."""
        if self._worker:
            self._worker.join(seconds)

    def show_solution(self) -> None:
        """Show a right answer next to the student's, after a try."""
        if self.tries and self.task["has_solution"]:
            self.comparison = compare_lines(self.answer, solution(self.task["id"]))

    def _grade(self, answer: object) -> None:
        try:
            verdict = grade_and_record(self.task["id"], answer, self._progress)
            self.verdict = asdict(verdict) | {"headline": verdict.headline}
            self.status = verdict.headline
            self.tries += verdict.passed is not None
        except CourseError as error:
            self.status = str(error)
        except Exception as error:
            self.status = (
                f"This could not be checked ({type(error).__name__}). It is not your mistake. "
                "Run the doctor cell of chapter 00, then press Check again."
            )
        finally:
            self.is_checking = False

    def _progress(self, line: str) -> None:
        self.status = f"Checking: {line}"

    def _receive(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        """Do what the page asks for: its text editor, a check, or the solution."""
        if content["kind"] == "start":
            code = (FOLDER / "editor.js").read_text(encoding="utf-8")
            self.send({"editor": code if self.task["language"] else ""})
        elif content["kind"] == "check":
            self.check(content["answer"])
        elif content["kind"] == "solution":
            self.answer = content["answer"]
            self.show_solution()

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, Any], dict[str, Any]]:
        about = self.task
        lines = [about["title"], about["prompt"]]
        prompt = re.sub("`(.*?)`", r"<code>\1</code>", escape(about["prompt"])).replace(
            "\n", "<br>"
        )
        html = f"<h3>{escape(about['title'])}</h3><p>{prompt}</p>"
        if about["language"]:
            lines.append(about["start"])
            html += f"<pre>{escape(about['start'])}</pre>"
        else:
            html += "".join(list_html(group, about) for group in about["start"])
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {"text/plain": "\n\n".join(lines), "text/html": html, VIEW: view}, {}


def list_html(group: str, about: dict[str, Any]) -> str:
    """Return a group of questions as HTML, for pages without widgets."""
    items = "".join(f"<li>{escape(question)}</li>" for question in about["start"][group])
    return (
        f"<p><b>{escape(group)}</b>: {escape(' or '.join(about['choices']))}?</p><ul>{items}</ul>"
    )


def describe_restored(before: TaskProgress) -> str:
    """Return a line about the tries before this kernel started."""
    if before.first_pass:
        return "You have passed this exercise. Your last answer is restored."
    return "Your last answer is restored." if before.answer is not None else ""
