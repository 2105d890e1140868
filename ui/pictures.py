"""Films and heatmaps as picture files for the browser; nothing here is remembered."""

from __future__ import annotations

import io
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from model.explain.overlay import Colors
    from model.images import Radiograph
    from model.predictor import Heatmap

LONGEST_SIDE = 1000
THUMBNAIL_SIDE = 240
_LEGEND_STEPS = 64


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What the light box needs of one film; sent to the browser once.

    Attributes
    ----------
    film, glow, legend : str
        ``data:`` addresses of the film, the film under the full heatmap, and the color scale. `glow` and
        `legend` are empty where the network found no positive evidence.
    width, height : int
        Pixels of `film` and `glow`.
    peak : float
        The strongest evidence before scaling.
    layer : str
        The layer the heatmap was read from.
    """

    film: str
    glow: str
    legend: str
    width: int
    height: int
    peak: float
    layer: str


def draw_picture(film: Radiograph, heatmap: Heatmap, *, colors: Colors = "inferno", share: float = 1.0) -> Picture:
    """Draw a film and its heatmap at display size.

    Parameters
    ----------
    film : Radiograph
        The film; at most 1000 pixels of its longer side are shown.
    heatmap : Heatmap
        What to lay over it.
    colors : {"inferno", "cividis"}
        The color scale.
    share : float
        How far up the scale the heatmap's peak lies, 0..1: 1 on a scale of its own, less on one for several.
    """
    from model.explain.overlay import blend

    pixels = fit(film.pixels, LONGEST_SIDE)
    glow = legend = ""
    if heatmap.has_evidence:
        glow = _jpeg(blend(pixels, heatmap.values * np.float32(share), opacity=1.0, colors=colors))
        ramp = np.linspace(0.0, 1.0, _LEGEND_STEPS, dtype=np.float32)[np.newaxis, :]
        legend = _png(blend(np.zeros_like(ramp), ramp, opacity=1.0, colors=colors))
    return Picture(
        film=_jpeg(_gray(pixels)),
        glow=glow,
        legend=legend,
        width=pixels.shape[1],
        height=pixels.shape[0],
        peak=round(float(heatmap.maximum), 4),
        layer=heatmap.layer,
    )


def draw_film(pixels: NDArray[np.float32]) -> str:
    """Draw gray values at display size and return the ``data:`` address of a JPEG."""
    return _jpeg(_gray(fit(pixels, LONGEST_SIDE)))


def draw_thumbnail(pixels: NDArray[np.float32]) -> bytes:
    """Return a square JPEG of a film's middle, at most 240 pixels wide, for galleries and the sidebar."""
    height, width = pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = fit(pixels[top : top + side, left : left + side], THUMBNAIL_SIDE)
    buffer = io.BytesIO()
    Image.fromarray(_gray(middle)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def fit(pixels: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Shrink gray values so that neither side is longer than `side`; smaller films stay as they are."""
    height, width = pixels.shape
    scale = side / max(height, width)
    if scale >= 1.0:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shrunk = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, dtype=np.float32)


def data_url(pixels: NDArray[np.uint8], kind: Literal["JPEG", "PNG"] = "PNG") -> str:
    """Return gray or RGB pixels as the ``data:`` address of a picture file."""
    return _jpeg(pixels) if kind == "JPEG" else _png(pixels)


def _gray(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.round(np.clip(pixels, 0.0, 1.0) * 255.0).astype(np.uint8)


def _jpeg(pixels: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90, subsampling=0)
    return "data:image/jpeg;base64," + b64encode(buffer.getvalue()).decode("ascii")


def _png(pixels: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return "data:image/png;base64," + b64encode(buffer.getvalue()).decode("ascii")
