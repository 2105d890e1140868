"""Which Chromium the browser tests and the screenshot drive, and how."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, expect

ENVIRONMENT_VARIABLE = "PNEUMOSCOPE_CHROMIUM"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PATIENCE_MS = 60_000


def find_chromium(playwright: Playwright) -> str:
    """Return the path of a Chromium or Chrome.

    Looked for, in order: the file named by ``PNEUMOSCOPE_CHROMIUM``, an installed Chromium or Chrome, the one
    Playwright installed for itself.

    Raises
    ------
    RuntimeError
        There is none. The browser tests are never skipped in silence.
    """
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        if Path(named).is_file():
            return named
        raise RuntimeError(f"{ENVIRONMENT_VARIABLE} names {named}, but there is no such file.")
    for name in _NAMES:
        found = shutil.which(name)
        if found:
            return found
    own = playwright.chromium.executable_path
    if Path(own).is_file():
        return own
    raise RuntimeError(
        f"The browser tests need Chromium or Chrome, and none was found ({', '.join(_NAMES)}). "
        "Install one with `apt-get install chromium` or `playwright install chromium`, "
        f"or set {ENVIRONMENT_VARIABLE} to the path of one."
    )


def launch(playwright: Playwright) -> Browser:
    """Start the Chromium of `find_chromium`, headless."""
    return playwright.chromium.launch(executable_path=find_chromium(playwright), args=list(ARGUMENTS))


def settle(page: Page) -> None:
    """Wait until the page is connected, drawn to its footer, and its script rests."""
    app = page.get_by_test_id("stApp")
    expect(app).to_have_attribute("data-test-connection-state", "CONNECTED", timeout=_PATIENCE_MS)
    expect(page.locator(".pn-footer")).to_be_visible(timeout=_PATIENCE_MS)
    expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=_PATIENCE_MS)
