"""The whole app over a network of the user's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from model.own_model import VARIABLE
from tests.app.reading import HEATMAPS, MAPS, THE_MODEL, component_data, no_trouble, open_home, open_page, words
from tests.unit.zoo import build

pytestmark = [
    pytest.mark.usefixtures("samples"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning"),
]
FILM = "synthetic-3-opacity"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "mine.keras"
    build("twice_nested").save(path)
    path.with_suffix(".json").write_text(json.dumps({"classes": ["cat", "dog"], "positive": ["dog"]}))
    monkeypatch.setenv(VARIABLE, str(path))
    for cache in (st.cache_data, st.cache_resource):
        cache.clear()
    yield path
    for cache in (st.cache_data, st.cache_resource):
        cache.clear()


def test_every_page_looks_into_it(own: Path) -> None:
    home = open_home(sample=FILM)
    no_trouble(home)
    said = words(home)
    assert "Looking into <b>mine.keras</b>" in said
    assert "probability of dog" in said
    assert "Looks like cat" in said or "Looks like dog" in said
    assert "doctors" not in said, "they did not say cat or dog"
    maps = open_page(MAPS, sample=FILM)
    no_trouble(maps)
    assert [layer["name"] for layer in component_data(maps, "flow")["layers"]] == ["", "first", "pool", "last"]
    maps.selectbox(key="choose-layer").select("pool").run()
    no_trouble(maps)
    heat = open_page(HEATMAPS, sample=FILM, side="yes")
    no_trouble(heat)
    box = component_data(heat, "light_box")
    assert "for dog" in box["hint"] + box["nothing"]
    card = open_page(THE_MODEL)
    no_trouble(card)
    assert "card of the network that comes with Pneumoscope" in words(card)


def test_one_that_cannot_be_opened_is_a_sentence_on_every_page(own: Path) -> None:
    own.write_text("no model")
    for page in (open_home(sample=FILM), open_page(MAPS, sample=FILM), open_page(HEATMAPS, sample=FILM)):
        no_trouble(page)
        assert "mine.keras cannot be loaded as a Keras model" in words(page)
