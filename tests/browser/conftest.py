"""The real app and a real Chromium."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import Page, Playwright, expect

from model.artifacts import SampleFilm, sample_films
from tests.app_server import AppServer, running_app
from tests.chromium import ARGUMENTS, find_chromium, settle


class Drop(Protocol):
    """Drop files on the page and wait for what shows when they are done."""

    def __call__(self, page: Page, files: dict[str, bytes], *, until: str = ".pn-verdict") -> None: ...


expect.set_options(timeout=30_000)


_DROP = """
files => {
  const transfer = new DataTransfer();
  for (const [name, base64] of Object.entries(files)) {
    const bytes = Uint8Array.from(atob(base64), letter => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name));
  }
  return transfer;
}
"""


@pytest.fixture(scope="session")
def browser_type_launch_args(playwright: Playwright) -> dict[str, Any]:
    return {"executable_path": find_chromium(playwright), "args": list(ARGUMENTS)}


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    return {"viewport": {"width": 1440, "height": 1000}, "color_scheme": "dark"}


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which the app looks for training runs."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory, runs: Path) -> Iterator[AppServer]:
    with running_app(tmp_path_factory.mktemp("app"), PNEUMOSCOPE_RUNS=str(runs)) as server:
        yield server


@pytest.fixture
def home(app: AppServer, page: Page) -> Page:
    """Return the home page, opened cold and at rest."""
    page.goto(app.address)
    settle(page)
    return page


@pytest.fixture(scope="session")
def sick_film() -> SampleFilm:
    """Return a sample in which the network should find something: real where those were fetched."""
    films = sample_films()
    return next((film for film in films if film.label == "PNEUMONIA"), films[-1])


@pytest.fixture
def drop() -> Drop:
    """Return a function that drops files on the drop zone the way a mouse does, and waits for the result."""

    def drop_files(page: Page, files: dict[str, bytes], *, until: str = ".pn-verdict") -> None:
        encoded = {name: b64encode(content).decode() for name, content in files.items()}
        transfer = page.evaluate_handle(_DROP, encoded)
        page.get_by_test_id("stFileUploaderDropzone").dispatch_event("drop", {"dataTransfer": transfer})
        page.locator(until).wait_for(timeout=60_000)
        settle(page)

    return drop_files


@pytest.fixture
def broken_film(sick_film: SampleFilm) -> bytes:
    """Return the first half of a film's file."""
    content = Path(sick_film.path).read_bytes()
    return content[: len(content) // 2]
