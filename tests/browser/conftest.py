"""Fixtures: JupyterLab as `lab` serves it, and a Chromium driven by Playwright."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from nbformat.sign import NotebookNotary
from playwright.sync_api import Page, expect, sync_playwright

from helpers.cli import lab, look, work
from helpers.engine.engine import Engine
from tests.browser.loading import open_page

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# JupyterLab draws only the cells in view, so its model is asked.
CODE_CELLS = (
    "[...window.jupyterapp.shell.currentWidget.content.model.cells].filter(c => c.type === 'code')"
)
LIST_ERRORS = f"""() => {CODE_CELLS}.flatMap(cell => cell.outputs.toJSON())
  .filter(output => output.output_type === 'error').map(output => output.evalue)"""
HAS_ENDED = f"() => {CODE_CELLS}.at(-1).executionCount || ({LIST_ERRORS})().length"


@pytest.fixture(scope="module")
def served_engine(private_engine: Engine) -> Engine:
    """Return the engine that the notebooks use; a module can override it."""
    return private_engine


@pytest.fixture(scope="module")
def lab_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that JupyterLab serves, with fresh copies of the chapters."""
    root = tmp_path_factory.mktemp("lab")
    work.lay_out(work=root)
    return root


@pytest.fixture(scope="module")
def served(served_engine: Engine, lab_root: Path) -> Iterator[tuple[str, str]]:
    """Serve the chapters; yield the address and token of JupyterLab."""
    with serve(served_engine, lab_root) as address_and_token:
        yield address_and_token


@contextmanager
def serve(engine: Engine, root: Path, *, presenting: bool = False) -> Iterator[tuple[str, str]]:
    """Serve a folder with chapters as `lab` and `present` do; yield the address and token."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    token = secrets.token_hex(16)
    with (root / "lab.log").open("wb") as log:
        server = subprocess.Popen(
            [*lab.command(root, port), "--LabApp.expose_app_in_browser=True"],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            cwd=root,
            env={
                **lab.session_env(engine, token),
                **look.configure(root, presenting=presenting),
                "JUPYTER_DATA_DIR": str(root / "data"),  # which notebooks are trusted
            },
        )
    try:
        lab.wait_until_served(server, port, token)
        yield f"http://127.0.0.1:{port}", token
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Yield a page of the Chromium in COURSE_CHROMIUM, 1280×720."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            str(tmp_path_factory.mktemp("chromium")),
            headless=True,
            args=QUIET,
            executable_path=os.environ["COURSE_CHROMIUM"],
            viewport={"width": 1280, "height": 720},
            reduced_motion="reduce",  # else a check's spinner is drawn 60 times a second
        )
        try:
            page = browser.new_page()
            close_connection_errors(page)
            yield page
        finally:
            browser.close()


def close_connection_errors(page: Page) -> None:
    """Close JupyterLab's dialogs about a request that got no answer, as a student does.

    On Linux, Chromium ends waiting requests with ERR_NETWORK_CHANGED when Docker creates a network,
    those to 127.0.0.1 too. JupyterLab then shows a dialog: it connects again by itself, keeps the
    theme that it has, or saves the notebook later.
    """
    dialog = page.get_by_role(
        "dialog", name=re.compile("Server Connection Error|Loading Theme|File Save Error")
    )
    close = dialog.get_by_role("button", name=re.compile("^(Close|OK)$"))
    page.add_locator_handler(dialog, lambda: close.click())


@pytest.fixture(scope="module")
def open_stored(page: Page, served: tuple[str, str], lab_root: Path) -> Callable[[str], Page]:
    """Return a function that opens a chapter with the outputs that are stored in it."""

    def open_chapter(chapter: str) -> Page:
        address, token = served
        copy = lab_root / "notebooks" / f"{chapter}.ipynb"
        shutil.copy(work.SOURCE / copy.name, copy)
        trust(copy, lab_root)
        notebook = f"{address}/lab/tree/notebooks/{chapter}.ipynb?token={token}"
        open_page(page, notebook, page.get_by_text("| Idle"))
        return page

    return open_chapter


def trust(notebook: Path, root: Path) -> None:
    """Sign a notebook for the JupyterLab that serves a folder: it draws stored widgets only then."""
    (root / "data").mkdir(exist_ok=True)
    NotebookNotary(data_dir=str(root / "data")).sign(nbformat.read(notebook, as_version=4))


@pytest.fixture(scope="module")
def run_all(page: Page, served: tuple[str, str]) -> Callable[[str, int], Page]:
    """Return a function that opens a chapter and runs all cells within so many seconds."""

    def run(chapter: str, seconds: int) -> Page:
        address, token = served
        notebook = f"{address}/lab/tree/notebooks/{chapter}.ipynb?token={token}"
        open_page(page, notebook, page.get_by_text("| Idle"))
        expect(page.locator(".jp-Notebook .jp-CodeCell").first).to_be_visible(timeout=60_000)
        page.wait_for_timeout(1000)  # JupyterLab has written what it adds to a notebook
        expect(page.locator(".lm-TabBar-tab.jp-mod-dirty")).to_have_count(0)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.wait_for_function(HAS_ENDED, timeout=seconds * 1000)
        assert page.evaluate(LIST_ERRORS) == []
        last = page.locator(".jp-CodeCell").last.locator(".jp-InputPrompt")
        expect(last).to_have_text(re.compile(r"\[\d+\]:"), timeout=seconds * 1000)
        return page

    return run


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """Return the folder for screenshots, outside the repository."""
    folder = Path(os.environ["COURSE_ARTIFACTS"])
    folder.mkdir(parents=True, exist_ok=True)
    return folder
