"""The widget of an exercise: buttons for the answers, a Check button, the feedback in words.

It collects the answers and calls `grade`. The right answers are not in the page before that.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from html import escape

import ipywidgets as widgets

from helpers.errors import CourseError
from helpers.exercises import Task, Verdict, grade, task

WITH_WIDGET = ("prediction",)


def exercise(task_id: str) -> widgets.Widget:
    """Return the widget for a task. Raises CourseError if there is no such task.

    Example:
        exercise("04-predict-the-cache")
    """
    chosen = task(task_id)
    if chosen.kind not in WITH_WIDGET:
        raise CourseError(
            f"There is no widget for a {chosen.kind} task.", f"Use grade({task_id!r}, …) instead."
        )
    return PredictionWidget(chosen)


class PredictionWidget(widgets.VBox):
    """A row of buttons for each question of each group, with a button for each choice."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._worker: threading.Thread | None = None
        self._choices: dict[str, dict[str, widgets.ToggleButtons]] = {
            group: {question: make_buttons(group, question, task.choices) for question in questions}
            for group, questions in task.start.items()
        }
        self._button = widgets.Button(
            description=task.button, button_style="primary", layout=widgets.Layout(width="auto")
        )
        self._button.add_class("course-check")
        self._button.on_click(self._check)
        self._feedback = widgets.HTML(value=announce("Choose for every line, then press Check."))
        feedback = widgets.VBox([self._feedback])
        feedback.add_class("course-feedback")
        columns = widgets.HBox(
            [self._column(group) for group in self._choices],
            layout=widgets.Layout(flex_flow="row wrap", grid_gap="0 2.5em"),
        )
        columns.add_class("course-predict")
        super().__init__(
            [
                widgets.HTML(f"<h3>{escape(task.title)}</h3><p>{escape(task.prompt)}</p>"),
                columns,
                self._button,
                feedback,
            ]
        )
        self.add_class("course-exercise")

    def _column(self, group: str) -> widgets.VBox:
        rows: list[widgets.Widget] = [widgets.HTML(f"<b>{escape(group.capitalize())}</b>")]
        for question, buttons in self._choices[group].items():
            text = escape(question)
            label = widgets.HTML(
                f"<code>{text}</code>" if self._task.is_code else text,
                layout=widgets.Layout(margin="6px 0 0 0"),
            )
            rows += [label, buttons]
        return widgets.VBox(rows)

    @property
    def answer(self) -> dict[str, dict[str, str | None]]:
        """Return what has been chosen so far, as `grade` takes it."""
        return {
            group: {question: buttons.value for question, buttons in questions.items()}
            for group, questions in self._choices.items()
        }

    def wait(self, seconds: float | None = None) -> None:
        """Wait until a running check has ended, at most `seconds`."""
        if self._worker:
            self._worker.join(seconds)

    def _check(self, _button: widgets.Button) -> None:
        if self._worker and self._worker.is_alive():
            return
        self._button.disabled = True
        self._feedback.value = announce("Checking…")
        # In a thread, so that the notebook stays responsive.
        self._worker = threading.Thread(
            target=self._grade, args=(self.answer,), name="course-check"
        )
        self._worker.start()

    def _grade(self, answer: dict[str, dict[str, str | None]]) -> None:
        try:
            verdict = grade(self._task.id, answer, on_progress=self._progress)
            self._feedback.value = announce_html(verdict_html(verdict))
        except CourseError as error:
            self._feedback.value = announce(str(error))
        except Exception as error:
            self._feedback.value = announce(
                f"This could not be checked ({type(error).__name__}). It is not your mistake. "
                "Run the doctor cell of chapter 00, then press Check again."
            )
        finally:
            self._button.disabled = False

    def _progress(self, line: str) -> None:
        self._feedback.value = announce(f"Checking, {line}")


def make_buttons(group: str, question: str, choices: Sequence[str]) -> widgets.ToggleButtons:
    """Return the buttons for one question, none of them pressed; tooltips name the question."""
    return widgets.ToggleButtons(
        options=list(choices),
        value=None,
        tooltips=[f"{group}, {question}: {word}" for word in choices],
        style={"button_width": "7em"},
    )


def verdict_html(verdict: Verdict) -> str:
    """Return the verdict as HTML: the headline, and a line for each check."""
    first, *rest = verdict.text().splitlines()
    lines = "".join(f"<li>{escape(line)}</li>" for line in rest)
    return f"<strong>{escape(first)}</strong><ul style='list-style:none;padding:0'>{lines}</ul>"


def announce(text: str) -> str:
    """Return text for the feedback area."""
    return announce_html(escape(text))


def announce_html(content: str) -> str:
    """Return HTML for the feedback area, which a screen reader reads out when it changes."""
    return f"<div role='status' aria-live='polite'>{content}</div>"
