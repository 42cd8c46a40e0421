"""The dashboard in Chromium: a container from outside, its buttons, its logs, a foreign one."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
import requests
from ipykernel.ipkernel import IPythonKernel
from playwright.sync_api import Locator, Page, expect

from helpers.cli.chapter import KERNELSPEC
from helpers.engine.base_image import REAL, image_for
from helpers.engine.engine import Engine
from helpers.engine.labels import labels
from helpers.process import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.browser]
COUNT = "import time\nfor i in range(999): print('line', i, flush=True); time.sleep(0.3)"
NAME = f"dash-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def board(
    page: Page, served: tuple[str, str], run_all: Callable[[str, int], Page]
) -> Iterator[Locator]:
    """Yield the dashboard of a notebook that has no other cell."""
    address, token = served
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("%reload_ext helpers\nfrom helpers import dashboard"),
            nbformat.v4.new_code_cell("dashboard()"),
        ],
        metadata={"kernelspec": KERNELSPEC, "language_info": IPythonKernel.language_info},
    )
    response = requests.put(
        f"{address}/api/contents/notebooks/board.ipynb?token={token}",
        json={"type": "notebook", "content": notebook},
        timeout=10,
    )
    assert response.ok, response.text
    run_all("board", 60)
    board = page.locator(".course-dashboard")
    expect(board.get_by_role("tab", selected=True)).to_contain_text("Containers")
    yield board


@pytest.fixture(scope="module")
def run(private_engine: Engine) -> Iterator[Callable[..., str]]:
    """Return a function that runs a container outside the notebook."""
    label_args = [f"--label={key}={value}" for key, value in labels().items()]

    def run_container(name: str, *, foreign: bool = False) -> str:
        args = ["-d", "--init", "--name", name, "-p", "127.0.0.1::5000"]
        command = (image_for(private_engine, REAL), "python", "-c", COUNT)
        completed = private_engine.run("run", *args, *([] if foreign else label_args), *command)
        assert completed.returncode == 0, completed.stderr
        return completed.stdout.strip()

    yield run_container
    for container in private_engine.run("ps", "-aq", "--filter", f"name={NAME}").stdout.split():
        private_engine.run("rm", "-f", container)


def row(board: Locator, name: str) -> Locator:
    return board.locator("tbody tr").filter(
        has=board.page.get_by_role("rowheader", name=name, exact=True)
    )


def test_container_appears_within_a_second(board: Locator, run: Callable[..., str]) -> None:
    run(NAME)
    began = time.monotonic()
    expect(row(board, NAME).locator(".state")).to_have_text("running", timeout=5000)
    assert time.monotonic() - began < 1


def test_port_is_a_link(board: Locator, private_engine: Engine) -> None:
    port = private_engine.run("port", NAME, "5000").stdout.strip()
    link = row(board, NAME).get_by_role("link")
    expect(link).to_have_attribute("href", f"http://{port}/")
    expect(link).to_have_text(re.compile(r"^\d+→5000/tcp$"))


def test_usage_is_shown_in_view(board: Locator) -> None:
    board.scroll_into_view_if_needed()
    row(board, NAME).scroll_into_view_if_needed()
    expect(row(board, NAME)).to_contain_text(
        re.compile(r"\d\.\d\d%\s*\d+(\.\d+)? MiB"), timeout=10_000
    )


def test_logs_open_and_follow(board: Locator) -> None:
    row(board, NAME).get_by_role("button", name=f"Show the logs of {NAME}").click()
    expect(board.locator(".logs")).to_contain_text(f"Logs of {NAME}")
    expect(board.locator(".logs pre")).to_contain_text("line 3")
    seen = board.locator(".logs pre").inner_text().splitlines()[-1]
    expect(board.locator(".logs pre")).not_to_have_text(re.compile(rf"{seen}\s*$"), timeout=5000)
    board.get_by_role("button", name="Close the logs").click()
    expect(board.locator(".logs")).to_be_hidden()


def test_foreign_container_has_no_buttons(board: Locator, run: Callable[..., str]) -> None:
    run(f"{NAME}-foreign", foreign=True)
    expect(row(board, f"{NAME}-foreign").locator(".state")).to_have_text("running")
    assert row(board, f"{NAME}-foreign").get_by_role("button").count() == 0
    assert row(board, NAME).get_by_role("button").count() == 3


def test_looks_in_light_and_dark(board: Locator, artifacts: Path) -> None:
    page = board.page
    board.scroll_into_view_if_needed()
    colours = set()
    for theme in ("Light", "Dark", "Light"):
        page.get_by_role("menuitem", name="Settings", exact=True).click()
        for label in ("Theme", f"JupyterLab {theme}"):
            page.locator(".lm-Menu-itemLabel").get_by_text(label, exact=True).first.click()
        is_light = "true" if theme == "Light" else "false"
        expect(page.locator("body")).to_have_attribute("data-jp-theme-light", is_light)
        expect(page.locator("#jupyterlab-splash")).to_have_count(0)
        row(board, NAME).scroll_into_view_if_needed()
        colours.add(board.locator("tbody th").first.evaluate("e => getComputedStyle(e).color"))
        page.screenshot(path=artifacts / f"dashboard-{theme.lower()}.png")
    assert len(colours) == 2


def test_tabs_by_keyboard(board: Locator) -> None:
    board.get_by_role("tab", name="Containers").focus()
    for title in ("Images", "Volumes", "Networks", "Containers", "Images"):
        board.page.keyboard.press("ArrowRight")
        expect(board.get_by_role("tab", selected=True)).to_contain_text(title)
    expect(board.get_by_role("tabpanel")).to_contain_text("python-standin")
    board.page.keyboard.press("ArrowLeft")
    expect(board.get_by_role("tab", selected=True)).to_contain_text("Containers")


def test_stop_start_and_remove_by_keyboard(board: Locator, private_engine: Engine) -> None:
    own = row(board, NAME)
    own.get_by_role("button", name=f"Stop {NAME}").focus()
    board.page.keyboard.press("Enter")
    expect(own.locator(".state")).to_have_text("exited (143)", timeout=15_000)
    expect(board.get_by_role("status")).to_have_text(f"Stopped {NAME}.")
    state = private_engine.run("inspect", "-f", "{{.State.Status}}", NAME).stdout.strip()
    assert state == "exited"
    own.get_by_role("button", name=f"Start {NAME}").click()
    expect(own.locator(".state")).to_have_text("running", timeout=10_000)
    expect(own.get_by_role("button", name=f"Remove {NAME}")).to_be_disabled()
    own.get_by_role("button", name=f"Stop {NAME}").click()
    own.get_by_role("button", name=f"Remove {NAME}").click(timeout=15_000)
    expect(own).to_have_count(0)
    assert wait_until(lambda: private_engine.run("inspect", NAME).returncode, 5)


def test_running_the_cell_again_leaves_one_dashboard(board: Locator) -> None:
    page = board.page
    page.locator(".jp-CodeCell").nth(1).locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    expect(board.get_by_role("status")).to_have_text("", timeout=10_000)
    expect(board).to_have_count(1)
    expect(row(board, f"{NAME}-foreign").locator(".state")).to_have_text("running")
