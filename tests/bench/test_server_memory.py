"""What the server's memory does while one person drops 200 different films on the real page."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
from playwright.sync_api import FilePayload, Page, Playwright, expect

from tests.app_server import AppServer, running_app
from tests.bench.conftest import Record
from tests.bench.films import jpeg, jpeg_dicom
from tests.bench.report import Measurement
from tests.chromium import launch, settle
from ui.state import MAX_FILMS

EARLY, LATE, STEP = 20, 200, 20
_PATIENCE_MS = 300_000


def test_memory_after_many_films(tmp_path: Path, playwright: Playwright, record: Record) -> None:
    with running_app(tmp_path) as server:
        process = _server_process(server)
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.goto(server.address)
        settle(page)
        seen: dict[int, Memory] = {}
        for number in range(1, LATE + 1):
            _drop(page, number)
            if number % STEP == 0:
                seen[number] = _memory(process)
                print(f"{number} films: {seen[number]}", flush=True)
            if number % MAX_FILMS == 0 and number < LATE:
                _clear_table(page)
        browser.close()
        assert "Traceback" not in server.log.read_text(errors="replace")
    early, late = seen[EARLY], seen[LATE]
    record(
        Measurement(
            bar="memory",
            what=f"Growth of the server's resident memory from {EARLY} to {LATE} different films, dropped one by one "
            f"on the page in a real Chromium (the table is cleared when its {MAX_FILMS} places are taken)",
            figure=late.resident / early.resident - 1,
            rule="at most",
            limit=0.05,
            percent=True,
            numbers=f"{_course([memory.resident for memory in seen.values()])} MB after every {STEP} films",
        ),
        Measurement(
            bar="memory",
            what="Likewise, without the pages of libraries and other files, which the kernel may drop on its own",
            figure=late.private / early.private - 1,
            rule="at most",
            limit=0.05,
            percent=True,
            numbers=f"{_course([memory.private for memory in seen.values()])} MB after every {STEP} films",
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What a process holds, in MB: resident pages, and those of them that belong to no file."""

    resident: float
    private: float


def _drop(page: Page, number: int) -> None:
    """Put one more film through the page: uploaded, read, judged, drawn with its heatmap."""
    dicom = number % 2 == 0
    name = f"film-{number}.{'dcm' if dicom else 'jpeg'}"
    content = jpeg_dicom(number) if dicom else jpeg(number)
    file = FilePayload(name=name, mimeType="application/octet-stream", buffer=content)
    page.locator("input[type=file]").set_input_files(file)
    expect(page.locator(".pn-film-name")).to_have_text(name, timeout=_PATIENCE_MS)
    settle(page)
    expect(page.locator(".stage .film")).to_be_visible()
    expect(page.locator(".pn-refusals")).to_have_count(0)


def _clear_table(page: Page) -> None:
    page.get_by_role("button", name="Clear the table").click()
    expect(page.locator(".pn-film-name")).to_have_count(0, timeout=_PATIENCE_MS)
    settle(page)


def _server_process(server: AppServer) -> psutil.Process:
    port = re.sub(r".*:", "--server.port=", server.address)
    (process,) = (child for child in psutil.Process().children() if port in child.cmdline())
    return process


def _memory(process: psutil.Process) -> Memory:
    """Return what the kernel counts, the median of a second; nothing is collected or trimmed first."""
    counts = []
    for _ in range(5):
        counts.append(process.memory_info())
        time.sleep(0.2)
    return Memory(
        resident=median(count.rss for count in counts) / 1e6,
        private=median(count.rss - getattr(count, "shared", 0) for count in counts) / 1e6,
    )


def _course(megabytes: list[float]) -> str:
    return ", ".join(f"{value:,.0f}" for value in megabytes)
