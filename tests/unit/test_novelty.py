"""Who is refused, and why: distances by an independent formula, plain facts, and real pictures."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.distance import mahalanobis

from model.checkpoint import SHIPPED, load_checkpoint
from model.datasets import REGISTRY
from model.errors import CheckpointError
from model.images import Radiograph, read_radiograph
from model.novelty import POSES, Boundary, Doubt, Novelty, Place, judged, plain_doubt
from model.preprocess import to_grid
from model.projections import project
from model.scoring import features_of
from model.strangers import POSED, as_film, drawings, photographs
from tests.real_data import DATA, needs_data
from tests.unit.drawn_body import drawn_chest
from tests.unit.tiny import ROOT

Features = NDArray[np.float64]


def place(rng: np.random.Generator, shift: float) -> Place:
    features = rng.normal(size=(400, 12)) * np.linspace(3, 1, 12) + shift
    return Place.of(features, components=3)


def test_distance_against_the_covariance_written_out() -> None:
    rng = np.random.default_rng(0)
    here = place(rng, 0)
    noise = here.noise * (np.eye(12) - here.axes.T @ here.axes)
    covariance = here.axes.T @ np.diag(here.variances) @ here.axes + noise
    points = rng.normal(size=(5, 12)) * 4
    expected = [mahalanobis(point, here.mean, np.linalg.inv(covariance)) for point in points]
    assert here.distance(points) == pytest.approx(expected)


def five_places() -> Novelty:
    rng = np.random.default_rng(1)
    # Features are square roots, so the places lie where roots can: above zero.
    places = {pose: place(rng, 40.0 * (k + 1)) for k, pose in enumerate(POSES)}
    return Novelty(scale=np.ones(12), places=places, limit=60.0)


def test_the_nearest_place_decides() -> None:
    novelty = five_places()
    doubts = novelty.doubts(np.stack([np.full(12, 40.0 * (k + 1)) ** 2 for k in range(5)]))
    assert [doubt.kind if doubt else None for doubt in doubts] == [None, "inverted", "turned", "turned", "upside down"]
    assert [("left" in doubt.because, "right" in doubt.because) for doubt in doubts[2:4] if doubt] == [
        (True, False),
        (False, True),
    ]


@pytest.mark.parametrize(
    ("distances", "kind"),
    [
        ([0.6, 0.57, 0.9, 0.9, 0.9], None),
        ([0.6, 0.55, 0.9, 0.9, 0.9], "inverted"),
        ([0.6, 0.9, 0.9, 0.9, 0.5], "upside down"),
        ([0.99, 1.2, 1.2, 1.2, 1.2], None),
        ([1.01, 1.2, 1.2, 1.2, 1.2], "stranger"),
        ([1.3, 1.05, 1.2, 1.2, 1.2], "stranger"),
    ],
)
def test_another_place_must_be_clearly_nearer(distances: list[float], kind: str | None) -> None:
    doubt = judged(np.array(distances))
    assert (doubt.kind if doubt else None) == kind


@pytest.mark.parametrize(
    ("distances", "beyond", "kind"),
    [
        ([0.6, 0.8, 0.9, 0.9, 0.9], 0.9, None),
        ([0.6, 0.8, 0.9, 0.9, 0.9], 1.1, "not frontal"),
        ([0.6, 0.57, 0.9, 0.9, 0.9], 1.1, "not frontal"),
        ([0.6, 0.55, 0.9, 0.9, 0.9], 1.1, "inverted"),
        ([1.01, 1.2, 1.2, 1.2, 1.2], 1.1, "stranger"),
    ],
)
def test_only_what_is_upright_and_no_stranger_is_called_not_frontal(
    distances: list[float], beyond: float, kind: str | None
) -> None:
    doubt = judged(np.array(distances), beyond)
    assert (doubt.kind if doubt else None) == kind


def test_each_film_is_judged_by_its_own_side_of_the_boundary() -> None:
    boundary = Boundary(weights=np.array([2.0, -2.0]), offset=0.0)
    pooled = np.full((2, 12), 40.0**2)
    pooled[0, -2:], pooled[1, -2:] = (41.0**2, 40.0**2), (40.0**2, 41.0**2)
    doubts = replace(five_places(), boundary=boundary).doubts(pooled)
    assert [doubt.kind if doubt else None for doubt in doubts] == ["not frontal", None]
    assert five_places().doubts(pooled) == [None, None]


def test_far_from_every_place_is_a_stranger() -> None:
    (doubt,) = five_places().doubts(np.full((1, 12), 900.0**2))
    assert doubt is not None and doubt.kind == "stranger"


def test_a_round_trip_keeps_every_distance() -> None:
    novelty = five_places()
    again = Novelty.from_bytes(novelty.to_bytes())
    pooled = np.random.default_rng(2).random((6, 12)) * 90_000
    assert again.distances(pooled) == pytest.approx(novelty.distances(pooled), rel=1e-4)
    assert again.boundary is None


def test_a_round_trip_keeps_the_boundary() -> None:
    boundary = Boundary(weights=np.linspace(-2, 1, 7), offset=-0.3)
    again = Novelty.from_bytes(replace(five_places(), boundary=boundary).to_bytes()).boundary
    pooled = np.random.default_rng(2).random((6, 12)) * 9
    assert again is not None and again.beyond(pooled) == pytest.approx(boundary.beyond(pooled), abs=1e-5)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x93NUMPY"])
def test_a_damaged_file_is_refused(content: bytes) -> None:
    with pytest.raises(CheckpointError, match="strange films cannot be read"):
        Novelty.from_bytes(content)


def film(pixels: NDArray[np.float32] | None = None, **more: object) -> Radiograph:
    gray = np.random.default_rng(0).random((300, 280), dtype=np.float32) if pixels is None else pixels
    told: dict[str, object] = {"original_size": gray.shape, "format": "PNG", "sha256": "0" * 64, **more}
    return Radiograph(pixels=gray, **told)  # type: ignore[arg-type]


BLANK = np.full((300, 300), 0.9, np.float32)
BLANK[:3] = 0.1


@pytest.mark.parametrize(
    ("radiograph", "kind"),
    [
        (film(), None),
        (film(original_size=(60, 300)), "small"),
        (film(original_size=(64, 64)), None),
        (film(original_size=(900, 299)), "narrow"),
        (film(BLANK), "blank"),
        (film(colored=0.3), "color"),
        (film(colored=0.1), None),
        (film(metadata={"Modality": "CT"}), "modality"),
        (film(metadata={"Modality": "DX", "Body part": "CHEST", "View position": "PA"}), None),
        (film(metadata={"Modality": "CR", "Body part": "KNEE"}), "body part"),
        (film(metadata={"Modality": "CR", "View position": "LL"}), "lateral"),
    ],
)
def test_plain_facts(radiograph: Radiograph, kind: str | None) -> None:
    doubt = plain_doubt(radiograph)
    assert (doubt.kind if doubt else None) == kind
    if doubt:
        assert doubt.because[0].islower() and not doubt.because.endswith(".")


def test_color_is_seen_in_a_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    gray = np.repeat(rng.integers(0, 255, (200, 200, 1), dtype=np.uint8), 3, axis=2)
    Image.fromarray(gray).save(tmp_path / "gray.png")
    Image.fromarray(np.dstack([gray[..., 0], gray[..., 0] // 3, gray[..., 0] // 3])).save(tmp_path / "red.png")
    Image.fromarray(gray).convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "palette.png")
    assert read_radiograph(tmp_path / "gray.png").colored == 0
    assert read_radiograph(tmp_path / "palette.png").colored == 0
    assert read_radiograph(tmp_path / "red.png").colored > 0.5


def test_a_quarter_left_brings_the_head_to_the_left() -> None:
    upright = np.zeros((4, 4), np.float32)
    upright[0] = 1
    assert (POSED["quarter left"](upright)[:, 0] == 1).all()
    assert (POSED["quarter right"](upright)[:, -1] == 1).all()
    assert (POSED["half turn"](upright)[-1] == 1).all()


@pytest.fixture(scope="module")
def shipped() -> tuple[Novelty, object]:
    checkpoint = load_checkpoint(SHIPPED)
    assert checkpoint.novelty is not None
    return checkpoint.novelty, features_of(checkpoint.model)


def refused(shipped: tuple[Novelty, object], films: list[NDArray[np.float32]]) -> list[Doubt | None]:
    novelty, read = shipped
    return novelty.doubts(read(films))  # type: ignore[operator]


@pytest.mark.slow
def test_pictures_that_are_no_films_are_refused(shipped: tuple[Novelty, object]) -> None:
    pictures = [*photographs(), *drawings(40, seed=7)]
    assert len(pictures) > 60, "scikit-image is there"
    doubts = refused(shipped, [as_film(picture) for _, picture in pictures])
    passed = [name for (name, _), doubt in zip(pictures, doubts, strict=True) if doubt is None]
    assert len(passed) <= 0.05 * len(pictures), passed


@pytest.mark.slow
@pytest.mark.parametrize(("angles", "kinds"), [((0, 10, 180), {None}), ((75, 90, -90), {"not frontal", "stranger"})])
def test_a_drawn_chest_is_told_from_its_side(
    shipped: tuple[Novelty, object], angles: tuple[float, ...], kinds: set[str | None]
) -> None:
    chest = drawn_chest()
    views = [to_grid(project(chest, angle).astype(np.float32) / 255) for angle in angles]
    assert {doubt.kind if doubt else None for doubt in refused(shipped, views)} <= kinds


@pytest.mark.slow
def test_synthetic_samples_pass_as_films(shipped: tuple[Novelty, object]) -> None:
    films = sorted((ROOT / "assets" / "samples").glob("*.png"))
    assert len(films) == 4
    assert refused(shipped, [to_grid(read_radiograph(path).pixels) for path in films]) == [None] * 4


@pytest.mark.slow
@needs_data
def test_real_films_pass_and_those_the_wrong_way_round_do_not(shipped: tuple[Novelty, object]) -> None:
    examples = REGISTRY["chest_xray"].load(DATA / "chest_xray", split="patient", seed=1).of("test")[::13]
    adults = sorted((DATA / "rsna" / "stage_2_train_images").glob("*.dcm"))
    children = [to_grid(read_radiograph(e.path).pixels) for e in examples]
    films = children + [to_grid(read_radiograph(path).pixels) for path in adults]
    assert sum(doubt is not None for doubt in refused(shipped, films)) <= 0.03 * len(films)
    for pose, kind in (("inverted", "inverted"), ("quarter left", "turned"), ("quarter right", "turned")):
        doubts = refused(shipped, [np.ascontiguousarray(POSED[pose](one)) for one in children])  # type: ignore[index]
        kinds = Counter(doubt.kind if doubt else None for doubt in doubts)
        assert kinds[kind] >= 0.9 * len(children), (pose, kinds)  # type: ignore[index]
