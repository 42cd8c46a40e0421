"""The command on the slide, typed in a JupyterLab terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from helpers.engine.engine import Engine
from helpers.process import wait_until
from tests.browser.loading import open_page

pytestmark = [pytest.mark.engine, pytest.mark.browser]


def test_docker_build_as_on_the_slide(
    engine: Engine,
    page: Page,
    served: tuple[str, str],
    artifacts: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    address, token = served
    assert not engine.client.images.list("my-flask-app")
    terminal = page.locator(".jp-LauncherCard", has_text="Terminal")
    open_page(page, f"{address}/lab?token={token}", terminal)
    terminal.click()
    expect(page.locator(".jp-Terminal .xterm-screen")).to_be_visible(timeout=30_000)
    page.wait_for_timeout(1500)
    page.locator(".jp-Terminal").click()
    for line in (
        "python3 -m helpers engine status > status.txt",
        "cd notebooks/apps/flask-app",
        "docker build -t my-flask-app .",
    ):
        page.keyboard.type(line)
        page.keyboard.press("Enter")
    is_built = wait_until(lambda: bool(engine.client.images.list("my-flask-app")), 90)
    page.screenshot(path=artifacts / "terminal.png")
    assert is_built, "the build in the terminal created no image"
    engine.client.images.remove("my-flask-app")
    status = next(tmp_path_factory.getbasetemp().glob("lab*/status.txt")).read_text()
    assert f"{engine.kind} engine {engine.version}" in status
