"""Take the README's pictures of the home page, the activation maps and the evaluation.

    python -m tests.screenshot [SLUG]

Starts the app, opens a sample film the way a shared address does, and writes ``docs/screenshot.png``,
``docs/activation_maps.png`` and ``docs/evaluation.png``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from model.artifacts import SampleFilm, sample_films
from tests.app_server import ROOT, running_app
from tests.chromium import launch, settle

FOLDER = ROOT / "docs"
_VIEW = {"width": 1440, "height": 1000}


def take_screenshots(slug: str, *, folder: Path = FOLDER) -> list[Path]:
    """Write the pictures of the pages with this sample film open, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        f"/?sample={slug}": ("screenshot.png", ".stage .film", 0),
        f"/Activation_maps?sample={slug}&layer=block3_conv1&cell=27.19": ("activation_maps.png", ".scope .film", 250),
        "/Evaluation": ("evaluation.png", ".st-key-matrix", 180),
    }
    with (
        tempfile.TemporaryDirectory() as scratch,
        running_app(Path(scratch)) as server,
        sync_playwright() as driver,
    ):
        browser = launch(driver)
        page = browser.new_page(viewport=_VIEW, color_scheme="dark")  # type: ignore[arg-type]
        for address, (name, waited_for, down) in pictures.items():
            page.goto(server.address + address)
            settle(page)
            expect(page.locator(waited_for)).to_be_visible()
            page.evaluate("document.fonts.ready")
            page.get_by_test_id("stMain").evaluate(f"element => element.scrollTo(0, {down})")
            page.screenshot(path=folder / name)
        browser.close()
    return [folder / name for name, _, _ in pictures.values()]


def default_film() -> SampleFilm:
    """Return a real film with pneumonia where those were fetched, else a drawn one with an opacity."""
    films = sample_films()
    return next((film for film in films if film.label == "PNEUMONIA"), films[-1])


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else default_film().slug
    for written in take_screenshots(wanted):
        print(written.relative_to(ROOT))
