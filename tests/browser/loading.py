"""Open a page of JupyterLab in Chromium, and run cells of it."""

from __future__ import annotations

from playwright.sync_api import Error, Locator, Page, expect

ATTEMPTS = 3


def open_page(page: Page, address: str, shown: Locator) -> None:
    """Open an address and wait until `shown` is visible; load the page again if it is not.

    Chromium drops what it is loading when Docker adds a network interface (ERR_NETWORK_CHANGED),
    and JupyterLab then waits in vain.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            page.goto(address)
            expect(shown).to_be_visible(timeout=60_000)
            return
        except (AssertionError, Error):
            if attempt == ATTEMPTS:
                raise


def run_cells(page: Page, *sources: str) -> None:
    """Run the first cell that contains each source; the kernel runs them in this order."""
    for source in sources:
        cell = page.locator(".jp-CodeCell", has_text=source).first
        cell.locator(".jp-InputPrompt").click()
        page.keyboard.press("Control+Enter")
