"""The slide's own line, typed in a JupyterLab terminal, word for word."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from helpers.engine.engine import Engine

pytestmark = [pytest.mark.engine, pytest.mark.browser]


def test_docker_build_works_as_on_the_slide(
        engine: Engine, page: Page, served: tuple[str, str], artifacts: Path,
        tmp_path_factory: pytest.TempPathFactory) -> None:
    address, token = served
    assert not engine.client.images.list("my-flask-app")
    page.goto(f"{address}/lab?token={token}")
    page.locator(".jp-LauncherCard", has_text="Terminal").click(timeout=60_000)
    expect(page.locator(".jp-Terminal .xterm-screen")).to_be_visible(timeout=30_000)
    page.wait_for_timeout(1500)
    page.locator(".jp-Terminal").click()
    for line in ("python3 -m helpers engine status > status.txt",
                 "cd notebooks/apps/flask-app", "docker build -t my-flask-app ."):
        page.keyboard.type(line)
        page.keyboard.press("Enter")
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and not engine.client.images.list("my-flask-app"):
        time.sleep(0.5)
    page.screenshot(path=artifacts / "terminal.png")
    made = engine.client.images.list("my-flask-app")
    assert made, "the build in the terminal made no image"
    engine.client.images.remove("my-flask-app")
    status = next(tmp_path_factory.getbasetemp().glob("lab*/status.txt")).read_text()
    assert f"{engine.kind} engine {engine.version}" in status
