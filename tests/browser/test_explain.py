"""The pages that look inside, in a real Chromium: the pointer, clicks, play, links opened cold, long work."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Position, expect

from model.artifacts import SampleFilm
from tests.app_server import AppServer
from tests.chromium import settle

pytestmark = pytest.mark.browser


def open_maps(page: Page, app: AppServer, film: SampleFilm, more: str = "") -> None:
    page.goto(f"{app.address}/Activation_maps?sample={film.slug}{more}")
    settle(page)
    expect(page.locator(".scope .where")).to_contain_text("row")


def number(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))


def spot(page: Page, down: float, across: float) -> Position:
    box = page.locator(".scope .stage").bounding_box()
    assert box is not None
    return {"x": across * box["width"], "y": down * box["height"]}


def hover(page: Page, down: float, across: float) -> None:
    page.locator(".scope .stage").hover(position=spot(page, down, across))


def test_the_pointer_moves_the_receptive_field_and_the_numbers_without_the_server(
    app: AppServer, page: Page, sick_film: SampleFilm
) -> None:
    open_maps(page, app, sick_film, "&layer=block3_conv2&channel=9")
    sent: list[str] = []
    page.on("websocket", lambda socket: sent.append(socket.url))
    page.on("request", lambda request: sent.append(request.url))
    seen = set()
    for down, across in ((0.3, 0.31), (0.51, 0.52), (0.71, 0.6)):
        hover(page, down, across)
        row, column = int(down * 56), int(across * 56)
        expect(page.locator(".where")).to_contain_text(f"row {row}, column {column} of 56 × 56")
        field = page.locator(".scope .field").bounding_box()
        stage = page.locator(".scope .stage").bounding_box()
        assert field is not None and stage is not None
        assert field["width"] / stage["width"] == pytest.approx(32 / 224, abs=0.02)
        middle = field["x"] + field["width"] / 2 - stage["x"]
        assert middle / stage["width"] == pytest.approx((column + 0.5) / 56, abs=0.02)
        seen.add(page.locator(".equation").inner_text())
    assert len(seen) == 3
    assert sent == []


def test_the_numbers_under_the_pointer_add_up(app: AppServer, page: Page, sick_film: SampleFilm) -> None:
    open_maps(page, app, sick_film, "&layer=block1_conv1&channel=61&cell=100.90")
    said = page.locator(".equation").inner_text()
    found = re.match(r"27 products add up to (\S+) ([+−]) (\S+) bias = (\S+) → ReLU → (\S+)", said)
    assert found is not None, said
    total, sign, bias, before, value = found.groups()
    assert number(total) + (1 if sign == "+" else -1) * number(bias) == pytest.approx(number(before), abs=0.11)
    assert number(value) == pytest.approx(max(number(before), 0), abs=0.01)
    sums = [number(bar.inner_text()) for bar in page.locator(".scope .bar span:last-child").all()]
    assert len(sums) == 3, "the film's gray three times"
    assert sum(sums) == pytest.approx(number(total), rel=0.01)
    tables = page.locator(".grid table")
    expect(tables).to_have_count(3)
    inputs, weights, products = (
        [number(cell) for cell in tables.nth(k).locator("td").all_inner_texts()] for k in range(3)
    )
    for one, weight, product in zip(inputs, weights, products, strict=True):
        assert one * weight == pytest.approx(product, rel=0.02, abs=0.02)
    assert sum(products) == pytest.approx(max(sums, key=abs), rel=0.02)


def test_a_click_pins_a_cell_and_its_address_opens_cold(app: AppServer, page: Page, sick_film: SampleFilm) -> None:
    open_maps(page, app, sick_film, "&layer=block4_conv1&channel=3")
    page.locator(".scope .stage").click(position=spot(page, 0.52, 0.27))
    expect(page).to_have_url(re.compile(r"cell=14\.7"))
    settle(page)
    expect(page.locator(".scope.pinned")).to_have_count(1)
    pinned = page.locator(".equation").inner_text()
    hover(page, 0.8, 0.8)
    expect(page.locator(".where")).to_contain_text("row 14, column 7 ")
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    settle(page)
    expect(page.locator(".where")).to_contain_text("row 14, column 7 of 28 × 28")
    assert page.locator(".equation").inner_text() == pinned
    expect(page.locator(".corner").first).to_have_text("block4_conv1 · channel 3")
    page.locator(".scope .stage").press("Escape")
    expect(page).not_to_have_url(re.compile("cell="))


def test_arrow_keys_move_the_cell(app: AppServer, page: Page, sick_film: SampleFilm) -> None:
    open_maps(page, app, sick_film, "&layer=block4_conv1&channel=3&cell=10.10")
    stage = page.locator(".scope .stage")
    stage.press("ArrowDown")
    expect(page.locator(".where")).to_contain_text("row 11, column 10")
    expect(page).to_have_url(re.compile(r"cell=11\.10"))


def test_a_channel_and_a_layer_are_a_click_away(app: AppServer, page: Page, sick_film: SampleFilm) -> None:
    open_maps(page, app, sick_film)
    tile = page.locator(".mosaic .tile").nth(5)
    channel = tile.get_attribute("data-channel")
    tile.click()
    expect(page.locator(".corner").first).to_have_text(f"block3_conv1 · channel {channel}")
    expect(page).to_have_url(re.compile(f"channel={channel}(&|$)"))
    expect(page.locator(f'.mosaic .tile[data-channel="{channel}"]')).to_have_attribute("aria-pressed", "true")
    page.locator('.flow .tile[data-layer="block5_pool"]').click()
    expect(page.locator(".corner").first).to_contain_text("block5_pool · channel")
    expect(page).not_to_have_url(re.compile("channel="))
    expect(page.locator(".equation")).to_contain_text("the largest of the 4 values")


def test_play_walks_the_film_through_the_network(app: AppServer, page: Page, sick_film: SampleFilm) -> None:
    open_maps(page, app, sick_film)
    page.get_by_role("button", name="Play").click()
    lit = page.locator(".flow .tile.lit b")
    expect(lit).to_have_text("film")
    expect(lit).to_have_text("1 conv1")
    expect(page.locator(".flow .show")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".flow .tile.lit")).to_have_count(0)
    expect(page.locator(".flow .show")).to_be_hidden()


def test_opacity_of_the_map_works_in_the_browser(app: AppServer, page: Page, sick_film: SampleFilm) -> None:
    open_maps(page, app, sick_film)
    slider = page.get_by_label("Opacity of the map")
    slider.fill("20")
    expect(page.locator(".scope output")).to_have_text("20 %")
    canvas = page.locator(".scope .map")
    alphas = canvas.evaluate(
        "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).filter((_, k) => k % 4 === 3)"
    )
    assert max(alphas) == 51, "a fifth of 255 where the channel is strongest"
    assert min(alphas) == 10, "a twenty-fifth where it is silent"


def test_the_heatmap_follows_its_address_and_its_tiles(app: AppServer, page: Page, sick_film: SampleFilm) -> None:
    page.goto(f"{app.address}/Heatmaps?sample={sick_film.slug}&method=layer-cam&layer=block3_conv3&side=yes")
    settle(page)
    expect(page.locator(".box .hint")).to_contain_text("Where block3_conv3 found evidence for pneumonia")
    page.locator(".mosaic").first.locator(".tile").nth(9).click()
    expect(page.locator(".box .hint")).to_contain_text("Where block4_conv3 found evidence")
    expect(page).to_have_url(re.compile("layer=block4_conv3"))
    page.locator(".mosaic").nth(1).locator(".tile").nth(0).click()
    expect(page.locator(".pn-method")).to_have_text("Grad-CAM")


def test_long_work_shows_how_far_it_is_and_can_be_cancelled(app: AppServer, page: Page, sick_film: SampleFilm) -> None:
    page.goto(f"{app.address}/Heatmaps?sample={sick_film.slug}&method=occlusion")
    settle(page)
    page.get_by_role("button", name="Work out Occlusion").click()
    expect(page.get_by_text(re.compile(r"\d+ % done"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Work out Occlusion")).to_be_visible()
    expect(page.locator(".pn-problem")).to_have_count(0)


def test_a_report_card_is_drawn(app: AppServer, page: Page, sick_film: SampleFilm) -> None:
    page.goto(f"{app.address}/Heatmaps?sample={sick_film.slug}")
    settle(page)
    page.get_by_role("button", name="Grade this heatmap").click()
    expect(page.locator(".pn-table")).to_contain_text("An edge detector", timeout=120_000)
    expect(page.locator(".js-plotly-plot")).to_have_count(2)


def test_picture_and_report_are_downloaded(app: AppServer, page: Page, sick_film: SampleFilm) -> None:
    page.goto(f"{app.address}/Heatmaps?sample={sick_film.slug}")
    settle(page)
    for label, ending in (("This heatmap as PNG, full size", ".png"), ("Everything as one HTML file", ".html")):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=label).click()
        assert waiting.value.suggested_filename.endswith(ending)
        assert waiting.value.path().stat().st_size > 20_000


@pytest.mark.parametrize("path", ["Activation_maps", "Heatmaps"])
def test_pages_fit_a_phone(app: AppServer, page: Page, sick_film: SampleFilm, path: str) -> None:
    page.set_viewport_size({"width": 400, "height": 850})
    page.goto(f"{app.address}/{path}?sample={sick_film.slug}")
    settle(page)
    for scroller in (page.locator("html"), page.get_by_test_id("stMain")):
        assert scroller.evaluate("element => element.scrollWidth") <= 400


def test_the_browsers_way_back_leads_through_what_was_seen(app: AppServer, page: Page, sick_film: SampleFilm) -> None:
    open_maps(page, app, sick_film)
    first = page.locator(".corner").first.inner_text()
    page.locator('.flow .tile[data-layer="block5_conv3"]').click()
    expect(page.locator(".corner").first).to_contain_text("block5_conv3")
    settle(page)
    page.locator('.flow .tile[data-layer="block1_conv2"]').click()
    expect(page.locator(".corner").first).to_contain_text("block1_conv2")
    settle(page)
    page.go_back()
    expect(page.locator(".corner").first).to_contain_text("block5_conv3")
    settle(page)
    page.go_back()
    expect(page.locator(".corner").first).to_have_text(first)
    expect(page.locator(".pn-problem")).to_have_count(0)
    page.go_forward()
    expect(page.locator(".corner").first).to_contain_text("block5_conv3")


def test_quick_arrow_keys_lose_no_step(app: AppServer, page: Page, sick_film: SampleFilm) -> None:
    open_maps(page, app, sick_film, "&layer=block2_pool&cell=5.5")
    stage = page.locator(".scope .stage")
    stage.focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(100)
    expect(page).to_have_url(re.compile(r"cell=5\.11"))
    settle(page)
    expect(page.locator(".where")).to_contain_text("row 5, column 11 ")


def test_the_sliders_value_stands_on_one_line(app: AppServer, page: Page, sick_film: SampleFilm) -> None:
    page.goto(f"{app.address}/Heatmaps?sample={sick_film.slug}")
    settle(page)
    value = page.get_by_test_id("stSliderThumbValue").first
    expect(value).to_contain_text("block5_conv3")
    box = value.bounding_box()
    assert box is not None and box["height"] < 40 and box["width"] > 50
    assert box["x"] + box["width"] <= 1440
