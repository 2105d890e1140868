"""The evaluation page and the refusals, in a real Chromium over the real app."""

from __future__ import annotations

import csv
import re
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect
from sklearn.datasets import load_sample_images

from model.artifacts import SampleFilm
from model.checkpoint import read_card
from model.runs import Run
from model.shipped import shipped_scores
from tests.app_server import AppServer
from tests.browser.conftest import Drop
from tests.chromium import settle

pytestmark = pytest.mark.browser


def open_evaluation(page: Page, app: AppServer, more: str = "") -> None:
    page.goto(f"{app.address}/Evaluation{more}")
    settle(page)
    expect(page.get_by_role("heading", name="At every threshold")).to_be_visible()


def cell(page: Page, name: str) -> int:
    said = page.locator(f".st-key-matrix-{name} button strong").inner_text()
    return int(said.replace(",", ""))


def upload(page: Page, file: Path) -> None:
    """Open the popover, which closes itself after each file, and give it a file."""
    expect(page.locator("input[type=file]")).to_have_count(0)
    page.get_by_role("button", name="Evaluate another model").click()
    page.locator("input[type=file]").set_input_files(file)


def test_the_keyboard_moves_the_threshold_and_the_dot(app: AppServer, page: Page) -> None:
    open_evaluation(page, app)
    table = shipped_scores("test")
    threshold = read_card()["threshold"]
    expect(page.locator(".st-key-matrix-fn button strong")).to_have_text(
        str(int(((table.scores < threshold) & (table.labels == 1)).sum()))
    )
    slider = page.get_by_role("slider", name="Called pneumonia from this score on")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    later = round(threshold + 0.1, 2)
    expect(page).to_have_url(re.compile(f"threshold={later:.2f}"))
    settle(page)
    assert cell(page, "fn") == int(((table.scores < later) & (table.labels == 1)).sum())
    assert cell(page, "fp") == int(((table.scores >= later) & (table.labels == 0)).sum())


def test_a_cell_opens_its_films_and_the_address_opens_cold(app: AppServer, page: Page) -> None:
    open_evaluation(page, app)
    page.locator(".st-key-matrix-fp button").click()
    table = shipped_scores("test")
    alarms = int(((table.scores >= read_card()["threshold"]) & (table.labels == 0)).sum())
    expect(page.get_by_role("heading", name=f"{alarms} films: false alarms")).to_be_visible()
    expect(page).to_have_url(re.compile("films=fp"))
    address = page.url
    page.goto(address)
    settle(page)
    expect(page.get_by_role("heading", name=f"{alarms} films: false alarms")).to_be_visible()


def test_someone_elses_scores_and_back(app: AppServer, page: Page, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 500)
    scores = np.clip(0.4 * labels + 0.6 * rng.random(500), 0, 1)
    lines = [
        f"film {k},{y},{s:.4f},{'PA' if k % 2 else 'AP'}" for k, (y, s) in enumerate(zip(labels, scores, strict=True))
    ]
    (tmp_path / "theirs.csv").write_text("id,label,score,view\n" + "\n".join(lines))
    (tmp_path / "broken.csv").write_text("id,label,score\na,1,NaN\n")
    open_evaluation(page, app)
    upload(page, tmp_path / "theirs.csv")
    expect(page.locator(".pn-source", has_text="theirs.csv")).to_be_visible()
    settle(page)
    assert sum(cell(page, name) for name in ("tn", "fp", "fn", "tp")) == 500
    assert "UploadedFileManager" not in app.metrics()
    upload(page, tmp_path / "broken.csv")
    expect(page.locator(".pn-problem")).to_contain_text("score “NaN” in line 2, which is no number")
    expect(page.locator(".pn-source", has_text="theirs.csv")).to_be_visible()
    page.get_by_role("button", name="Back to the network's own films").click()
    expect(page.locator(".pn-source", has_text="The shipped network")).to_be_visible()
    expect(page.locator(".pn-problem")).to_have_count(0)


def test_a_plot_leaves_as_picture_and_as_numbers(app: AppServer, page: Page, tmp_path: Path) -> None:
    open_evaluation(page, app)
    for kind, start in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("csv", b"threshold,")):
        with page.expect_download() as waiting:
            page.locator(f".st-key-{kind}-roc button").click()
        waiting.value.save_as(tmp_path / f"roc.{kind}")
        assert (tmp_path / f"roc.{kind}").read_bytes().startswith(start)
    rows = list(csv.reader((tmp_path / "roc.csv").read_text().splitlines()))
    assert rows[1][1:] == ["0.0", "0.0"] and rows[-1][1:] == ["1.0", "1.0"]


def test_a_run_grows_on_the_page_while_it_trains(app: AppServer, page: Page, runs: Path) -> None:
    open_evaluation(page, app)
    expect(page.get_by_text("alive is training")).to_have_count(0)
    run = Run.create(runs / "alive", {"seed": 0})

    def epoch(number: int) -> None:
        run.log("epoch", phase=1, epoch=number, size=64, loss=1 / number, val_loss=1.1 / number, best=True)

    epoch(1)
    # The open page notices by itself that there is a new run.
    status = page.get_by_text("alive is training")
    expect(status).to_be_visible()
    points = page.locator(".st-key-plot-history .scatterlayer .trace").filter(has=page.locator(".points path"))
    expect(points.first).to_be_visible()
    # Until its script rests, the plot from before the run is on the page as well.
    settle(page)
    before = page.locator(".st-key-plot-history .points path").count()
    epoch(2)
    with (run.folder / "events.jsonl").open("a") as log:
        log.write('{"event": "step", "phase": 1, "ep')
    expect(page.locator(".st-key-plot-history .points path")).to_have_count(before + 2)
    with (run.folder / "events.jsonl").open("a") as log:
        log.write('och": 3, "step": 30, "loss": 0.125}\n')
    expect(page.get_by_text("step 30, loss 0.125")).to_be_visible()
    run.log("finished")
    expect(status).to_have_count(0)
    expect(page.locator(".pn-problem")).to_have_count(0)


@pytest.mark.parametrize("width", [1440, 400])
def test_nothing_sticks_out(app: AppServer, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    open_evaluation(page, app, "?films=fn&prevalence=2")
    main = page.get_by_test_id("stMain")
    assert main.evaluate("e => e.scrollWidth - e.clientWidth") <= 1
    expect(page.locator(".pn-person")).to_have_count(1000)


def picture(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def test_a_photograph_and_an_inverted_film_are_refused_with_a_reason(
    home: Page, sick_film: SampleFilm, drop: Drop
) -> None:
    photograph = cv2.cvtColor(load_sample_images().images[0], cv2.COLOR_RGB2GRAY)
    drop(home, {"photograph.png": picture(photograph)})
    headline = home.get_by_role("heading", level=1)
    expect(headline).to_have_text(
        re.compile("^I would not trust a prediction here, because it is unlike every chest film")
    )
    expect(home.locator(".pn-gauge")).to_be_visible()
    film = cv2.imread(str(sick_film.path), cv2.IMREAD_GRAYSCALE)
    assert film is not None
    begun = time.monotonic()
    drop(home, {"inverted.png": picture(255 - film)}, until=".pn-headline:has-text('inverted')")
    expect(headline).to_contain_text("inverted")
    assert time.monotonic() - begun < 60
