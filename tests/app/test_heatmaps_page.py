"""The page of heatmaps: every control, long work, what can be taken away."""

from __future__ import annotations

import gc
import io
import re
import time
import weakref
import zipfile
from concurrent.futures import Future
from threading import Event
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from model.explain.cam import heatmap
from model.explain.randomization import forget_from_the_top
from model.explain.report import report_card
from model.explain.work import Cancelled, Progress
from tests.app.reading import (
    HEATMAPS,
    THE_MODEL,
    component_data,
    components_data,
    drop,
    no_trouble,
    open_home,
    open_page,
    words,
)
from tests.stand_in import StandInPredictor
from ui.job import Job
from ui.jobs import start

pytestmark = pytest.mark.usefixtures("samples")
FILM = "synthetic-3-opacity"


def finish(page: AppTest) -> AppTest:
    """Wait for the jobs of the session, then draw the page again."""
    for job in list(page.session_state["pneumoscope"].jobs.values()):
        job.answer.exception(timeout=60)
    return page.run()


def sheets(page: AppTest) -> dict[str, dict[str, Any]]:
    return {data["label"]: data for data in components_data(page, "mosaic")}


def test_without_a_film_the_page_leads_to_one(network: StandInPredictor) -> None:
    page = open_page(HEATMAPS)
    no_trouble(page)
    assert "put a film on the light box" in words(page)
    assert network.calls == []


def test_cold_page_shows_grad_cam_of_the_last_convolution(network: StandInPredictor) -> None:
    page = open_page(HEATMAPS, sample=FILM)
    no_trouble(page)
    box = component_data(page, "light_box")
    assert box["layer"] == "block5_conv3"
    assert box["glow"].startswith("data:image/jpeg")
    assert "Where block5_conv3 found evidence for pneumonia" in box["hint"]
    assert "Selvaraju et al. 2017" in words(page)
    found = sheets(page)
    assert [tile["label"] for tile in found["Grad-CAM at every convolution"]["tiles"]][::12] == ["1 conv1", "5 conv3"]
    every = found["Every method, at block5_conv3"]["tiles"]
    assert [tile["label"] for tile in every[:4]] == ["Grad-CAM", "Grad-CAM++", "LayerCAM", "HiResCAM"]
    assert [tile["dead"] for tile in every[4:]] == [True, True, True]
    assert len(network.calls) == 1


def test_every_control_without_asking_the_network_again(network: StandInPredictor) -> None:
    page = open_page(HEATMAPS, sample=FILM)
    seen = [component_data(page, "light_box")["glow"]]
    steps: list[Any] = [
        lambda: page.select_slider(key="choose-heatmap-layer").set_value("block4_conv3"),
        lambda: page.selectbox(key="choose-method").select("layer-cam"),
        lambda: page.button_group(key="choose-side").set_value("no"),
        lambda: page.button_group(key="choose-colors").set_value("cividis"),
    ]
    for step in steps:
        step().run()
        no_trouble(page)
        seen.append(component_data(page, "light_box")["glow"])
    assert len(set(seen)) == len(seen)
    page.toggle(key="choose-scale").set_value(True).run()
    no_trouble(page)
    assert page.query_params == {
        "sample": FILM,
        "layer": "block4_conv3",
        "method": "layer-cam",
        "side": "no",
        "colors": "cividis",
        "scale": "layer",
    }
    assert len(network.calls) == 1


def test_address_opens_a_heatmap_cold(network: StandInPredictor) -> None:
    page = open_page(HEATMAPS, sample=FILM, method="hires-cam", layer="block3_pool", side="no")
    no_trouble(page)
    box = component_data(page, "light_box")
    assert box["layer"] == "block3_conv3", "a pooling stands for the convolution before it"
    assert "evidence for normal" in (box["hint"] + box["nothing"])
    assert page.selectbox(key="choose-method").value == "hires-cam"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"method": "<i>magic"}, "asks for the method “&lt;i&gt;magic”"),
        ({"layer": "block9"}, "names the layer “block9”"),
        ({"side": "maybe"}, "asks for the side “maybe”; there are yes, no"),
        ({"colors": "red"}, "asks for the colors “red”"),
    ],
)
def test_address_that_names_what_is_not_there(network: StandInPredictor, query: dict[str, str], sentence: str) -> None:
    page = open_page(HEATMAPS, sample=FILM, **query)
    no_trouble(page)
    assert sentence in words(page)
    assert component_data(page, "light_box")["layer"] == "block5_conv3"
    assert page.query_params == {"sample": FILM}, "what is wrong does not travel on"


def test_no_positive_evidence_is_said(network: StandInPredictor, film_png: Any) -> None:
    page = drop(open_home(), ("dark.png", film_png(0.2)))
    page.query_params["side"] = "yes"
    page.switch_page(HEATMAPS).run()
    no_trouble(page)
    box = component_data(page, "light_box")
    assert box["glow"] == ""
    assert "Nothing in block5_conv3 speaks for pneumonia" in box["nothing"]


def test_film_method_is_worked_out_on_request_and_kept(network: StandInPredictor) -> None:
    page = open_page(HEATMAPS, sample=FILM, method="smoothgrad")
    no_trouble(page)
    assert component_data(page, "light_box")["title"] == "Not worked out yet."
    assert not [slider for slider in page.select_slider if slider.key == "choose-heatmap-layer"]
    button = next(button for button in page.button if button.label == "Work out SmoothGrad")
    button.click().run()
    finish(page)
    no_trouble(page)
    assert component_data(page, "light_box")["glow"].startswith("data:image/jpeg")
    done = sheets(page)["Every method, at block5_conv3"]["tiles"][-1]
    assert done["label"] == "SmoothGrad" and not done["dead"]
    assert "choose one of those" in words(page), "the randomization check is for the Grad-CAM family"


def test_report_card_has_both_baselines_and_the_boxes(network: StandInPredictor) -> None:
    page = open_page(HEATMAPS, sample=FILM)
    assert len(component_data(page, "light_box")["boxes"]) == 2
    next(button for button in page.button if button.label == "Grade this heatmap").click().run()
    finish(page)
    no_trouble(page)
    said = words(page)
    for name in ("Grad-CAM", "An edge detector", "A blob in the middle of the chest", "Overlap with the boxes"):
        assert f"<td>{name}</td>" in said or f"<th>{name}" in said
    assert len(page.get("plotly_chart")) == 2


def test_film_without_boxes_has_no_such_columns(network: StandInPredictor) -> None:
    page = open_page(HEATMAPS, sample="synthetic-1-clear")
    assert component_data(page, "light_box")["boxes"] == []
    next(button for button in page.button if button.label == "Grade this heatmap").click().run()
    finish(page)
    assert "Overlap with the boxes" not in words(page)


def test_network_that_forgets(network: StandInPredictor) -> None:
    page = open_page(HEATMAPS, sample=FILM)
    next(button for button in page.button if button.label == "Make it forget").click().run()
    finish(page)
    no_trouble(page)
    slider = page.select_slider(key="choose-forgotten")
    assert slider.options == ["nothing", "logits", "head_dense", *slider.options[3:]]
    assert slider.options[-1] == "block1_conv1"
    slider.set_value("nothing").run()
    no_trouble(page)
    assert "Similarity <b>1.00</b>" in words(page)


def test_failed_work_is_a_sentence(network: StandInPredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("secret")

    monkeypatch.setattr("ui.doubts.report_card", broken)
    page = open_page(HEATMAPS, sample=FILM)
    next(button for button in page.button if button.label == "Grade this heatmap").click().run()
    finish(page)
    no_trouble(page)
    assert "unexpected error (ValueError)" in words(page)
    assert "secret" not in words(page)
    assert any(button.label == "Grade this heatmap" for button in page.button), "it can be tried again"


def test_work_can_be_cancelled_and_begun_again(network: StandInPredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    def slow(*_: Any, progress: Progress, **__: Any) -> None:
        begun.append(1)
        for step in range(2000):
            progress(step / 2000)
            time.sleep(0.01)

    monkeypatch.setattr("ui.doubts.report_card", slow)
    page = open_page(HEATMAPS, sample=FILM)
    next(button for button in page.button if button.label == "Grade this heatmap").click().run()
    cancel = next(button for button in page.button if button.label == "Cancel")
    cancel.click().run()
    (job,) = page.session_state["pneumoscope"].jobs.values()
    assert isinstance(job.answer.exception(timeout=10), Cancelled)
    page.run()
    no_trouble(page)
    assert "error" not in words(page)
    assert any(button.label == "Grade this heatmap" for button in page.button)
    assert begun == [1]


def test_work_ends_when_its_person_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    from ui.state import Session

    visitors = [Session()]
    monkeypatch.setattr("ui.jobs.session", lambda: visitors[0])

    def slow(progress: Progress) -> None:
        for _ in range(2000):
            progress(0.5)
            time.sleep(0.01)

    job = start("x", slow)
    monkeypatch.undo()
    visitors.clear()
    assert isinstance(job.answer.exception(timeout=10), Cancelled)


def test_finished_work_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    from ui.state import Session

    held = Session()
    monkeypatch.setattr("ui.jobs.session", lambda: held)
    monkeypatch.setattr("ui.jobs._KEPT_BYTES", 250)
    for number in range(4):
        start(str(number), lambda progress: bytes(100)).answer.result(timeout=10)
    start("arrays", lambda progress: [np.zeros(25, np.float32)]).answer.result(timeout=10)
    start("last", lambda progress: b"").answer.result(timeout=10)
    assert list(held.jobs) == ["3", "arrays", "last"]


def test_work_that_waits_is_cancelled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from ui.jobs import cancel
    from ui.state import Session

    held, gate = Session(), Event()
    monkeypatch.setattr("ui.jobs.session", lambda: held)
    busy = [start(f"busy-{k}", lambda progress: gate.wait(20)) for k in range(2)]
    waiting = start("waiting", lambda progress: 1)
    cancel("waiting")
    assert isinstance(waiting.answer.exception(timeout=0.5), Cancelled)
    gate.set()
    for job in busy:
        job.answer.result(timeout=10)
    cancel("nobody")


def test_failed_work_keeps_nothing_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    from ui.state import Session

    held = Session()
    monkeypatch.setattr("ui.jobs.session", lambda: held)
    heavy = [np.zeros(10)]
    watched = weakref.ref(heavy[0])

    def work(progress: Progress, array: np.ndarray = heavy[0]) -> None:
        raise Cancelled

    start("x", work).answer.exception(timeout=10)
    del work
    heavy.clear()
    gc.collect()
    time.sleep(0.1)
    assert watched() is None


def test_several_films_become_a_contact_sheet(network: StandInPredictor, film_png: Any) -> None:
    page = drop(open_home(), *((f"{k}.png", film_png(0.3 + 0.2 * k, seed=k)) for k in range(3)))
    page.switch_page(HEATMAPS).run()
    no_trouble(page)
    assert "All 3 films" in words(page)
    network_calls = len(network.calls)
    next(button for button in page.button if button.label == "Draw the sheet").click().run()
    finish(page)
    no_trouble(page)
    tiles = sheets(page)["All films"]["tiles"]
    assert [tile["label"] for tile in tiles] == ["2.png", "1.png", "0.png"]
    assert len(network.calls) == network_calls + 3
    assert any("sheet as PNG" in button.label for button in page.get("download_button"))


def test_boxes_of_a_csv_are_matched_by_file_name(network: StandInPredictor, film_png: Any) -> None:
    page = drop(open_home(), ("abc.png", film_png(0.7)))
    page.switch_page(HEATMAPS).run()
    table = b"patientId,x,y,width,height,Target\nabc,24,48,24,12,1\nother,1,1,2,2,1\nhealthy,,,,,0\n"
    page.file_uploader(key="boxes").set_value([("labels.csv", table, "text/csv")]).run()
    no_trouble(page)
    assert component_data(page, "light_box")["boxes"] == [[0.25, 0.5, 0.25, 0.125]]
    assert "2 films have boxes in labels.csv, 1 of them are here" in words(page)
    page.switch_page(THE_MODEL).run()
    page.switch_page(HEATMAPS).run()
    assert len(component_data(page, "light_box")["boxes"]) == 1, "they stay when the page is left"
    next(button for button in page.button if button.label == "Take the boxes off").click().run()
    assert component_data(page, "light_box")["boxes"] == []
    page.file_uploader(key="boxes").set_value([("labels.csv", b"a,b\n1,2\n", "text/csv")]).run()
    assert "labels.csv has no column that names the film" in words(page)


def test_pictures_and_report_to_take_away(network: StandInPredictor) -> None:
    from model.images import read_radiograph
    from tests.stand_in import small_predictor
    from ui.heatmap_choice import Choice
    from ui.state import open_film, sample_library
    from ui.take_away import WorkedOut, full_size_png, html_report, zipped_pictures

    opened = open_film(sample_library()[FILM])
    sight = network.explain(read_radiograph(opened.film.source))
    choice = Choice(method="grad-cam", layer="block5_conv3", side="yes", colors="cividis", common=False)
    found = sight.heatmap("grad-cam", "block5_conv3")
    with Image.open(io.BytesIO(full_size_png(opened, found, choice, 1.0))) as picture:
        assert picture.size == (400, 400) and picture.format == "PNG"
    card = report_card(small_predictor(), sight.film, found.values, steps=2)
    done = {"smoothgrad": np.ones((224, 224), np.float32)}
    levels = list(forget_from_the_top(small_predictor(), sight.film, method="grad-cam"))
    extras = WorkedOut(maps=done, card=card, levels=levels)
    report = html_report(small_predictor(), sight, opened, choice, found, extras)
    assert report.count("<img ") == 2 + 13 + 5 + 16
    packed = zipped_pictures(sight, opened, choice, extras, progress=lambda share: None)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        names = archive.namelist()
    assert len(names) == 1 + 13 + 3 + 1 + 16
    assert "grad-cam.block5_conv3.forgotten.01.logits.png" in names
    assert "<td>An edge detector</td>" in report
    assert not re.search(r'(src|href)="(?!data:)', report), "nothing is fetched"
    assert "not for clinical use" in report
    assert opened.film.name in report


def test_every_heatmap_in_a_zip_file(network: StandInPredictor) -> None:
    page = open_page(HEATMAPS, sample=FILM, method="smoothgrad")
    next(button for button in page.button if button.label == "Work out SmoothGrad").click().run()
    finish(page)
    page.selectbox(key="choose-method").select("grad-cam").run()
    next(button for button in page.button if button.label == "Prepare every heatmap as PNG").click().run()
    finish(page)
    no_trouble(page)
    *_, job = page.session_state["pneumoscope"].jobs.values()
    with zipfile.ZipFile(io.BytesIO(job.answer.result())) as archive:
        names = archive.namelist()
        assert len(names) == 1 + 13 + 3 + 1
        assert {"film.png", "smoothgrad.film.png", "grad-cam.block1_conv1.png", "hires-cam.block5_conv3.png"} <= set(
            names
        )
        with Image.open(archive.open("grad-cam.block3_conv2.png")) as picture:
            assert picture.size == (400, 400)
    assert any("ZIP" in button.label for button in page.get("download_button"))


def test_clearing_the_table_ends_and_forgets_all_work(network: StandInPredictor, film_png: Any) -> None:
    page = drop(open_home(), *((f"{k}.png", film_png(0.3 + 0.2 * k, seed=k)) for k in range(2)))
    held = page.session_state["pneumoscope"]
    job = Job(answer=Future())
    held.jobs["x"] = job
    held.boxes = {"a": ()}
    next(button for button in page.button if button.label == "Clear the table").click().run()
    no_trouble(page)
    assert held.jobs == {} and held.boxes == {} and job.stop.is_set()


def test_signless_methods_are_the_same_for_both_sides() -> None:
    from ui.heatmap_panels import side_of

    summed = np.array([[1.0, -2.0]], np.float32)
    np.testing.assert_array_equal(side_of(summed, "occlusion", "no").values, [[0, 1]])
    np.testing.assert_array_equal(
        side_of(np.abs(summed), "smoothgrad", "no").values, heatmap(np.abs(summed), layer="film").values
    )
