"""The exercise as a widget: the answer by buttons, a Check button, the feedback in words.

It only collects the answer and calls `grade`, in a worker thread so that the notebook stays alive.
It must not know what is right: nothing about the answer is in the page before the click.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from html import escape

import ipywidgets as widgets

from helpers.errors import CourseError
from helpers.exercises import Task, Verdict, grade, task

ASKED = ("prediction",)


def exercise(task_id: str) -> widgets.Widget:
    """The widget for a task; raises CourseError when there is no such task."""
    found = task(task_id)
    if found.kind not in ASKED:
        raise CourseError(f"There is no widget for a {found.kind} task.",
                          f"Use grade({task_id!r}, …) instead.")
    return PredictionWidget(found)


class PredictionWidget(widgets.VBox):
    """A row of buttons, one for each choice, for each question of each group."""

    def __init__(self, found: Task) -> None:
        self._task = found
        self._worker: threading.Thread | None = None
        self._choices: dict[str, dict[str, widgets.ToggleButtons]] = {
            order: {step: choice(order, step, found.choices) for step in steps}
            for order, steps in found.start.items()}
        self._button = widgets.Button(description=found.button, button_style="primary",
                                      layout=widgets.Layout(width="auto"))
        self._button.add_class("course-check")
        self._button.on_click(self._check)
        self._feedback = widgets.HTML(value=live("Choose for every line, then press Check."))
        feedback = widgets.VBox([self._feedback])
        feedback.add_class("course-feedback")
        orders = widgets.HBox(
            [self._column(order) for order in self._choices],
            layout=widgets.Layout(flex_flow="row wrap", grid_gap="0 2.5em"))
        orders.add_class("course-predict")
        super().__init__([
            widgets.HTML(f"<h3>{escape(found.title)}</h3><p>{escape(found.prompt)}</p>"),
            orders, self._button, feedback])
        self.add_class("course-exercise")

    def _column(self, order: str) -> widgets.VBox:
        rows: list[widgets.Widget] = [widgets.HTML(f"<b>{escape(order.capitalize())}</b>")]
        for step, buttons in self._choices[order].items():
            label = widgets.HTML(f"<code>{escape(step)}</code>" if self._task.is_code
                                 else escape(step), layout=widgets.Layout(margin="6px 0 0 0"))
            rows += [label, buttons]
        return widgets.VBox(rows)

    @property
    def answer(self) -> dict[str, dict[str, str | None]]:
        """What has been chosen so far, in the shape `grade` takes."""
        return {order: {step: buttons.value for step, buttons in steps.items()}
                for order, steps in self._choices.items()}

    def wait(self, seconds: float | None = None) -> None:
        """Wait until a check that is under way has ended, at most so many seconds."""
        if self._worker:
            self._worker.join(seconds)

    def _check(self, _button: widgets.Button) -> None:
        if self._worker and self._worker.is_alive():
            return
        self._button.disabled = True
        self._feedback.value = live("Checking…")
        self._worker = threading.Thread(target=self._grade, args=(self.answer,),
                                        name="course-check")
        self._worker.start()

    def _grade(self, answer: dict[str, dict[str, str | None]]) -> None:
        try:
            verdict = grade(self._task.id, answer, on_progress=self._progress)
            self._feedback.value = live_html(verdict_html(verdict))
        except CourseError as error:
            self._feedback.value = live(str(error))
        except Exception as error:
            self._feedback.value = live(
                f"This could not be checked ({type(error).__name__}). It is not your mistake. "
                "Run the doctor cell of chapter 00, then press Check again.")
        finally:
            self._button.disabled = False

    def _progress(self, line: str) -> None:
        self._feedback.value = live(f"Checking, {line}")


def choice(order: str, step: str, choices: Sequence[str]) -> widgets.ToggleButtons:
    """The buttons for one question, none of them pressed; their tooltips name the question."""
    return widgets.ToggleButtons(
        options=list(choices), value=None,
        tooltips=[f"{order}, {step}: {word}" for word in choices], style={"button_width": "7em"})


def verdict_html(verdict: Verdict) -> str:
    """The verdict as a page shows it: the headline, and a line for each check in words."""
    first, *rest = verdict.text().splitlines()
    lines = "".join(f"<li>{escape(line)}</li>" for line in rest)
    return f"<strong>{escape(first)}</strong><ul style='list-style:none;padding:0'>{lines}</ul>"


def live(words: str) -> str:
    """Plain words for the feedback area, which a screen reader reads out when they change."""
    return live_html(escape(words))


def live_html(content: str) -> str:
    """The feedback area's content, announced by a screen reader."""
    return f"<div role='status' aria-live='polite'>{content}</div>"
