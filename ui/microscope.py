"""One channel large over its film, and the arithmetic of the cell under the pointer; all of it in the browser."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from model.explain.dissection import Dissection, dissect
from model.explain.maps import display
from ui.colors import colored, table
from ui.components import component
from ui.lightbox import bare_film
from ui.packing import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from model.predictor import Predictor
    from model.sight import Sight
    from ui.state import OpenFilm

Packed = tuple[dict[str, object], dict[str, NDArray[Any]]]

_HINT = (
    "Move over the film: the bright frame is all that this cell can see, and the numbers are its own. A click pins "
    "the cell, and its address can be shared."
)


def show_microscope(
    predictor: Predictor,
    sight: Sight,
    opened: OpenFilm,
    *,
    layer: str,
    channel: int,
    cell: tuple[int, int] | None,
    top: float,
    wide: bool,
    key: str,
    on_pin: Callable[[], None],
) -> None:
    """Draw a film under one channel of one layer.

    Parameters
    ----------
    predictor : Predictor
        The network; it does not run.
    sight : Sight
        What it did with the film.
    opened : OpenFilm
        The film.
    layer, channel : str, int
        What to lay over it.
    cell : tuple of int or None
        The pinned cell.
    top : float
        Where the color scale ends.
    wide : bool
        Film and numbers beside each other; one above the other where two films share the page.
    key : str
        Of the component; ``st.session_state[key].cell`` is what was pinned, (-1, -1) for nothing.
    on_pin : callable
        Called when a cell is pinned or let go.
    """
    packed = _packed(opened.radiograph.sha256, predictor.version, layer, channel, _parts=(predictor, sight, opened))
    header = {"cell": list(cell) if cell else None, "wide": wide, "top": top}
    component("microscope", "unpack")(key=key, data=_with_header(packed, header), on_cell_change=on_pin)


def channel_png(film: NDArray[np.float32], values: NDArray[np.float32]) -> bytes:
    """Return a channel's map over its film as PNG, of the film's size; cells are sharp squares."""
    height, width = film.shape
    level = display(values[:, :, None], side=max(values.shape))[0]
    cells = cv2.resize(colored(level), (width, height), interpolation=cv2.INTER_NEAREST)
    gray = np.repeat(255 * film[:, :, None], 3, axis=2)
    buffer = io.BytesIO()
    Image.fromarray(np.rint(0.25 * gray + 0.75 * cells).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _with_header(packed: Packed, more: Mapping[str, object]) -> bytes:
    header, arrays = packed
    return pack({**header, **more}, arrays)


@st.cache_data(scope="session", max_entries=8, show_spinner=False)
def _packed(film: str, version: str, layer: str, channel: int, *, _parts: tuple[Predictor, Sight, OpenFilm]) -> Packed:
    predictor, sight, opened = _parts
    radiograph = opened.radiograph
    height, width = radiograph.pixels.shape
    found = dissect(predictor, sight, layer, channel, film=(height, width))
    header: dict[str, object] = {
        "layer": layer,
        "channel": channel,
        "operation": found.operation,
        "bias": found.bias,
        "activation": found.activation,
        "left_out": found.left_out,
        "input_names": _input_names(found),
        "film": bare_film(radiograph.sha256, radiograph.pixels),
        "width": width,
        "height": height,
        "film_width": width,
        "film_height": height,
        "caption": opened.film.name,
        "start": _start(found),
        "hint": _HINT,
    }
    arrays: dict[str, NDArray[Any]] = {
        "values": found.values,
        "before": found.before,
        "inputs": found.inputs,
        "kernel": found.kernel,
        "rest": found.rest,
        "channels": found.channels,
        "rows": found.rows,
        "columns": found.columns,
        "row_spans": found.row_spans,
        "column_spans": found.column_spans,
        "colors": table(),
    }
    return header, arrays


def _start(found: Dissection) -> list[int]:
    """Return the cell to begin with: the strongest, or the one in the middle of a silent channel."""
    height, width = found.values.shape
    if not found.values.any():
        return [height // 2, width // 2]
    row, column = np.unravel_index(int(found.values.argmax()), found.values.shape)
    return [int(row), int(column)]


def _input_names(found: Dissection) -> list[str]:
    if found.layer == "block1_conv1" and len(found.channels) == 3:
        # The film's gray three times over, as ImageNet's blue, green and red.
        return [("blue", "green", "red")[channel] for channel in found.channels]
    return []
