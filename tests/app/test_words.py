"""What is said and written about a prediction: words, bar, table as CSV, pictures."""

from __future__ import annotations

import csv
import io
from base64 import b64decode
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from model.explain.cam import Heatmap
from model.explain.overlay import blend
from model.images import Radiograph
from model.novelty import Doubt
from model.sight import Prediction
from ui.home import film_notes
from ui.pictures import draw_picture, draw_thumbnail, fit
from ui.results import as_csv, worst_first
from ui.state import Film, Refusal, Row, Session
from ui.verdict import duration, gauge_html, in_words, percent, verdict_html


def prediction(probability: float, threshold: float = 0.4) -> Any:
    return Prediction(
        probability=probability,
        logits=(0.0, 0.0),
        threshold=threshold,
        verdict="pneumonia" if probability >= threshold else "normal",
        seconds=0.25,
    )


def row(name: str, probability: float) -> Row:
    film = Film(name=name, key=f"{name}-hash", source=b"")
    return Row(film=film, prediction=prediction(probability), size=(40, 60), format="PNG")


@pytest.mark.parametrize(
    ("share", "written"),
    [
        (0.5, "50.0 %"),
        (0.99951, "over 99.9 %"),
        (1.0, "over 99.9 %"),
        (0.0004, "under 0.1 %"),
        (0.12345, "12.3 %"),
    ],
)
def test_percent_never_claims_certainty(share: float, written: str) -> None:
    assert percent(share) == written


@pytest.mark.parametrize(("seconds", "written"), [(0.3125, "0.31 s"), (0.0124, "12 ms"), (2.0, "2.00 s")])
def test_duration(seconds: float, written: str) -> None:
    assert duration(seconds) == written


@pytest.mark.parametrize(
    ("probability", "threshold", "close"),
    # log odds of 0.62 are 0.4895, of 0.63 0.5322, of 0.5 exactly 0
    [(0.62, 0.5, True), (0.63, 0.5, False), (0.38, 0.5, True), (1.0, 0.999, False), (0.0, 0.5, False)],
)
def test_close_call_is_half_a_unit_of_log_odds(probability: float, threshold: float, close: bool) -> None:
    assert in_words(prediction(probability, threshold)).close is close


def test_words_name_both_numbers() -> None:
    assert in_words(prediction(0.4, 0.4)).because == (
        "40.0 % is exactly at the threshold of 40.0 %, so the network calls this film pneumonia."
    )
    assert in_words(prediction(1.0)).because.startswith("Over 99.9 % is above the threshold")
    assert in_words(prediction(0.1)).headline == "Looks normal"


def test_gauge_marks_the_threshold_where_it_is() -> None:
    drawn = gauge_html(prediction(0.873, 0.412))
    assert 'class="pn-fill" style="width:87.30%"' in drawn
    assert 'class="pn-tick" style="left:41.20%"' in drawn
    assert 'aria-label="Probability of pneumonia 87.3 %, threshold 41.2 %"' in drawn


def test_verdict_escapes_the_name_and_keeps_the_disclaimer() -> None:
    drawn = verdict_html(prediction(0.9), name="<b>x</b>", doctors=None)
    assert "&lt;b&gt;x&lt;/b&gt;" in drawn
    assert "not for clinical use" in drawn
    assert "doctors" not in drawn


def test_worst_first_breaks_ties_by_name() -> None:
    rows = [row("b", 0.5), row("z", 0.9), row("a", 0.5)]
    assert [one.film.name for one in worst_first(rows)] == ["z", "a", "b"]


def test_what_is_not_to_be_trusted_comes_last_and_is_not_chosen() -> None:
    cat, sick, well = row("cat", 0.99), row("sick", 0.8), row("well", 0.1)
    cat = replace(cat, prediction=replace(cat.prediction, doubt=Doubt(kind="color", because="it is in color")))
    assert [one.film.name for one in worst_first([cat, well, sick])] == ["sick", "well", "cat"]
    held = Session(rows={one.film.key: one for one in (cat, well)})
    assert held.worst() is well
    assert Session(rows={"cat": cat}).worst() is cat
    lines = list(csv.DictReader(io.StringIO(as_csv([cat, well], []))))
    assert [line["doubt"] for line in lines] == ["it is in color", ""]


def test_a_doubt_is_the_verdict_and_the_number_stays() -> None:
    doubted = replace(prediction(0.9), doubt=Doubt(kind="inverted", because="it looks <inverted>"))
    drawn = verdict_html(doubted, name="x", doctors="NORMAL")
    assert "I would not trust a prediction here, because it looks &lt;inverted&gt;." in drawn
    assert "Looks like" not in drawn and "90.0 %" in drawn and "not for clinical use" in drawn


def test_csv_holds_every_film_and_defuses_formulas() -> None:
    written = as_csv([row("=cmd()", 0.75)], [Refusal(name='a,"b', sentence="It is empty.")])
    lines = list(csv.DictReader(io.StringIO(written)))
    assert [line["file"] for line in lines] == ["'=cmd()", 'a,"b']
    assert float(lines[0]["probability"]) == 0.75
    assert (lines[0]["verdict"], lines[0]["network_ms"], lines[0]["error"]) == ("pneumonia", "250", "")
    assert lines[0]["doubt"] == "" and lines[1]["doubt"] == ""
    assert (lines[1]["probability"], lines[1]["error"]) == ("", "It is empty.")


def decoded(address: str) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(b64decode(address.split(",", 1)[1]))))


def a_film(height: int, width: int) -> Radiograph:
    pixels = np.tile(np.linspace(0, 1, width, dtype=np.float32), (height, 1))
    return Radiograph(pixels=pixels, original_size=(height, width), format="PNG", sha256=f"{height}x{width}")


def test_picture_is_bounded_keeps_its_shape_and_glows_where_the_evidence_is() -> None:
    values = np.zeros((14, 14), dtype=np.float32)
    values[10:13, 1:4] = 1.0
    heatmap = cast(Any, Heatmap(values=values, maximum=3.0, layer="block5_conv3"))
    picture = draw_picture(a_film(1500, 3000), heatmap)
    assert (picture.width, picture.height) == (1000, 500)
    film, glow = decoded(picture.film), decoded(picture.glow)
    assert film.shape == (500, 1000)
    assert glow.shape == (500, 1000, 3)
    gray = np.repeat(film[..., np.newaxis], 3, axis=2).astype(float)
    change = np.abs(glow - gray).mean(axis=2)
    assert change[390:440, 110:250].mean() > 30
    assert change[:150, 600:].mean() < 3
    assert (picture.peak, picture.layer) == (3.0, "block5_conv3")


def test_picture_without_evidence_has_no_glow() -> None:
    heatmap = cast(Any, Heatmap(values=np.zeros((14, 14), np.float32), maximum=0.0, layer="block5_conv3"))
    picture = draw_picture(a_film(60, 50), heatmap)
    assert (picture.glow, picture.legend) == ("", "")
    assert decoded(picture.film).shape == (60, 50)


@pytest.mark.parametrize(
    ("age", "adult"),
    [("51 years", True), ("90 years or older", True), ("18 years", True), ("17 years", False), ("9 months", False)],
)
def test_an_adults_film_is_noted_after_the_notes_of_the_file(age: str, adult: bool) -> None:
    film = Radiograph(
        pixels=np.zeros((40, 40), np.float32),
        original_size=(40, 40),
        format="DICOM",
        metadata={"Age": age},
        sha256="x",
        notes=("First frame.",),
    )
    notes = film_notes(film)
    assert notes[0] == "First frame."
    assert (len(notes) == 2 and "children" in notes[1]) is adult


@pytest.mark.parametrize("opacity", [0.0, 0.3, 0.7, 1.0])
def test_fading_in_the_browser_is_the_same_as_blending_here(opacity: float) -> None:
    rng = np.random.default_rng(3)
    film, heat = rng.random((40, 50), dtype=np.float32), rng.random((14, 14), dtype=np.float32)
    bare, full = (blend(film, heat, opacity=end).astype(float) for end in (0.0, 1.0))
    faded = (1 - opacity) * bare + opacity * full
    assert np.abs(faded - blend(film, heat, opacity=opacity)).max() <= 1.5


def test_fit_averages_and_never_enlarges() -> None:
    checkers = np.indices((8, 8)).sum(axis=0).astype(np.float32) % 2
    assert fit(checkers, 4) == pytest.approx(np.full((4, 4), 0.5))
    assert fit(checkers, 100) is checkers


def test_thumbnail_is_the_square_middle() -> None:
    pixels = np.zeros((100, 300), dtype=np.float32)
    pixels[:, 100:200] = 1.0
    small = np.asarray(Image.open(io.BytesIO(draw_thumbnail(pixels))))
    assert small.shape == (100, 100)
    assert small.min() > 240
