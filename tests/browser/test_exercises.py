"""An exercise of each kind in a browser: wrong, then right, by mouse and by keyboard alone."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from helpers.exercises import SOLUTIONS, solution
from tests.browser.loading import open_page

pytestmark = [pytest.mark.engine, pytest.mark.browser]

CHECK_SECONDS = 120
STATEMENTS = {
    "has a process": "container",
    "can be written to": "container",
    "is shared by three others": "image",
    "has an id": "both",
    "has an IP address": "container",
    "knows the command to start": "both",
    "can be stopped": "container",
    "is still there after docker rm -f": "image",
}


@dataclass(frozen=True)
class Case:
    """A task with a wrong answer (None: its start), what the page then says, and a right answer."""

    task_id: str
    wrong: Any
    feedback: str
    right: Any


CASES = [
    Case(
        "02-image-or-container",
        dict.fromkeys(STATEMENTS, "container"),
        "you said container; it is image",
        STATEMENTS,
    ),
    Case(
        "03-repair-dockerfile",
        'FROM python:3.13-slim\nWORKDIR /app\nRUN pip install flask\nCOPY . .\nCMD ["flask", "run"]\n',
        "127.0.0.1",
        solution("03-repair-dockerfile"),
    ),
    Case(
        "05-publish-port",
        "docker run -d my-flask-app",
        "The container publishes no port.",
        solution("05-publish-port"),
    ),
    Case(
        "07-repair-compose",
        'services:\n  web:\n    build: .\n    ports:\n      - "5000:5000"\n',
        "copy of app.py",
        solution("07-repair-compose"),
    ),
    Case(
        "07-rebuild-only-web",
        "docker compose restart -t 1 web",
        "files of its old image",
        solution("07-rebuild-only-web"),
    ),
]
IDS = [case.task_id for case in CASES]


@pytest.fixture(scope="module")
def notebook(page: Page, served: tuple[str, str]) -> Page:
    """Return a notebook with the exercises, run."""
    address, token = served
    cells = [
        nbformat.v4.new_code_cell("%reload_ext helpers\nfrom helpers import exercise"),
        *(nbformat.v4.new_code_cell(f'exercise("{case.task_id}")') for case in CASES),
        nbformat.v4.new_code_cell("# 08-capstone"),
    ]
    content = nbformat.v4.new_notebook(cells=cells)
    content.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
    requests.put(
        f"{address}/api/contents/notebooks/exercises.ipynb",
        params={"token": token},
        json={"type": "notebook", "content": content},
        timeout=10,
    ).raise_for_status()
    notebook = f"{address}/lab/tree/notebooks/exercises.ipynb?token={token}"
    open_page(page, notebook, page.get_by_text("| Idle"))
    run_all(page)
    return page


def run_all(page: Page) -> None:
    expect(page.get_by_text("| Idle")).to_be_visible(timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    for case in CASES:
        expect(widget(page, case).locator("button.course-check")).to_be_enabled(timeout=60_000)


def widget(page: Page, case: Case) -> Locator:
    return page.locator(".jp-CodeCell", has_text=case.task_id).locator(".course-exercise")


def type_text(page: Page, exercise: Locator, text: str) -> None:
    """Replace the text of the focused editor."""
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(text)
    lines = exercise.locator(".cm-line")
    expect(lines.first).to_have_text(text.splitlines()[0])


def answer_by_mouse(page: Page, exercise: Locator, answer: Any) -> None:
    if isinstance(answer, str):
        exercise.locator(".cm-content").click()
        type_text(page, exercise, answer)
    else:
        for question, word in answer.items():
            exercise.get_by_role("radio", name=f"{question}: {word}").click()
    exercise.locator("button.course-check").click()


def answer_by_keyboard(page: Page, exercise: Locator, answer: Any) -> None:
    """Start in the exercise's first field; leave the editor with Esc, Tab."""
    if isinstance(answer, str):
        exercise.locator(".cm-content").focus()
        type_text(page, exercise, answer)
        page.keyboard.press("Escape")
        page.keyboard.press("Tab")
    else:
        radios = exercise.get_by_role("radio")
        radios.first.focus()
        for word in answer.values():
            page.keyboard.press("Space")
            for _ in range(3):
                if page.evaluate("document.activeElement.value") == word:
                    break
                page.keyboard.press("ArrowRight")
            page.keyboard.press("Tab")
    expect(exercise.locator("button.course-check")).to_be_focused()
    page.keyboard.press("Enter")


def expect_verdict(exercise: Locator, style: str) -> None:
    expect(exercise.locator(f".course-status.{style}")).to_be_visible(timeout=CHECK_SECONDS * 1000)


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.parametrize("give", [answer_by_mouse, answer_by_keyboard], ids=["mouse", "keyboard"])
def test_wrong_then_right(notebook: Page, case: Case, give: Any, artifacts: Path) -> None:
    exercise = widget(notebook, case)
    exercise.scroll_into_view_if_needed()
    give(notebook, exercise, case.wrong)
    # The last answer may have been wrong, too, and its verdict is still shown.
    expect(exercise).to_contain_text(case.feedback, timeout=CHECK_SECONDS * 1000)
    expect_verdict(exercise, "course-wrong")
    expect(exercise.locator(".course-mark.course-wrong").first).to_have_text("✗ not right")
    exercise.evaluate("element => element.scrollIntoView({block: 'start'})")
    for theme in ("dark", "light") if give is answer_by_mouse else ():
        choose_theme(notebook, theme)
        notebook.screenshot(path=artifacts / f"exercise-{case.task_id}-{theme}.png")
    give(notebook, exercise, case.right)
    expect_verdict(exercise, "course-right")
    expect(exercise.locator(".course-mark.course-wrong")).to_have_count(0)
    notebook.screenshot(path=artifacts / f"exercise-{case.task_id}-right.png")


@pytest.mark.parametrize("way", ["mouse", "keyboard"])
def test_folder_wrong_then_right(notebook: Page, way: str, tmp_path: Path) -> None:
    """A folder is graded by the cell magic; the start's verdict is stored in chapter 08."""
    cell = notebook.locator(".jp-CodeCell", has_text="08-capstone")
    right = SOLUTIONS / "08-capstone" / "solution"
    wrong = shutil.copytree(right, tmp_path / "wrong")
    (wrong / "compose.yaml").write_text("services: [")
    for folder, result in ((wrong, r"✗ not right"), (right, r"\b(\d+) of \1 right")):
        cell.locator(".cm-content").click()
        notebook.keyboard.press("Control+a")
        notebook.keyboard.insert_text(f"%%grade 08-capstone\n{folder}")
        if way == "mouse":
            notebook.locator('[data-command="notebook:run-cell-and-select-next"]').click()
        else:
            notebook.keyboard.press("Control+Enter")
        expect(cell.locator(".jp-OutputArea-output").last).to_contain_text(
            re.compile(result), timeout=CHECK_SECONDS * 1000
        )
    # The cell gets its number only after the kernel has removed the project that it graded.
    expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]:"), timeout=60_000)
    cell.locator(".cm-content").click()
    notebook.keyboard.press("Control+a")
    notebook.keyboard.insert_text("# 08-capstone")  # a later test runs all cells


def choose_theme(page: Page, theme: str) -> None:
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    for label in ("Theme", f"JupyterLab {theme.capitalize()}"):
        page.locator(".lm-Menu-itemLabel").get_by_text(label, exact=True).first.click()
    light = "true" if theme == "light" else "false"
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", light)
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)


def test_keys_stay_in_the_exercise(notebook: Page) -> None:
    cells = notebook.locator(".jp-Notebook .jp-Cell")
    before = cells.count()
    prompts = notebook.locator(".jp-InputPrompt").all_inner_texts()
    command = widget(notebook, CASES[2])
    command.locator(".cm-content").click()
    notebook.keyboard.press("Control+a")
    notebook.keyboard.press("Delete")
    notebook.keyboard.type("dda")
    notebook.keyboard.press("Shift+Enter")
    notebook.keyboard.type("b")
    notebook.keyboard.press("Escape")
    notebook.keyboard.type("dd")
    expect(command.locator(".cm-line")).to_have_text(["dda", "bdd"])
    widget(notebook, CASES[0]).get_by_role("radio").first.focus()
    notebook.keyboard.type("dda")
    notebook.keyboard.press("Shift+Enter")
    notebook.wait_for_timeout(300)
    assert cells.count() == before
    assert notebook.locator(".jp-InputPrompt").all_inner_texts() == prompts


def test_hint_reset_and_solution(notebook: Page, artifacts: Path) -> None:
    exercise = widget(notebook, CASES[2])
    exercise.get_by_role("button", name="Reset").click()
    expect(exercise.locator(".cm-line").first).to_have_text("docker run my-flask-app")
    exercise.get_by_role("button", name="Show solution").click()
    comparison = exercise.locator(".course-comparison")
    expect(comparison).to_contain_text("A solution")
    expect(comparison.locator(".course-differs").first).to_be_visible()
    comparison.scroll_into_view_if_needed()
    notebook.screenshot(path=artifacts / "exercise-solution.png")


def test_last_answer_survives_restart(notebook: Page) -> None:
    exercise = widget(notebook, CASES[2])
    answer_by_mouse(notebook, exercise, "docker run -d -p 5005:5005 my-flask-app")
    expect_verdict(exercise, "course-wrong")
    notebook.get_by_role("menuitem", name="Kernel", exact=True).click()
    notebook.locator(".lm-Menu-itemLabel").get_by_text(re.compile("^Restart Kernel")).first.click()
    notebook.locator(".jp-Dialog .jp-mod-accept").click()
    notebook.wait_for_timeout(2000)
    run_all(notebook)
    line = widget(notebook, CASES[2]).locator(".cm-line").first
    expect(line).to_have_text("docker run -d -p 5005:5005 my-flask-app", timeout=30_000)
