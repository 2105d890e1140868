"""Small readers of a page under AppTest."""

from __future__ import annotations

import json
from typing import Any

from streamlit.testing.v1 import AppTest

from tests.app_server import ROOT
from ui.packing import unpack

HOME = str(ROOT / "app.py")
MAPS = "pages/1_Activation_maps.py"
HEATMAPS = "pages/2_Heatmaps.py"
EVALUATION = "pages/3_Evaluation.py"
THE_MODEL = "pages/4_The_model.py"


def open_home(**query: str) -> AppTest:
    """Open the home page cold, with these parameters in its address."""
    page = AppTest.from_file(HOME, default_timeout=60)
    for key, value in query.items():
        page.query_params[key] = value
    return page.run()


def open_page(path: str, **query: str) -> AppTest:
    """Open another page cold, with these parameters in its address."""
    page = AppTest.from_file(HOME, default_timeout=60).run()
    for key, value in query.items():
        page.query_params[key] = value
    return page.switch_page(path).run()


def component_data(page: AppTest, name: str) -> Any:
    """Return the data of a component on the page by its name, unpacked, or None if it is not there."""
    return next(iter(components_data(page, name)), None)


def components_data(page: AppTest, name: str) -> list[Any]:
    """Return the data of all components of that name."""
    found = [box for box in page.get("bidi_component") if box.proto.component_name == f"pneumoscope_{name}"]
    return [
        unpack(b.proto.bytes) if b.proto.WhichOneof("data") == "bytes" else json.loads(b.proto.json) for b in found
    ]


def words(page: AppTest) -> str:
    """Return everything the page says as HTML, styles left out."""
    return "\n".join(element.value for element in page.html if not element.value.lstrip().startswith("<style"))


def light_box(page: AppTest) -> dict[str, Any] | None:
    """Return the data the light box was given, or None if there is no film on it."""
    boxes = page.get("bidi_component")
    if not boxes:
        return None
    data: dict[str, Any] = json.loads(boxes[0].proto.json)
    return data


def drop(page: AppTest, *files: tuple[str, bytes]) -> AppTest:
    """Drop files, given as name and content, on the drop zone."""
    page.file_uploader[0].set_value([(name, content, "application/octet-stream") for name, content in files])
    return page.run()


def no_trouble(page: AppTest) -> None:
    """Fail if the page shows an exception of any kind."""
    assert not page.exception
