"""The page of activation maps: every control, its address, and what it says when something is not there."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.app.reading import MAPS, component_data, components_data, drop, no_trouble, open_home, open_page, words
from tests.stand_in import StandInPredictor, small_predictor
from ui.mosaic import PER_PAGE

pytestmark = pytest.mark.usefixtures("samples")
FILM = "synthetic-3-opacity"


def test_without_a_film_the_page_leads_to_one(network: StandInPredictor, samples: list[str]) -> None:
    page = open_page(MAPS)
    no_trouble(page)
    assert "put a film on the light box" in words(page)
    assert {button.key for button in page.button} == {f"open-{slug}" for slug in samples}
    assert network.calls == []
    page.button(key=f"open-{FILM}").click().run()
    no_trouble(page)
    assert component_data(page, "flow") is not None


def test_cold_page_shows_the_strip_the_channels_and_one_of_them_large(network: StandInPredictor) -> None:
    page = open_page(MAPS, sample=FILM)
    no_trouble(page)
    flow = component_data(page, "flow")
    assert [layer["label"] for layer in flow["layers"]][:3] == ["film", "1 conv1", "1 conv2"]
    assert len(flow["layers"]) == 19
    assert flow["chosen"] == "block3_conv1"
    mosaic = component_data(page, "mosaic")
    assert len(mosaic["tiles"]) == 16
    header, arrays = component_data(page, "microscope")
    assert header["channel"] == mosaic["tiles"][0]["channel"] == mosaic["chosen"]
    assert arrays["values"].shape == (56, 56)
    assert header["cell"] is None
    assert network.calls == [("explain", page.session_state["pneumoscope"].opened.radiograph.sha256)]
    assert page.query_params == {"sample": FILM}


def test_address_opens_one_neuron_cold(network: StandInPredictor) -> None:
    page = open_page(MAPS, sample=FILM, layer="block4_conv2", channel="5", cell="12.20", order="number")
    no_trouble(page)
    header, arrays = component_data(page, "microscope")
    assert (header["layer"], header["channel"], header["cell"]) == ("block4_conv2", 5, [12, 20])
    assert page.selectbox(key="choose-layer").value == "block4_conv2"
    assert [tile["channel"] for tile in component_data(page, "mosaic")["tiles"]][:4] == [0, 1, 2, 3]
    assert page.query_params["cell"] == "12.20"
    film = page.session_state["pneumoscope"].opened.radiograph
    sight = small_predictor().explain(film)
    np.testing.assert_allclose(arrays["values"], sight.maps["block4_conv2"][:, :, 5], atol=1e-5)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"layer": "<b>block9</b>"}, "names the layer “&lt;b&gt;block9"),
        ({"layer": "block1_conv1", "channel": "64"}, "names channel 64; block1_conv1 has channels 0 to 3"),
        ({"channel": "-1"}, "names channel -1"),
        ({"cell": "99.0"}, "names the cell 99.0; block3_conv1 has 56 × 56 cells"),
        ({"cell": "x"}, "names the cell x"),
        ({"order": "bogus"}, "asks for the order “bogus”; there are strength, push, number"),
        ({"page": "9"}, "names page 9; block3_conv1 has 1 of them"),
        ({"beside": "nobody"}, "names “nobody” to stand beside"),
    ],
)
def test_address_that_names_what_is_not_there(network: StandInPredictor, query: dict[str, str], sentence: str) -> None:
    page = open_page(MAPS, sample=FILM, **query)
    no_trouble(page)
    assert sentence in words(page)
    assert component_data(page, "microscope") is not None
    assert set(page.query_params) <= {"sample", "layer"}, "what is wrong does not travel on"


def test_every_control_without_asking_the_network_again(network: StandInPredictor) -> None:
    page = open_page(MAPS, sample=FILM)
    page.selectbox(key="choose-layer").select("block5_pool").run()
    no_trouble(page)
    assert page.query_params["layer"] == "block5_pool"
    header, arrays = component_data(page, "microscope")
    assert header["operation"] == "maximum"
    assert arrays["inputs"].shape == (1, 14, 14)
    page.button_group(key="choose-order").set_value("push").run()
    no_trouble(page)
    pushes = small_predictor().explain(page.session_state["pneumoscope"].opened.radiograph).pushes["block5_pool"]
    shown = [tile["channel"] for tile in component_data(page, "mosaic")["tiles"]]
    assert list(pushes[shown]) == sorted(pushes, reverse=True)
    before = component_data(page, "mosaic")["sheet"]
    page.toggle(key="choose-scale").set_value(True).run()
    no_trouble(page)
    assert component_data(page, "mosaic")["sheet"] != before
    assert page.query_params["scale"] == "layer"
    assert len(network.calls) == 1


def test_another_layer_starts_afresh(network: StandInPredictor) -> None:
    page = open_page(MAPS, sample=FILM, layer="block4_conv2", channel="5", cell="12.20")
    page.selectbox(key="choose-layer").select("block1_conv1").run()
    no_trouble(page)
    assert "cell" not in page.query_params and "channel" not in page.query_params


def test_two_films_share_a_channel(network: StandInPredictor) -> None:
    page = open_page(MAPS, sample=FILM, layer="block2_conv1", channel="3")
    page.selectbox(key="choose-beside").select("synthetic-1-clear").run()
    no_trouble(page)
    one, other = components_data(page, "microscope")
    assert one[0]["top"] == other[0]["top"] == pytest.approx(max(one[1]["values"].max(), other[1]["values"].max()))
    assert one[0]["channel"] == other[0]["channel"] == 3
    assert one[0]["caption"] != other[0]["caption"]
    assert not one[0]["wide"]
    assert not np.array_equal(one[1]["values"], other[1]["values"])
    assert page.query_params["beside"] == "synthetic-1-clear"
    assert len(network.calls) == 2
    page.selectbox(key="choose-beside").select("").run()
    assert len(components_data(page, "microscope")) == 1
    assert "beside" not in page.query_params


def test_pages_of_channels(network: StandInPredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.mosaic.PER_PAGE", 10)
    page = open_page(MAPS, sample=FILM, layer="block5_conv1", order="number")
    assert [tile["channel"] for tile in component_data(page, "mosaic")["tiles"]] == list(range(10))
    page.number_input(key="choose-page").set_value(4).run()
    no_trouble(page)
    assert [tile["channel"] for tile in component_data(page, "mosaic")["tiles"]] == [30, 31]
    assert page.query_params["page"] == "4"
    assert PER_PAGE == 64


def test_channel_of_the_address_is_on_the_page_that_is_shown(
    network: StandInPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.mosaic.PER_PAGE", 10)
    page = open_page(MAPS, sample=FILM, layer="block5_conv1", order="number", channel="25")
    assert 25 in [tile["channel"] for tile in component_data(page, "mosaic")["tiles"]]


def test_silent_channels_are_marked(network: StandInPredictor) -> None:
    page = open_page(MAPS, sample=FILM, layer="block1_conv1", order="number")
    maps = small_predictor().explain(page.session_state["pneumoscope"].opened.radiograph).maps["block1_conv1"]
    silent = [k for k in range(maps.shape[2]) if not maps[:, :, k].any()]
    tiles = component_data(page, "mosaic")["tiles"]
    assert [tile["channel"] for tile in tiles if tile["dead"]] == silent


def test_kernels_of_the_first_block_only(network: StandInPredictor) -> None:
    first = words(open_page(MAPS, sample=FILM, layer="block1_conv1", channel="2"))
    assert "All 4 kernels of this layer, 3 × 3 weights each" in first
    assert first.count('alt="Kernel ') == 4
    assert '#2" class=pn-on' in first
    assert "The 4 kernels of channel 1" in words(open_page(MAPS, sample=FILM, layer="block1_conv2", channel="1"))
    assert "Kernel" not in words(open_page(MAPS, sample=FILM, layer="block1_pool"))


def test_uploaded_film_has_no_name_in_the_address(network: StandInPredictor, film_png: Any) -> None:
    page = drop(open_home(), ("mine.png", film_png(0.7)))
    page.switch_page(MAPS).run()
    no_trouble(page)
    header, _ = component_data(page, "microscope")
    assert header["caption"] == "mine.png"
    assert "sample" not in page.query_params


def test_place_survives_a_page_change(network: StandInPredictor) -> None:
    page = open_page(MAPS, sample=FILM, layer="block4_conv2", channel="5")
    page.switch_page("app.py").run()
    page.switch_page(MAPS).run()
    no_trouble(page)
    header, _ = component_data(page, "microscope")
    assert (header["layer"], header["channel"]) == ("block4_conv2", 5)


def test_channel_as_png_at_the_films_size() -> None:
    from ui.microscope import channel_png

    values = np.array([[0.0, 2.0], [1.0, 0.0]], np.float32)
    with Image.open(io.BytesIO(channel_png(np.full((40, 60), 0.5, np.float32), values))) as picture:
        assert picture.size == (60, 40)
        pixels = np.asarray(picture).astype(int)
    assert (pixels[10, 45] > pixels[30, 15]).all(), "the strongest cell is the brightest"
    np.testing.assert_array_equal(pixels[0, 0], pixels[19, 29], "a cell is a sharp square")


def test_words_for_every_layer() -> None:
    from ui.layer_words import layer_words

    layers = small_predictor().layers
    said = [layer_words(layers, layer.name) for layer in layers]
    assert len(set(said)) == len(said) == 18
    assert layer_words(layers[:5], "block1_conv1").startswith("An early layer")
    assert layer_words(layers[:5], "block1_pool").startswith("Gathers")
