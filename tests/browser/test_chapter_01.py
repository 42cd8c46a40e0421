"""Chapter 01 in a browser: the figures in both themes, and the exercise.

The figures are the stored ones, and only the exercise's cell is run: nbval runs the whole chapter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.loading import run_cells

pytestmark = [pytest.mark.engine, pytest.mark.browser]

CHAPTER = "01_containers_vs_vms"
CHECK_SECONDS = 120
FIGURES = {
    "startup": "Time to the first answer",
    "ladder": "Time to the first line",
    "footprint": "Memory when idle",
    "density": "Memory for each additional one",
}
SCREEN = {"width": 1280, "height": 720}


@pytest.fixture(scope="module")
def chapter(open_stored: Callable[[str], Page]) -> Page:
    """Return chapter 01 with its stored outputs, its imports and its exercise run."""
    page = open_stored(CHAPTER)
    run_cells(page, "%reload_ext helpers", 'exercise("01')
    expect(page.locator(".course-exercise button.course-check")).to_be_enabled(timeout=60_000)
    return page


@pytest.fixture(scope="module", params=["Light", "Dark"])
def theme(chapter: Page, request: pytest.FixtureRequest) -> Iterator[str]:
    choose(chapter, request.param)
    yield request.param
    choose(chapter, "Light")


def choose(page: Page, theme: str) -> None:
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    for label in ("Theme", f"JupyterLab {theme}"):
        page.locator(".lm-Menu-itemLabel").get_by_text(label, exact=True).first.click()
    expect(page.locator("body")).to_have_attribute(
        "data-jp-theme-light", "true" if theme == "Light" else "false"
    )


def scroll_to(locator: Locator) -> None:
    """Scroll the top of an element to the top of the notebook."""
    locator.evaluate("element => element.scrollIntoView({block: 'start'})")


@pytest.mark.parametrize("name", FIGURES)
def test_figure_fits_the_screen(chapter: Page, theme: str, name: str, artifacts: Path) -> None:
    figure = chapter.locator(f"img[alt^='{FIGURES[name]}']").first
    scroll_to(figure)
    expect(figure).to_be_visible()
    box = figure.bounding_box()
    assert box and box["height"] <= SCREEN["height"] - 120 and box["width"] <= SCREEN["width"]
    # Its text has 12 points, 20.7 pixels at its full width of 1240: shown at least 12 pixels high.
    assert box["width"] >= 0.6 * figure.evaluate("image => image.naturalWidth")
    chapter.screenshot(path=artifacts / f"01-{name}-{theme.lower()}.png")


def test_diagram_and_table_are_shown(chapter: Page, theme: str, artifacts: Path) -> None:
    diagram = chapter.locator(".jp-RenderedMermaid img, .jp-RenderedMermaid svg").first
    scroll_to(diagram)
    expect(diagram).to_be_visible()
    box = diagram.bounding_box()
    assert box and 150 < box["height"] <= SCREEN["height"] - 120
    chapter.screenshot(path=artifacts / f"01-diagram-{theme.lower()}.png")
    table = chapter.locator("table", has_text="kernel version").first
    scroll_to(table)
    expect(table).to_contain_text("boot id")
    chapter.screenshot(path=artifacts / f"01-kernels-{theme.lower()}.png")


def test_wrong_prediction_gets_measured_answer(chapter: Page, artifacts: Path) -> None:
    exercise = chapter.locator(".course-exercise")
    scroll_to(exercise)
    rows = exercise.get_by_role("radiogroup")
    assert rows.count() == 10
    for number in range(rows.count()):  # right for the VM, wrong for the container
        rows.nth(number).get_by_role("radio", name=": its own").click()
    exercise.locator("button.course-check").click()
    expect(exercise).to_contain_text("7 of 10 right", timeout=CHECK_SECONDS * 1000)
    expect(exercise).to_contain_text("you said its own; it is the host's: the container sees")
    expect(exercise).to_contain_text("No namespace covers /proc/meminfo")
    exercise.scroll_into_view_if_needed()
    chapter.screenshot(path=artifacts / "01-wrong-prediction.png")


def test_right_prediction_passes(chapter: Page, artifacts: Path) -> None:
    exercise = chapter.locator(".course-exercise")
    for thing in ("the running kernel", "how much memory", "the time since"):
        exercise.get_by_role("radio", name=re.compile(f"container, {thing}.*: the host's")).click()
    exercise.locator("button.course-check").click()
    expect(exercise).to_contain_text("10 of 10 right", timeout=CHECK_SECONDS * 1000)
    chapter.screenshot(path=artifacts / "01-right-prediction.png")
