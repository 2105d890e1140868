"""What tests of the pages share: films made on the spot, sample films, and a counted stand-in network."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from tests.app_server import ROOT
from tests.stand_in import StandInPredictor, small_predictor

SAMPLES = ROOT / "assets" / "samples"


@pytest.fixture
def film_png() -> Callable[..., bytes]:
    """Return a maker of small PNG films whose mean gray is what the stand-in network will answer."""

    def make(mean: float, *, side: int = 96, seed: int = 0) -> bytes:
        rng = np.random.default_rng(seed)
        pixels = np.clip(rng.normal(mean, 0.02, (side, side)), 0.0, 1.0)
        buffer = io.BytesIO()
        Image.fromarray(np.round(pixels * 255).astype(np.uint8)).save(buffer, "PNG")
        return buffer.getvalue()

    return make


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInPredictor]:
    """Put a stand-in network behind the pages, with empty caches before and after."""
    small_predictor()
    stand_in = StandInPredictor()
    monkeypatch.setattr("ui.network._shipped", lambda: stand_in)
    _forget_everything()
    yield stand_in
    _forget_everything()


@pytest.fixture
def samples(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put the four drawn films into the gallery, two of them labeled, and return their slugs."""
    from model.artifacts import SampleFilm

    labels = ("NORMAL", "NORMAL", "PNEUMONIA", None)
    films = [
        SampleFilm(
            name=f"Film {number}",
            path=path,
            label=label,
            synthetic=label is None,
            slug=path.stem,
            credit="Drawn for this project, MIT license",
        )
        for number, (path, label) in enumerate(zip(_drawn_films(), labels, strict=True), start=1)
    ]
    monkeypatch.setattr("ui.state.sample_films", lambda: films)
    return [film.slug for film in films]


def _drawn_films() -> list[Path]:
    return sorted(SAMPLES.glob("*.png"))


def _forget_everything() -> None:
    st.cache_data.clear()
    st.cache_resource.clear()
