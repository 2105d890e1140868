"""The page that walks from the film to a layer, from the layer to a channel, and from the channel to one number."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from model.errors import ExplainError, ImageError
from model.explain.maps import ORDERS, Order, channels_of
from ui import network
from ui.flow import show_flow
from ui.frame import HEATMAPS, invite, problem
from ui.kernels import show_kernels
from ui.layer_words import layer_words
from ui.microscope import channel_png, show_microscope
from ui.mosaic import page_of, pages_of, show_mosaic
from ui.state import OpenFilm, open_film, sample_library, session
from ui.verdict import number
from ui.widgets import choose, choose_number, switch
from ui.with_film import show_with_film

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlit.delta_generator import DeltaGenerator

    from model.predictor import Predictor
    from model.sight import LayerFacts, Sight

_ORDER_NAMES: dict[str, str] = {"strength": "Strength", "push": "Push towards {yes}", "number": "Number"}
_NOBODY = "no other film"


def show_maps() -> None:
    """Draw the page."""
    st.html(
        '<header class="pn-hero pn-page pn-tight"><p class="pn-eyebrow">Activation maps</p>'
        "<h1>Walk into the network</h1>"
        "<p>From the film to a layer, from the layer to a channel, from the channel to one number: nothing but "
        "multiplication and addition.</p></header>"
    )
    show_with_film("To see what the layers make of it, put a film on the light box.", _show_network)
    invite(
        HEATMAPS,
        heading="Which of it counted?",
        words="Heatmaps ask the same layers where they spoke for the answer, and how far to believe them.",
    )


def _show_network(predictor: Predictor, sight: Sight, opened: OpenFilm) -> None:
    place = session().place
    layer = _layer(sight)
    show_flow(
        sight,
        film=opened.radiograph.sha256,
        version=predictor.version,
        chosen=layer.name,
        sides=predictor.classifier.sides,
        on_choice=lambda: _to_layer(st.session_state["flow"].layer),
    )
    left, right = st.columns([1, 3.4], gap="medium", vertical_alignment="bottom")
    with left:
        choose("Layer", [one.name for one in sight.layers], value=layer.name, key="layer", on_choice=_to_layer)
    with right:
        st.html(_facts_html(sight, layer))
    order = _order()
    channel = _channel(sight, layer, order)
    with st.container(horizontal=True, vertical_alignment="bottom", key="channel-bar"):
        page, common = _channel_bar(predictor, sight, layer, order, channel)
        beside = _beside(opened)
    name = opened.film.name if beside else "this film"
    st.html(_channel_heading(sight, layer, channel, predictor.classifier.sides[1], name))
    cell = place.cell(layer.size)
    if place.get("cell") is not None and cell is None:
        problem(
            f"The address names the cell {(place.get('cell') or '')[:12]}; {layer.name} has {_cells(layer)} cells."
        )
        place.set("cell", None)
    films = [(sight, opened), *beside]
    channels, *columns = st.columns([1, 2.4] if len(films) == 1 else [0.7, 1, 1], gap="small")
    with channels:
        show_mosaic(
            sight,
            film=opened.radiograph.sha256,
            version=predictor.version,
            layer=layer.name,
            order=order,
            page=page,
            chosen=channel,
            common=common,
            on_choice=lambda: _to_channel(st.session_state["mosaic"].choice),
        )
    try:
        _films(predictor, films, columns, layer, channel, cell, common)
    except ExplainError as error:
        problem(str(error))
    st.download_button(
        "This channel over the film as PNG, full size",
        lambda: channel_png(opened.radiograph.pixels, sight.maps[layer.name][:, :, channel]),
        file_name=f"{layer.name}.{channel}.png".replace("/", "_"),
        mime="image/png",
        icon=":material/image:",
        on_click="ignore",
        key="channel-png",
    )
    show_kernels(predictor, layer, channel)
    place.write()


def _films(
    predictor: Predictor,
    films: list[tuple[Sight, OpenFilm]],
    columns: list[DeltaGenerator],
    layer: LayerFacts,
    channel: int,
    cell: tuple[int, int] | None,
    common: bool,
) -> None:
    top = max(float(sight.maps[layer.name][:, :, channel].max()) for sight, _ in films)
    if common:
        top = max(float(sight.maps[layer.name].max()) for sight, _ in films)
    for place, (column, (sight, opened)) in enumerate(zip(columns, films, strict=True)):
        key = f"microscope-{place}"
        with column:
            show_microscope(
                predictor,
                sight,
                opened,
                layer=layer.name,
                channel=channel,
                cell=cell,
                top=top,
                wide=len(films) == 1,
                key=key,
                on_pin=_pinner(key),
            )


def _channel_bar(
    predictor: Predictor, sight: Sight, layer: LayerFacts, order: Order, channel: int
) -> tuple[int, bool]:
    """Draw how the channels are shown, and return the page, from 0, and whether on one scale."""
    place = session().place
    names = {key: name.format(yes=predictor.classifier.sides[1]) for key, name in _ORDER_NAMES.items()}
    sequence = [int(k) for k in channels_of(sight, layer.name).sorted_by(order)]
    pages = pages_of(layer.channels)
    page = place.number("page", below=pages + 1)
    if place.get("page") is not None and not page:
        problem(f"The address names page {(place.get('page') or '')[:12]}; {layer.name} has {pages} of them.")
        place.set("page", None)
    page = page - 1 if page else page_of(sequence, channel)
    choose("Sort channels by", ORDERS, value=order, key="order", on_choice=_to_order, names=names, pills=True)
    if pages > 1:
        choose_number("Page", value=page + 1, most=pages, key="page", on_choice=_to_page)
    common = switch("One scale for all", value=place.get("scale") == "layer", key="scale", on_choice=_to_scale)
    return page, common


def _layer(sight: Sight) -> LayerFacts:
    place = session().place
    named = place.get("layer")
    if named is not None:
        for layer in sight.layers:
            if layer.name == named:
                return layer
        problem(f"The address names the layer “{named}”, which this network does not have. Here is another one.")
        place.set("layer", None)
    return sight.convolutions[min(4, len(sight.convolutions) - 1)]


def _order() -> Order:
    named, wrong = session().place.one_of("order", ORDERS)
    if wrong:
        problem(wrong)
    return next((order for order in ORDERS if order == named), "strength")


def _channel(sight: Sight, layer: LayerFacts, order: Order) -> int:
    place = session().place
    number = place.number("channel", below=layer.channels)
    if number is not None:
        return number
    if place.get("channel") is not None:
        problem(
            f"The address names channel {(place.get('channel') or '')[:12]}; {layer.name} has channels 0 to "
            f"{layer.channels - 1}. Here is the first one in this order."
        )
        place.set("channel", None)
    return int(channels_of(sight, layer.name).sorted_by(order)[0])


def _beside(opened: OpenFilm) -> list[tuple[Sight, OpenFilm]]:
    held = session()
    others = {
        **{film.key: film for film in sample_library().values()},
        **{row.film.key: row.film for row in held.rows.values()},
    }
    others.pop(opened.film.key, None)
    chosen = held.place.get("beside")
    if chosen is not None and chosen not in others:
        if chosen != opened.film.key:
            problem(f"The address names “{chosen}” to stand beside, and there is no such film here.")
        held.place.set("beside", None)
        chosen = None
    names = {"": _NOBODY, **{key: film.name for key, film in others.items()}}
    choose(
        "Beside it, on the same channel",
        list(names),
        value=chosen or "",
        key="beside",
        on_choice=lambda value: held.place.set("beside", value or None),
        names=names,
        width=300,
    )
    if chosen is None:
        return []
    try:
        second = held.beside if held.beside and held.beside.film.key == chosen else open_film(others[chosen])
        held.beside = second
        return [(network.explain(second.radiograph, place=st.empty()), second)]
    except ImageError as error:
        problem(str(error))
        return []


def _to_layer(name: str | None) -> None:
    if name is None:
        return
    place = session().place
    place.set("layer", name)
    for key in ("channel", "cell", "page"):
        place.set(key, None)


def _to_channel(channel: int | None) -> None:
    if channel is not None:
        session().place.set("channel", int(channel))


def _to_order(order: str) -> None:
    place = session().place
    place.set("order", order)
    place.set("page", None)


def _to_scale(common: bool) -> None:
    session().place.set("scale", "layer" if common else None)


def _to_page(page: int) -> None:
    session().place.set("page", page)


def _pinner(key: str) -> Callable[[], None]:
    def pin() -> None:
        cell = st.session_state[key].cell
        if cell is None:
            return
        row, column = (int(value) for value in cell)
        session().place.set("cell", f"{row}.{column}" if row >= 0 else None)

    return pin


def _facts_html(sight: Sight, layer: LayerFacts) -> str:
    channels = channels_of(sight, layer.name)
    silent = int(channels.dead.sum())
    facts = f"{layer.channels} channels of {_cells(layer)} cells"
    if silent:
        facts += f", {silent} of them silent on this film"
    return f'<div class="pn-layer-box"><b>{escape(facts)}.</b> {escape(layer_words(sight.layers, layer.name))}</div>'


def _channel_heading(sight: Sight, layer: LayerFacts, channel: int, yes: str, film: str) -> str:
    facts = channels_of(sight, layer.name)
    push = float(facts.push[channel])
    if facts.dead[channel]:
        words = f"It is silent on {escape(film)}: every cell is zero."
    else:
        way = "towards" if push > 0 else "away from"
        words = (
            f"On {escape(film)} its mean is {number(float(facts.strength[channel]))} and its peak "
            f"{number(float(facts.peak[channel]))}. To first order it pushes the log odds {way} {escape(yes)} by "
            f"{abs(push):.3f}."
        )
    return f'<div class="pn-section"><h3>Channel {channel} of {escape(layer.name)}</h3><p>{words}</p></div>'


def _cells(layer: LayerFacts) -> str:
    return f"{layer.size[1]} × {layer.size[0]}"
