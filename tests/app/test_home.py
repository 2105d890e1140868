"""The home page in every state a person can bring it into, over a counted stand-in network."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from model.errors import CheckpointError
from model.images import Radiograph
from tests.app.reading import THE_MODEL, drop, light_box, no_trouble, open_home, words
from tests.stand_in import StandInPredictor
from ui.pictures import Picture, draw_picture
from ui.state import Film, open_film

pytestmark = pytest.mark.usefixtures("samples")

FilmMaker = Callable[..., bytes]
NOT_CLINICAL = "not for clinical use"


def test_empty_page_invites_and_asks_the_network_nothing(network: StandInPredictor, samples: list[str]) -> None:
    page = open_home()
    no_trouble(page)
    assert "See what a neural network" in words(page)
    assert {button.key for button in page.button} == {f"open-{slug}" for slug in samples}
    assert "Drawn for this project, MIT license" in words(page)
    assert NOT_CLINICAL in words(page)
    assert light_box(page) is None
    assert "data-verdict" not in words(page)
    assert network.calls == []


def test_sample_opens_with_verdict_heatmap_and_address(network: StandInPredictor) -> None:
    page = open_home()
    page.button(key="open-synthetic-3-opacity").click().run()
    no_trouble(page)
    box = light_box(page)
    assert box is not None
    assert box["glow"].startswith("data:image/jpeg;base64,")
    assert box["glow"] != box["film"]
    assert box["peak"] == 2.5
    assert 'data-verdict="pneumonia"' in words(page)
    assert "said <b>pneumonia</b>. The network agrees." in words(page)
    assert "0.31 s in the network" in words(page)
    assert words(page).count(NOT_CLINICAL) == 2
    assert page.query_params == {"sample": "synthetic-3-opacity"}
    assert [question for question, _ in network.calls] == ["explain"]


def test_a_wrong_verdict_is_called_a_mistake(network: StandInPredictor) -> None:
    network.threshold = 0.99
    page = open_home(sample="synthetic-3-opacity")
    assert 'data-verdict="normal"' in words(page)
    assert "The network disagrees" in words(page)
    assert "The network agrees" not in words(page)


def test_shared_address_opens_its_film_cold(network: StandInPredictor) -> None:
    page = open_home(sample="synthetic-1-clear")
    no_trouble(page)
    assert light_box(page) is not None
    assert "said <b>normal</b>" in words(page)
    assert page.query_params == {"sample": "synthetic-1-clear"}
    assert len(network.calls) == 1


def test_unknown_slug_gets_a_sentence_and_the_gallery(network: StandInPredictor, samples: list[str]) -> None:
    page = open_home(sample="<script>alert(1)</script>")
    no_trouble(page)
    assert "There is no sample film called “&lt;script&gt;" in words(page)
    assert "<script>" not in words(page)
    assert len(page.button) == len(samples)
    assert light_box(page) is None
    assert network.calls == []
    page.button(key="open-synthetic-1-clear").click().run()
    assert "no sample film" not in words(page)


@pytest.mark.parametrize(("mean", "verdict", "side"), [(0.7, "pneumonia", "above"), (0.2, "normal", "below")])
def test_upload_is_judged_against_the_threshold(
    network: StandInPredictor, film_png: FilmMaker, mean: float, verdict: str, side: str
) -> None:
    page = drop(open_home(), ("mine.png", film_png(mean)))
    no_trouble(page)
    said = words(page)
    assert f'data-verdict="{verdict}"' in said
    assert f"% is {side} the threshold of 40.0 %" in said
    assert 'class="pn-tick" style="left:40.00%"' in said
    filled = re.search(r'class="pn-fill" style="width:([\d.]+)%"', said)
    assert filled is not None and float(filled[1]) == pytest.approx(100 * mean, abs=2)
    assert "mine.png" in said
    assert "sample" not in page.query_params
    assert not page.dataframe
    assert len(network.calls) == 1


def test_upload_takes_the_address_from_a_sample(network: StandInPredictor, film_png: FilmMaker) -> None:
    page = drop(open_home(sample="synthetic-1-clear"), ("mine.png", film_png(0.7)))
    box = light_box(page)
    assert box is not None and box["caption"] == "mine.png"
    assert "sample" not in page.query_params


def test_bad_file_gets_one_escaped_sentence_and_breaks_nothing(network: StandInPredictor, film_png: FilmMaker) -> None:
    page = drop(open_home(), ("<img src=x onerror=alert(1)>.png", b"this is text"))
    no_trouble(page)
    assert "&lt;img src=x onerror=alert(1)&gt;.png" in words(page)
    assert "<img src=x" not in words(page)
    assert words(page).count("<li>") == 1
    assert light_box(page) is None
    assert network.calls == []
    drop(page, ("good.png", film_png(0.7)))
    assert light_box(page) is not None
    assert "&lt;img" not in words(page)


def test_several_films_are_listed_worst_first_and_the_bad_one_named(
    network: StandInPredictor, film_png: FilmMaker
) -> None:
    page = drop(
        open_home(),
        ("low.png", film_png(0.2)),
        ("broken.png", b"\x89PNG\r\n\x1a\n"),
        ("high.png", film_png(0.9)),
        ("middle.png", film_png(0.6)),
    )
    no_trouble(page)
    table = page.dataframe[0].value
    assert list(table["Film"]) == ["high.png", "middle.png", "low.png"]
    assert list(table["Verdict"]) == ["pneumonia", "pneumonia", "normal"]
    assert "<b>broken.png</b>" in words(page)
    box = light_box(page)
    assert box is not None and box["caption"] == "high.png"
    asked = [question for question, _ in network.calls]
    assert asked.count("predict") == 3
    assert asked.count("explain") == 1


def test_choosing_a_row_opens_that_film(network: StandInPredictor, film_png: FilmMaker) -> None:
    page = drop(open_home(), ("low.png", film_png(0.2)), ("high.png", film_png(0.9)))
    key = page.dataframe[0].key
    assert key is not None
    page.session_state[key] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    page.run()
    no_trouble(page)
    box = light_box(page)
    assert box is not None and box["caption"] == "low.png"
    page.button(key="open-synthetic-1-clear").click().run()
    box = light_box(page)
    assert box is not None and box["caption"] != "low.png"


def test_redrawing_the_page_asks_the_network_nothing(network: StandInPredictor) -> None:
    page = open_home(sample="synthetic-3-opacity")
    before = light_box(page)
    page.toggle(key="answers").set_value(True).run()
    no_trouble(page)
    assert any("pneumonia" in button.label for button in page.button)
    assert light_box(page) == before
    assert len(network.calls) == 1


def test_answers_stay_hidden_until_asked_for(network: StandInPredictor) -> None:
    page = open_home()
    assert not any("pneumonia" in button.label or "normal" in button.label for button in page.button)


def test_no_positive_evidence_is_a_state_of_its_own(network: StandInPredictor, film_png: FilmMaker) -> None:
    page = drop(open_home(), ("dark.png", film_png(0.2)))
    box = light_box(page)
    assert box is not None
    assert box["glow"] == "" and box["legend"] == ""
    assert box["film"].startswith("data:image/jpeg;base64,")
    assert 'data-verdict="normal"' in words(page)


def test_chosen_film_survives_page_changes(network: StandInPredictor, film_png: FilmMaker) -> None:
    page = drop(open_home(), ("mine.png", film_png(0.7)))
    page.switch_page(THE_MODEL).run()
    no_trouble(page)
    assert "mine.png" in words(page)
    assert len(page.sidebar.image) == 1
    page.switch_page("app.py").run()
    no_trouble(page)
    box = light_box(page)
    assert box is not None and box["caption"] == "mine.png"
    assert len(network.calls) == 1


def test_film_left_open_by_an_interrupted_drop_is_not_shown_for_the_chosen_one(
    network: StandInPredictor, film_png: FilmMaker
) -> None:
    page = open_home(sample="synthetic-1-clear")
    shown = light_box(page)
    other = Film(name="other.png", key="other", source=film_png(0.9))
    page.session_state["pneumoscope"].opened = open_film(other)
    page.run()
    assert light_box(page) == shown


def test_picture_of_a_film_is_drawn_once(
    network: StandInPredictor, film_png: FilmMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    def count(film: Radiograph, heatmap: Any, **options: Any) -> Picture:
        drawn.append(film.sha256)
        return draw_picture(film, heatmap, **options)

    monkeypatch.setattr("ui.lightbox.draw_picture", count)
    page = drop(open_home(), ("mine.png", film_png(0.7)))
    page.toggle(key="answers").set_value(True).run()
    assert len(drawn) == 1
    page.button(key="open-synthetic-1-clear").click().run()
    assert len(drawn) == 2
    assert len(network.calls) == 2


def test_shared_address_works_cold_on_another_page(network: StandInPredictor) -> None:
    page = open_home()
    page.query_params["sample"] = "synthetic-2-clear"
    page.switch_page(THE_MODEL).run()
    no_trouble(page)
    assert len(page.sidebar.image) == 1
    assert network.calls == []


def test_film_dropped_twice_is_listed_once(network: StandInPredictor, film_png: FilmMaker) -> None:
    page = drop(open_home(), ("a.png", film_png(0.7)), ("copy.png", film_png(0.7)), ("b.png", film_png(0.6)))
    assert sorted(page.dataframe[0].value["Film"]) == ["a.png", "b.png"]
    assert "copy.png is the same film as a.png" in words(page)


def test_shelf_is_bounded_and_says_so(
    network: StandInPredictor, film_png: FilmMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.state.MAX_FILMS", 2)
    files = [(f"{number}.png", film_png(0.5, seed=number)) for number in range(5)]
    page = drop(open_home(), *files)
    no_trouble(page)
    assert len(page.dataframe[0].value) == 2
    assert "3 films were left out" in words(page)
    assert len(network.calls) <= 3


def test_bytes_are_bounded_but_one_film_always_fits(
    network: StandInPredictor, film_png: FilmMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.state.MAX_BYTES", 10)
    page = drop(open_home(), ("one.png", film_png(0.7)), ("two.png", film_png(0.6)))
    box = light_box(page)
    assert box is not None and box["caption"] == "one.png"
    assert "1 film was left out" in words(page)
    assert not page.dataframe


def test_clearing_the_table_forgets_the_uploads(network: StandInPredictor, film_png: FilmMaker) -> None:
    page = drop(open_home(), ("a.png", film_png(0.7)), ("b.png", film_png(0.6)))
    next(button for button in page.button if button.label == "Clear the table").click().run()
    no_trouble(page)
    assert not page.dataframe
    assert light_box(page) is None
    assert page.session_state["pneumoscope"].rows == {}


def test_unexpected_failure_of_the_network_is_a_sentence_and_passes(network: StandInPredictor) -> None:
    failures = [ValueError("secret details")]

    def fail_once() -> None:
        if failures:
            raise failures.pop()

    network.before = fail_once
    page = open_home(sample="synthetic-1-clear")
    no_trouble(page)
    assert "unexpected error (ValueError)" in words(page)
    assert "secret details" not in words(page)
    page.run()
    assert "data-verdict" in words(page)


def test_network_that_cannot_be_loaded_leaves_a_sentence_and_the_gallery(
    network: StandInPredictor, samples: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> StandInPredictor:
        raise CheckpointError("The trained network is missing; run the training <first>.")

    monkeypatch.setattr("ui.network._shipped", broken)
    page = open_home(sample="synthetic-1-clear")
    no_trouble(page)
    assert "run the training &lt;first&gt;." in words(page)
    assert len(page.button) == len(samples)
    assert "data-verdict" not in words(page)
    monkeypatch.setattr("ui.network._shipped", lambda: network)
    page.run()
    assert "data-verdict" in words(page)
