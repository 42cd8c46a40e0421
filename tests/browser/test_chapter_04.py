"""Chapter 04 in a browser: the exercise, the figure and the layer widget.

The figure is the stored one, and only the cells of the two widgets are run, on the containerd image
store: nbval runs the whole chapter there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from helpers.engine.engine import Engine
from tests.browser.loading import run_cells

pytestmark = [pytest.mark.engine, pytest.mark.browser]

CHECK_SECONDS = 120
TWO_STEPS = "Dockerfile.two-steps"


@pytest.fixture(scope="module")
def served_engine(user_engine: Engine) -> Engine:
    """Return the engine with the containerd image store."""
    return user_engine


@pytest.fixture(scope="module")
def chapter(open_stored: Callable[[str], Page]) -> Page:
    """Return chapter 04 with its stored outputs, and the cells of its widgets run."""
    page = open_stored("04_layers_and_caching")
    run_cells(page, "%reload_ext helpers", 'open_app("flask-app")', 'exercise("04-predict')
    run_cells(page, f"%%writefile {TWO_STEPS}", f"docker build -q -f {TWO_STEPS}")
    run_cells(page, 'inspect_layers("my-download")', "walk_layers(download_layers)")
    expect(page.locator(".course-layers select")).to_be_enabled(timeout=CHECK_SECONDS * 1000)
    return page


def test_wrong_prediction_gets_measured_answer(chapter: Page, artifacts: Path) -> None:
    exercise = chapter.locator(".jp-CodeCell", has_text="04-predict").locator(".course-exercise")
    exercise.scroll_into_view_if_needed()
    rows = exercise.get_by_role("radiogroup")
    assert rows.count() == 7
    assert "because" not in exercise.inner_text()
    for number in range(rows.count()):  # right for some steps only
        rows.nth(number).get_by_role("radio", name=": cached").click()
    exercise.locator("button.course-check").click()
    expect(exercise).to_contain_text("4 of 7 right", timeout=CHECK_SECONDS * 1000)
    expect(exercise).to_contain_text(
        "you said it is cached; it was rebuilt, because COPY . . above it changed"
    )
    exercise.scroll_into_view_if_needed()
    chapter.screenshot(path=artifacts / "04-wrong-prediction.png")


def test_right_prediction_passes(chapter: Page, artifacts: Path) -> None:
    exercise = chapter.locator(".jp-CodeCell", has_text="04-predict").locator(".course-exercise")
    rebuilt = {"copy first": ("COPY . .", "RUN pip install"), "requirements first": ("COPY . .",)}
    for order, steps in rebuilt.items():
        for step in steps:
            name = re.compile(re.escape(f"{order}, {step}") + ".*: rebuilt")
            exercise.get_by_role("radio", name=name).click()
    exercise.locator("button.course-check").click()
    expect(exercise).to_contain_text("7 of 7 right", timeout=CHECK_SECONDS * 1000)
    chapter.screenshot(path=artifacts / "04-right-prediction.png")


def test_figure_is_shown_with_alt_text(chapter: Page, artifacts: Path) -> None:
    figure = chapter.locator("img[alt^='After editing app.py:']").first
    expect(figure).to_have_attribute("alt", re.compile("copy first, .*: install rebuilt; .*cached"))
    figure.scroll_into_view_if_needed()
    expect(figure).to_be_visible()
    assert figure.evaluate("image => image.naturalWidth") > 600
    chapter.screenshot(path=artifacts / "04-figure.png")


def test_layer_widget_filters_while_typing(chapter: Page, artifacts: Path) -> None:
    walk = chapter.locator(".course-layers")
    walk.scroll_into_view_if_needed()
    walk.locator("select").select_option(index=1)  # RUN head … > /tmp/download.bin
    expect(walk).to_contain_text("/tmp/download.bin")
    expect(walk).to_contain_text("by layer 3")
    walk.locator("input[type=text]").first.fill("*.txt")
    expect(walk).to_contain_text("0 of 1 files")
    chapter.screenshot(path=artifacts / "04-layer-walk.png")
