"""Take the README's picture of the home page.

    python -m tests.screenshot [SLUG]

Starts the app, opens a sample film the way a shared address does, and writes ``docs/screenshot.png``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from model.artifacts import SampleFilm, sample_films
from tests.app_server import ROOT, running_app
from tests.chromium import launch, settle

TARGET = ROOT / "docs" / "screenshot.png"
_VIEW = {"width": 1440, "height": 1000}


def take_screenshot(slug: str, *, target: Path = TARGET) -> Path:
    """Write the picture of the page with this sample film open, and return its path."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_app(Path(folder)) as server,
        sync_playwright() as driver,
    ):
        browser = launch(driver)
        page = browser.new_page(viewport=_VIEW, color_scheme="dark")  # type: ignore[arg-type]
        page.goto(f"{server.address}/?sample={slug}")
        settle(page)
        expect(page.locator(".stage .film")).to_be_visible()
        page.evaluate("document.fonts.ready")
        page.screenshot(path=target)
        browser.close()
    return target


def default_film() -> SampleFilm:
    """Return a real film with pneumonia where those were fetched, else a drawn one with an opacity."""
    films = sample_films()
    return next((film for film in films if film.label == "PNEUMONIA"), films[-1])


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else default_film().slug
    print(take_screenshot(wanted).relative_to(ROOT))
