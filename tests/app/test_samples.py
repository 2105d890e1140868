"""The synthetic sample films: small, honest, and drawn by the committed program."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from model.images import read_radiograph
from tests.app_server import ROOT

FILMS = sorted((ROOT / "assets" / "samples").glob("*.png"))


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_samples", ROOT / "assets" / "make_samples.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["make_samples"] = module
    spec.loader.exec_module(module)
    return module


def test_there_are_four() -> None:
    assert len(FILMS) == 4


@pytest.mark.parametrize("path", FILMS, ids=lambda path: path.stem)
def test_film_is_small_readable_and_named_synthetic(path: Path) -> None:
    assert path.name.startswith("synthetic-")
    assert path.stat().st_size < 60 * 1024
    film = read_radiograph(path)
    assert film.original_size == (400, 400)
    assert 0.2 < float(film.pixels.mean()) < 0.8


def test_committed_films_are_what_the_program_draws(program: ModuleType, tmp_path: Path) -> None:
    drawn = program.write_samples(tmp_path)
    assert [path.name for path in drawn] == [path.name for path in FILMS]
    for fresh, committed in zip(drawn, FILMS, strict=True):
        new = np.asarray(Image.open(fresh), dtype=float)
        old = np.asarray(Image.open(committed), dtype=float)
        assert np.abs(new - old).mean() < 0.5


def test_opacities_brighten_the_lungs_they_lie_in(program: ModuleType) -> None:
    recipe = program.RECIPES[2]
    bare = program.Recipe(name="bare", seed=recipe.seed, breadth=recipe.breadth, heart=recipe.heart)
    change = program.draw_film(recipe).astype(float) - program.draw_film(bare).astype(float)
    assert change[240:280, 100:135].mean() > 40
    assert np.abs(change[:, 300:]).mean() < 2
