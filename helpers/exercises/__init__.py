"""The exercises: the tasks there are, and `grade`, which judges an answer by what really happens.

Plain Python, so that a widget, a terminal and a test all call the same. Must not know how a task
or a verdict is drawn.
"""

from __future__ import annotations

from collections.abc import Callable

from helpers.errors import CourseError
from helpers.exercises import predict_cache, shared_or_own
from helpers.exercises.frame import Check, Exercise, Task, Verdict

__all__ = ["Check", "Task", "Verdict", "grade", "task", "tasks"]

EXERCISES: dict[str, Exercise] = {e.id: e for e in (
    shared_or_own.EXERCISE, predict_cache.EXERCISE)}


def tasks() -> tuple[Task, ...]:
    """All tasks, in the order of the chapters."""
    return tuple(exercise.task() for exercise in EXERCISES.values())


def task(task_id: str) -> Task:
    """The task with this id; raises CourseError when there is none."""
    return find(task_id).task()


def grade(task_id: str, submission: object,
          on_progress: Callable[[str], None] | None = None) -> Verdict:
    """Judge an answer; raises CourseError when it has the wrong shape, not when it is wrong."""
    return find(task_id).grade(submission, on_progress=on_progress)


def find(task_id: str) -> Exercise:
    """The exercise with this id; raises CourseError when there is none."""
    if task_id not in EXERCISES:
        raise CourseError(f"There is no task {task_id!r}.",
                          "The tasks are: " + ", ".join(EXERCISES) + ".")
    return EXERCISES[task_id]
