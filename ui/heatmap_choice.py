"""Which heatmap a person looks at: method, layer, side, colors and scale, all of them in the address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from model.explain.cam import CAM_METHODS, CamMethod
from model.explain.film_methods import FILM_METHODS, FilmMethod
from model.explain.overlay import TABLES, Colors
from ui.frame import problem
from ui.state import session
from ui.widgets import choose, choose_step, switch

if TYPE_CHECKING:
    from model.sight import Side, Sight

METHODS: dict[str, CamMethod | FilmMethod] = {**CAM_METHODS, **FILM_METHODS}
_COLOR_NAMES = {"inferno": "Inferno", "cividis": "Cividis, for all eyes"}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What to show.

    Attributes
    ----------
    method : str
        A key of `METHODS`.
    layer : str
        A convolution; not used by methods that look at the film.
    side : {"yes", "no"}
        Evidence for what.
    colors : {"inferno", "cividis"}
        The color scale.
    common : bool
        On one scale for all layers, instead of a scale of its own.
    """

    method: str
    layer: str
    side: Side
    colors: Colors
    common: bool

    @property
    def needs_time(self) -> bool:
        """Whether the method asks the network many times."""
        return self.method in FILM_METHODS

    @property
    def what(self) -> str:
        """Names the picture among those of one film."""
        layer = "film" if self.needs_time else self.layer
        return f"{self.method} {layer} {self.side} {self.colors} {self.common}"


def show_choice(sight: Sight, sides: tuple[str, str]) -> Choice:
    """Draw the controls and return what they say."""
    choice = _choice(sight)
    names = {key: method.name for key, method in METHODS.items()}
    with st.container(horizontal=True, vertical_alignment="bottom", key="heatmap-bar"):
        choose(
            "Method",
            list(METHODS),
            value=choice.method,
            key="method",
            on_choice=_setter("method"),
            names=names,
            width=220,
        )
        choose(
            "Evidence for",
            ["yes", "no"],
            value=choice.side,
            key="side",
            on_choice=_setter("side"),
            names={"yes": sides[1], "no": sides[0]},
            pills=True,
        )
        choose(
            "Colors",
            list(TABLES),
            value=choice.colors,
            key="colors",
            on_choice=_setter("colors"),
            names=_COLOR_NAMES,
            pills=True,
        )
        if not choice.needs_time:
            switch(
                "One scale for all layers",
                value=choice.common,
                key="scale",
                on_choice=lambda common: session().place.set("scale", "layer" if common else None),
            )
    if not choice.needs_time:
        choose_step(
            "Layer",
            [layer.name for layer in sight.convolutions],
            value=choice.layer,
            key="heatmap-layer",
            on_choice=_setter("layer"),
        )
    return choice


def to_method(number: int | None) -> None:
    """Choose a method by its number."""
    if number is not None:
        session().place.set("method", list(METHODS)[int(number)])


def to_layer(number: int | None, sight: Sight) -> None:
    """Choose a convolution by its number."""
    if number is not None:
        session().place.set("layer", sight.convolutions[int(number)].name)


def _choice(sight: Sight) -> Choice:
    place = session().place
    prediction = sight.prediction
    chosen: dict[str, str | None] = {}
    for key, options in (("method", METHODS), ("side", ("yes", "no")), ("colors", TABLES), ("scale", ("layer",))):
        chosen[key], wrong = place.one_of(key, list(options))
        if wrong:
            problem(wrong)
    verdict: Side = "yes" if prediction.is_yes else "no"
    side: Side = "yes" if chosen["side"] == "yes" else "no" if chosen["side"] == "no" else verdict
    return Choice(
        method=chosen["method"] or "grad-cam",
        layer=_layer(sight),
        side=side,
        colors="cividis" if chosen["colors"] == "cividis" else "inferno",
        common=chosen["scale"] == "layer",
    )


def _layer(sight: Sight) -> str:
    """Return the convolution that the address names; for a pooling, the one before it."""
    place = session().place
    named = place.get("layer")
    last = sight.deepest.name
    if named is None:
        return last
    before = ""
    for layer in sight.layers:
        before = layer.name if layer.kind == "convolution" else before
        if layer.name == named:
            return before or last
    problem(f"The address names the layer “{named}”, which this network does not have. Here is its last one.")
    place.set("layer", None)
    return last


def _setter(key: str) -> Callable[[str], None]:
    return lambda value: session().place.set(key, value)
