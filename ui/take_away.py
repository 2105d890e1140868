"""Pictures and the whole page to take away: PNG at the film's own size, and one HTML file that needs nothing else."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from model.explain.cam import CAM_METHODS, Heatmap, heatmap
from model.explain.film_methods import FILM_METHODS
from model.explain.overlay import blend
from model.explain.report import BASELINES, HEATMAP
from ui.components import read
from ui.doubts import card_html
from ui.heatmap_choice import METHODS, Choice
from ui.heatmap_panels import job_key, overlaid, share_of, side_of
from ui.jobs import result_of, show_job
from ui.pictures import data_url, draw_film
from ui.verdict import NOT_CLINICAL, number, percent

if TYPE_CHECKING:
    from model.explain.randomization import Level
    from model.explain.report import ReportCard
    from model.explain.work import Progress
    from model.predictor import Predictor
    from model.sight import Sight
    from ui.state import OpenFilm


@dataclass(frozen=True, kw_only=True, eq=False)
class WorkedOut:
    """What takes time, as far as a person has asked for it.

    It is gathered while the page is drawn: pictures and reports are made in threads that have no session.

    Attributes
    ----------
    maps : Mapping of str to ndarray of float32
        What the methods that look at the film gave.
    card : ReportCard or None
        The grades of the heatmap that is open.
    levels : sequence of Level
        The network that forgets, step by step; empty if it was not asked for.
    """

    maps: Mapping[str, NDArray[np.float32]]
    card: ReportCard | None
    levels: Sequence[Level]


def show_take_away(
    predictor: Predictor,
    sight: Sight,
    opened: OpenFilm,
    choice: Choice,
    found: Heatmap | None,
    extras: WorkedOut,
) -> None:
    """Draw the buttons."""
    if found is None:
        return
    stem = _stem(opened)
    name = f"{stem}.{choice.method}.{found.layer}".replace("/", "_")
    with st.container(horizontal=True, key="take-away"):
        st.download_button(
            "This heatmap as PNG, full size",
            lambda: full_size_png(opened, found, choice, share_of(found, sight, choice)),
            file_name=f"{name}.png",
            mime="image/png",
            icon=":material/image:",
            on_click="ignore",
        )
        st.download_button(
            "Everything as one HTML file",
            lambda: html_report(predictor, sight, opened, choice, found, extras).encode("utf-8"),
            file_name=f"{stem}.html",
            mime="text/html",
            icon=":material/article:",
            on_click="ignore",
        )


def show_all_pictures(predictor: Predictor, sight: Sight, opened: OpenFilm, choice: Choice, extras: WorkedOut) -> None:
    """Draw the button for every heatmap of the film at full size, and the ZIP file once it is there."""
    more = f"{sorted(extras.maps)}-{len(extras.levels)}"
    key = f"zip-{choice.what}-{opened.radiograph.sha256}-{predictor.version}-{more}"

    def work(progress: Progress) -> bytes:
        return zipped_pictures(sight, opened, choice, extras, progress=progress)

    packed: bytes | None = show_job(key, "Prepare every heatmap as PNG", work, help="At the film's own size.")
    if packed is not None:
        st.download_button(
            "Every heatmap as PNG, in a ZIP file",
            packed,
            file_name=f"{_stem(opened)}.zip",
            mime="application/zip",
            icon=":material/folder_zip:",
            on_click="ignore",
        )


def zipped_pictures(
    sight: Sight,
    opened: OpenFilm,
    choice: Choice,
    extras: WorkedOut,
    *,
    progress: Progress,
) -> bytes:
    """Return a ZIP file with all heatmaps of the page at full size, and the bare film.

    The open method at every layer and after every step of forgetting, and every method at the open layer.

    Parameters
    ----------
    sight, opened, choice : Sight, OpenFilm, Choice
        What the page shows.
    extras : WorkedOut
        What has been worked out besides.
    progress : callable
        Told the share that is done.
    """
    wanted: dict[str, tuple[Choice, Heatmap]] = {}
    for layer in sight.convolutions if choice.method in CAM_METHODS else ():
        one = replace(choice, layer=layer.name)
        wanted[f"{choice.method}.{layer.name}"] = (one, sight.heatmap(one.method, one.layer, one.side))
    for method in CAM_METHODS:
        one = replace(choice, method=method)
        wanted[f"{method}.{choice.layer}"] = (one, sight.heatmap(method, one.layer, one.side))
    for method, summed in extras.maps.items():
        wanted[f"{method}.film"] = (replace(choice, method=method), side_of(summed, method, choice.side))
    for step, level in enumerate(extras.levels):
        summed = level.summed[choice.layer, choice.side]
        name = f"{choice.method}.{choice.layer}.forgotten.{step:02d}.{level.forgotten or 'nothing'}"
        wanted[name] = (replace(choice, common=False), heatmap(summed, layer=choice.layer))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("film.png", _png(np.rint(255 * opened.radiograph.pixels).astype(np.uint8)))
        for done, (name, (one, found)) in enumerate(wanted.items(), start=1):
            png = full_size_png(opened, found, one, share_of(found, sight, one))
            archive.writestr(f"{name}.png".replace("/", "_").replace("#", "_"), png)
            progress(done / len(wanted))
    return buffer.getvalue()


def worked_out(opened: OpenFilm, predictor: Predictor) -> dict[str, NDArray[np.float32]]:
    """Return what the methods that need time gave for a film, as far as they have been worked out.

    Read while the page is drawn: pictures and reports are made in threads that have no session.
    """
    film, version = opened.radiograph.sha256, predictor.version
    found = {key: result_of(job_key(film, version, key)) for key in FILM_METHODS}
    return {key: summed for key, summed in found.items() if summed is not None}


def full_size_png(opened: OpenFilm, found: Heatmap, choice: Choice, share: float) -> bytes:
    """Return the film under its heatmap as PNG, pixel for pixel."""
    return _png(blend(opened.radiograph.pixels, found.values * np.float32(share), opacity=0.8, colors=choice.colors))


def html_report(
    predictor: Predictor,
    sight: Sight,
    opened: OpenFilm,
    choice: Choice,
    found: Heatmap,
    extras: WorkedOut,
) -> str:
    """Return all that the page shows of one film as one HTML file, with its pictures inside.

    Parameters
    ----------
    predictor, sight, opened : Predictor, Sight, OpenFilm
        The network, what it did, and the film.
    choice, found : Choice, Heatmap
        The heatmap that is open.
    extras : WorkedOut
        What has been worked out besides.
    """
    film, version = opened.radiograph.sha256, predictor.version
    prediction = sight.prediction
    side = predictor.classifier.sides[choice.side == "yes"]
    method = METHODS[choice.method]
    share = share_of(found, sight, choice)
    main = data_url(blend(opened.radiograph.pixels, found.values * share, opacity=0.8, colors=choice.colors), "JPEG")
    peak = f"peak {number(found.maximum)}" if found.has_evidence else "no positive evidence"
    parts = [
        f"<h1>{escape(opened.film.name)}</h1>",
        f'<p class="notice">{escape(NOT_CLINICAL)}</p>',
        f"<p>Probability of {escape(predictor.classifier.sides[1])}: <b>{percent(prediction.probability)}</b>, "
        "threshold "
        f"{percent(prediction.threshold)}, verdict <b>{escape(prediction.verdict)}</b>.</p>",
        '<div class="two">'
        + _figure(draw_film(opened.radiograph.pixels), "The film")
        + _figure(main, f"{method.name} at {found.layer}, evidence for {side}, {peak}")
        + "</div>",
        f"<p>{escape(method.about)} <small>({escape(method.source)})</small></p>",
    ]
    if choice.method in CAM_METHODS:
        figures = ""
        for layer in sight.convolutions:
            one = sight.heatmap(choice.method, layer.name, choice.side)
            drawn = data_url(overlaid(sight, one, choice.colors, share_of(one, sight, choice)), "JPEG")
            figures += _figure(drawn, f"{layer.name}, {number(one.maximum)}")
        parts.append(f'<h2>{method.name} at every convolution</h2><div class="many">{figures}</div>')
    parts.append(f'<h2>Every method at {escape(choice.layer)}</h2><div class="many">')
    for key, other in METHODS.items():
        if key in CAM_METHODS:
            one = sight.heatmap(key, choice.layer, choice.side)
        elif key in extras.maps:
            one = side_of(extras.maps[key], key, choice.side)
        else:
            continue
        parts.append(_figure(data_url(overlaid(sight, one, choice.colors, 1.0), "JPEG"), other.name))
    parts.append("</div>")
    if extras.card is not None:
        names = {HEATMAP: method.name, **{key: words.capitalize() for key, words in BASELINES.items()}}
        parts.append(f"<h2>Is this heatmap any good?</h2>{card_html(extras.card, names)}")
    if extras.levels:
        figures = ""
        for level in extras.levels:
            one = heatmap(level.summed[choice.layer, choice.side], layer=choice.layer)
            drawn = data_url(overlaid(sight, one, choice.colors, 1.0), "JPEG")
            figures += _figure(drawn, f"Forgotten: {level.forgotten or 'nothing'}")
        parts.append(f'<h2>A network that forgets, from its last layer down</h2><div class="many">{figures}</div>')
    parts.append(
        f"<h2>Where this comes from</h2><p>Film SHA-256 <code>{film}</code>. Network <code>{escape(version)}</code>. "
        "Made with Pneumoscope.</p>"
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(opened.film.name)}</title>'
        '<meta name="viewport" '
        f'content="width=device-width"><style>{read("report.css")}</style></head><body>'
        f"{''.join(parts)}</body></html>"
    )


def _stem(opened: OpenFilm) -> str:
    return re.sub(r"[^\w.-]+", "-", opened.film.name).strip("-") or "film"


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    # The quickest compression: a film of two megapixels takes a tenth of the time for a sixth more bytes.
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _figure(picture: str, words: str) -> str:
    return f'<figure><img src="{picture}" alt="{escape(words)}"><figcaption>{escape(words)}</figcaption></figure>'
