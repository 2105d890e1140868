"""What a person does on the home page, in a real browser over the real app."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, WebSocket, expect

from model.artifacts import SampleFilm
from tests.app_server import AppServer
from tests.browser.conftest import Drop
from tests.chromium import settle


def fade_to(page: Page, percent: int) -> bytes:
    """Move the opacity slider and return what the film then looks like."""
    slider = page.get_by_role("slider", name="Opacity of the heatmap")
    slider.fill(str(percent))
    expect(page.locator(".fade output")).to_have_text(f"{percent} %")
    glow = page.locator(".stage .glow")
    expect(glow).to_have_css("opacity", f"{percent / 100:g}")
    return page.locator(".stage").screenshot(animations="disabled")


def test_dropped_film_gets_a_verdict_and_a_heatmap(
    app: AppServer, home: Page, sick_film: SampleFilm, drop: Drop
) -> None:
    drop(home, {"my-secret-name.png": Path(sick_film.path).read_bytes()})
    expect(home.get_by_role("heading", level=1)).to_have_text(re.compile("^Looks (like pneumonia|normal)$"))
    expect(
        home.get_by_role("img", name=re.compile(r"^Probability of pneumonia .+ %, threshold .+ %$"))
    ).to_be_visible()
    expect(home.locator(".stage .film")).to_be_visible()
    expect(home.locator(".stage .glow")).to_be_visible()
    expect(home.locator(".pn-disclaimer")).to_contain_text("not for clinical use")
    expect(home.locator(".pn-facts")).to_contain_text("in the network")
    # Nothing of an upload goes into the address or the log, and only the bounded shelf keeps its bytes.
    assert "sample=" not in home.url
    assert "my-secret-name" not in app.log.read_text(errors="replace")
    assert "UploadedFileManager" not in app.metrics()


def test_opacity_changes_the_picture_without_asking_the_server(
    app: AppServer, page: Page, sick_film: SampleFilm
) -> None:
    sent: list[str | bytes] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: sent.append(frame))  # noqa: PLW0108

    page.on("websocket", listen)
    page.goto(f"{app.address}/?sample={sick_film.slug}")
    settle(page)
    expect(page.locator(".stage .glow")).to_be_visible()
    assert sent
    sent.clear()
    bare, half, full = fade_to(page, 0), fade_to(page, 50), fade_to(page, 100)
    assert len({bare, half, full}) == 3
    assert fade_to(page, 0) == bare
    assert sent == []
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def test_shared_address_opens_cold_on_every_page(app: AppServer, page: Page, sick_film: SampleFilm) -> None:
    page.goto(f"{app.address}/?sample={sick_film.slug}")
    settle(page)
    expect(page.locator(".pn-verdict")).to_be_visible()
    page.get_by_role("link", name="The model").first.click()
    page.wait_for_url(re.compile(rf"/The_model\?sample={re.escape(sick_film.slug)}$"))
    address = page.url
    fresh = page.context.browser
    assert fresh is not None
    elsewhere = fresh.new_page(viewport={"width": 1440, "height": 1000})
    elsewhere.goto(address)
    settle(elsewhere)
    expect(elsewhere.locator(".st-key-now-showing img")).to_be_visible()
    expect(elsewhere.get_by_text("There is no sample film")).to_have_count(0)
    elsewhere.close()


def test_unknown_address_gets_a_sentence(app: AppServer, page: Page) -> None:
    page.goto(f"{app.address}/?sample=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
    settle(page)
    expect(page.get_by_role("alert")).to_contain_text("There is no sample film called “<img src=x")
    expect(page.locator(".st-key-gallery img").first).to_be_visible()
    expect(page.locator("img[src='x']")).to_have_count(0)
    expect(page.locator(".pn-verdict")).to_have_count(0)


def test_broken_file_gets_a_sentence_and_the_rest_goes_on(
    app: AppServer, home: Page, sick_film: SampleFilm, broken_film: bytes, drop: Drop
) -> None:
    drop(home, {"broken.jpeg": broken_film, "empty.dcm": b""}, until=".pn-refusals")
    refusals = home.locator(".pn-refusals li")
    expect(refusals).to_have_count(2)
    expect(refusals.first).to_contain_text("broken.jpeg")
    expect(home.locator(".pn-verdict")).to_have_count(0)
    drop(home, {"good.jpeg": Path(sick_film.path).read_bytes()})
    expect(home.locator(".pn-verdict")).to_be_visible()
    expect(refusals).to_have_count(0)
    expect(home.get_by_test_id("stException")).to_have_count(0)
    assert "Traceback" not in app.log.read_text(errors="replace")


def test_several_films_make_a_table_whose_rows_open(
    home: Page, sick_film: SampleFilm, film_png: object, drop: Drop
) -> None:
    assert callable(film_png)
    drop(home, {"flat.png": film_png(0.5, side=128), "sick.jpeg": Path(sick_film.path).read_bytes()})
    table = home.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()
    opened = home.locator(".pn-film-name")
    first = opened.inner_text()
    box = table.bounding_box()
    assert box is not None
    home.mouse.click(box["x"] + 17, box["y"] + 36 + 36 + 18)
    expect(opened).not_to_have_text(first)
    settle(home)
    with home.expect_download() as download:
        home.get_by_role("button", name="Download as CSV").click()
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("file,sha256,probability,threshold,verdict")
    assert {line.split(",")[0] for line in lines[1:]} == {"flat.png", "sick.jpeg"}
    expect(home.get_by_test_id("stException")).to_have_count(0)


def test_chosen_film_survives_page_changes(home: Page, sick_film: SampleFilm, drop: Drop) -> None:
    drop(home, {"mine.jpeg": Path(sick_film.path).read_bytes()})
    home.get_by_role("link", name="The model").first.click()
    expect(home.get_by_role("heading", name="What kind of network is this?")).to_be_visible()
    expect(home.locator(".st-key-now-showing")).to_contain_text("mine.jpeg")
    home.get_by_role("link", name="Light box").first.click()
    expect(home.locator(".pn-film-name")).to_have_text("mine.jpeg")
    settle(home)
    expect(home.locator(".pn-hero h1")).to_have_count(0)


def test_file_over_the_limit_is_refused_before_it_is_sent(home: Page, tmp_path: Path) -> None:
    huge = tmp_path / "huge.dcm"
    with huge.open("wb") as file:
        file.truncate(201 * 1024 * 1024)
    home.locator("input[type=file]").set_input_files(huge)
    expect(home.get_by_role("alert")).to_contain_text("File must be 200.0MB or smaller")
    settle(home)
    expect(home.locator(".pn-verdict")).to_have_count(0)


def test_phone_shows_everything_without_scrolling_sideways(app: AppServer, page: Page, sick_film: SampleFilm) -> None:
    page.set_viewport_size({"width": 400, "height": 850})
    for path in ("/", f"/?sample={sick_film.slug}", "/The_model"):
        page.goto(app.address + path)
        settle(page)
        for scroller in (page.locator("html"), page.get_by_test_id("stMain")):
            assert scroller.evaluate("element => element.scrollWidth") <= 400, path
        expect(page.get_by_test_id("stAppDeployButton")).to_have_count(0)
    shade = page.get_by_test_id("stHeader").evaluate("element => getComputedStyle(element).backgroundColor")
    alpha = re.search(r"[/,] (0\.\d+)\)$", shade)
    assert alpha and float(alpha[1]) >= 0.85, f"text that scrolls under the menu's arrow shows through {shade}"


def test_light_and_dark_follow_the_reader(app: AppServer, page: Page) -> None:
    def background() -> int:
        color = page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
        return sum(int(part) for part in re.findall(r"\d+", color)[:3])

    page.emulate_media(color_scheme="light")
    page.goto(app.address)
    settle(page)
    assert background() > 3 * 220
    page.emulate_media(color_scheme="dark")
    page.goto(app.address)
    settle(page)
    assert background() < 3 * 40
