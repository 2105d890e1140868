"""Film methods, faithfulness, places, and the randomization check, on networks that can be worked out by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from model.explain.cam import heatmap
from model.explain.faithfulness import curves
from model.explain.film_methods import FILM_METHODS, IntegratedGradients, Occlusion, SmoothGrad
from model.explain.localization import boxes_mask, centre_blob, edge_map, overlap_at_equal_area, pointing_hit
from model.explain.randomization import forget_from_the_top, learned_layers, similarity
from model.explain.report import ReportCard, average, baseline_grades, report_card
from model.explain.work import Cancelled, part
from model.predictor import Predictor
from tests.unit.test_graph import classifier, film
from tests.unit.zoo import build

SPOT = (slice(20, 28), slice(4, 12))


class Weighted:
    """A "network" whose log odds are a weighted sum of the pixels."""

    def __init__(self, weights: np.ndarray, bias: float = 0.0) -> None:
        self.weights, self.bias, self.calls = weights.astype(np.float32), bias, 0

    def scores(self, inputs: np.ndarray) -> np.ndarray:
        self.calls += 1
        return (inputs[..., 0] * self.weights).sum(axis=(1, 2)) + np.float32(self.bias)

    def score_gradients(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.scores(inputs), np.repeat(self.weights[None, :, :, None], len(inputs), axis=0)


@pytest.fixture
def spot() -> tuple[Weighted, np.ndarray]:
    """A scorer that counts the light in one square, and a film with light there and elsewhere."""
    weights = np.zeros((32, 32))
    weights[SPOT] = 0.1
    picture = np.zeros((32, 32, 1), np.float32)
    picture[SPOT], picture[2:10, 20:28] = 1.0, 1.0
    return Weighted(weights, bias=-3), picture


def test_occlusion_by_hand(spot: tuple[Weighted, np.ndarray]) -> None:
    scorer, picture = spot
    found = Occlusion(patch=8, stride=8).summed(scorer, picture)
    gray = float(picture.mean())
    # The square over rows 16 to 23 and columns 0 to 7 covers 4 x 4 of the 64 counted pixels, as do its neighbours.
    expected = 16 * 0.1 * (1 - gray)
    for row, column in ((17, 1), (25, 1), (17, 9), (25, 9)):
        assert found[row, column] == pytest.approx(expected, rel=1e-4)
    assert not found[:16].any() and not found[:, 16:].any()


def test_occlusion_covers_every_pixel_where_the_squares_do_not_fit() -> None:
    weights = np.ones((30, 21))
    found = Occlusion(patch=8, stride=7).summed(Weighted(weights), np.ones((30, 21, 1), np.float32) * 0.5)
    assert np.isfinite(found).all()


def test_integrated_gradients_of_a_linear_score_are_exact(spot: tuple[Weighted, np.ndarray]) -> None:
    scorer, picture = spot
    np.testing.assert_allclose(
        IntegratedGradients(steps=3).summed(scorer, picture), scorer.weights * picture[..., 0], rtol=1e-5
    )


def test_integrated_gradients_start_from_black(spot: tuple[Weighted, np.ndarray]) -> None:
    scorer, picture = spot
    found = IntegratedGradients(steps=3).summed(scorer, picture, black=-1.0)
    np.testing.assert_allclose(found, scorer.weights * (picture[..., 0] + 1), rtol=1e-5)


def test_squares_follow_the_size_of_the_input() -> None:
    assert len(Occlusion().squares(224, 224)) == 169
    assert len(Occlusion().squares(32, 32)) > 100
    assert len(Occlusion().squares(512, 512)) < 250


@pytest.mark.parametrize("name", ["flat", "residual", "one_sigmoid"])
def test_integrated_gradients_add_up_to_the_difference(name: str) -> None:
    predictor = Predictor(classifier(build(name)))
    x = predictor.prepare(film(2))
    total = float(IntegratedGradients(steps=200).summed(predictor, x).sum())
    scores = predictor.scores(np.stack([x, np.zeros_like(x)]))
    assert total == pytest.approx(float(scores[0] - scores[1]), abs=0.02 * float(np.abs(scores).sum()))


def test_smoothgrad_of_a_linear_score_is_its_weights(spot: tuple[Weighted, np.ndarray]) -> None:
    scorer, picture = spot
    np.testing.assert_allclose(SmoothGrad(copies=5).summed(scorer, picture), np.abs(scorer.weights), rtol=1e-5)


@pytest.mark.parametrize("key", list(FILM_METHODS))
def test_long_work_says_how_far_it_is_and_can_be_stopped(key: str, spot: tuple[Weighted, np.ndarray]) -> None:
    scorer, picture = spot
    told: list[float] = []
    FILM_METHODS[key].summed(scorer, picture, progress=told.append)
    assert told == sorted(told) and told[-1] == 1.0
    calls = scorer.calls

    def stop(share: float) -> None:
        if share > 0.3:
            raise Cancelled

    scorer.calls = 0
    with pytest.raises(Cancelled):
        FILM_METHODS[key].summed(scorer, picture, progress=stop)
    assert scorer.calls <= calls


def test_part_of_a_progress() -> None:
    told: list[float] = []
    part(told.append, 0.5, 1.0)(0.5)
    assert told == [0.75]


def test_a_map_of_what_counts_deletes_and_inserts_best(spot: tuple[Weighted, np.ndarray]) -> None:
    scorer, picture = spot
    right, wrong = np.zeros((32, 32), np.float32), np.zeros((32, 32), np.float32)
    right[SPOT], wrong[2:10, 20:28] = 1, 1
    good, bad = curves(scorer, picture, right, steps=16), curves(scorer, picture, wrong, steps=16)
    assert good.deletion_area < bad.deletion_area and good.insertion_area > bad.insertion_area
    # 64 of 1,024 pixels are 1 of 16 steps: everything is gone, or all there, after the first.
    top = 1 / (1 + np.exp(-(6.4 - 3)))
    assert good.insertion[1] == pytest.approx(top, abs=1e-5)
    assert good.deletion[0] == pytest.approx(top, abs=1e-5)
    assert good.deletion[1] == pytest.approx(good.deletion[-1], abs=1e-5)
    np.testing.assert_allclose(good.deletion[-1], good.insertion[0], atol=1e-5)
    np.testing.assert_allclose(good.deletion[0], good.insertion[-1], atol=1e-5)
    assert len(good.shares) == 17 and good.shares[-1] == 1


def test_areas_by_hand() -> None:
    constant = curves(
        Weighted(np.zeros((8, 8)), bias=0.0), np.zeros((8, 8, 1), np.float32), np.zeros((2, 2), np.float32)
    )
    assert constant.deletion_area == constant.insertion_area == pytest.approx(0.5)


def test_the_side_turns_the_probability(spot: tuple[Weighted, np.ndarray]) -> None:
    scorer, picture = spot
    values = np.zeros((32, 32), np.float32)
    yes, no = curves(scorer, picture, values, steps=4), curves(scorer, picture, values, sign=-1, steps=4)
    np.testing.assert_allclose(yes.deletion, 1 - no.deletion, atol=1e-6)


def test_pointing_and_overlap_by_hand() -> None:
    truth = np.zeros((224, 224), np.bool_)
    truth[100:120, 100:120] = True
    values = np.zeros((224, 224), np.float32)
    values[105, 105] = 1
    assert pointing_hit(values, truth)
    values[105, 105], values[100, 134] = 0, 1
    assert pointing_hit(values, truth), "15 pixels beside it"
    values[100, 134], values[100, 135] = 0, 1
    assert not pointing_hit(values, truth), "16 pixels beside it"
    assert not pointing_hit(np.zeros((14, 14), np.float32), truth)
    shifted = np.zeros((224, 224), np.float32)
    shifted[100:120, 110:130] = 1
    assert overlap_at_equal_area(shifted, truth) == pytest.approx(200 / 600)
    assert overlap_at_equal_area(truth.astype(np.float32) * 0.1, truth) == 1
    everywhere = np.full((224, 224), 0.3, np.float32)
    everywhere[truth] = 0.4
    assert overlap_at_equal_area(everywhere, truth) == 1, "only the order counts, not the level"
    few = np.zeros((224, 224), np.float32)
    few[100, 100] = 1
    assert overlap_at_equal_area(few, truth) == pytest.approx(1 / 400), "cold pixels are never taken"


def test_boxes_beside_the_film_mark_nothing() -> None:
    assert not boxes_mask([(-50, 10, 20, 30), (10, -50, 30, 20)], (100, 100)).any()


def test_boxes_become_a_mask() -> None:
    mask = boxes_mask([(2, 1, 3, 2), (8, 8, 9, 9)], (10, 10))
    assert mask.sum() == 6 + 4
    assert mask[1, 2] and mask[2, 4] and not mask[3, 2] and mask[9, 9]


def test_baselines_know_only_the_film_or_not_even_that() -> None:
    step = np.zeros((100, 100), np.float32)
    step[:, 50:] = 1
    edges = edge_map(step)
    assert edges.max() == 1
    assert 48 <= int(edges[50].argmax()) <= 51
    assert edges[50, 10] < 0.01
    assert not edge_map(np.full((20, 20), 0.5, np.float32)).any()
    blob = centre_blob((101, 51))
    assert np.unravel_index(int(blob.argmax()), blob.shape) == (50, 25)
    assert blob[50, 25] == 1


def test_report_card_compares_three_maps(spot: tuple[Weighted, np.ndarray]) -> None:
    scorer, picture = spot
    truth = np.zeros((32, 32), np.bool_)
    truth[SPOT] = True
    card = report_card(scorer, picture, truth.astype(np.float32), truth=truth, steps=16)
    assert list(card.grades) == ["heatmap", "edges", "centre"]
    assert card.beats_both() == {"deletion": True, "insertion": True, "overlap": True}
    numbers = card.as_json()
    assert numbers["heatmap"]["overlap_at_equal_area"] == 1.0
    assert numbers["heatmap"]["pointing_hit"] is True
    ready = baseline_grades(scorer, picture, truth=truth, steps=16)
    again = report_card(scorer, picture, truth.astype(np.float32), truth=truth, steps=16, baselines=ready)
    assert again.as_json() == numbers
    assert average([card, again])["heatmap"]["deletion_area"] == pytest.approx(numbers["heatmap"]["deletion_area"])


def test_no_evidence_beats_nobody(spot: tuple[Weighted, np.ndarray]) -> None:
    scorer, picture = spot
    empty: ReportCard = report_card(scorer, picture, np.zeros((32, 32), np.float32), steps=8)
    assert empty.grades["heatmap"].hit is None
    assert not empty.beats_both()["insertion"]


@pytest.mark.parametrize("name", ["flat", "residual", "twice_nested"])
def test_forgetting_goes_down_from_the_top_and_leaves_no_trace(name: str) -> None:
    model = build(name)
    predictor = Predictor(classifier(model))
    x = predictor.prepare(film(1))
    before = [np.array(weight) for weight in model.get_weights()]
    told: list[float] = []
    levels = list(forget_from_the_top(predictor, x, method="grad-cam", progress=told.append))
    layers = learned_layers(predictor)
    assert [level.forgotten for level in levels] == ["", *(layer.name for layer in reversed(layers))]
    assert isinstance(layers[-1], keras.layers.Dense)
    assert told[-1] == 1
    for was, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)
    plain = predictor.explain(film(1))
    np.testing.assert_array_equal(levels[0].summed["last", "yes"], plain.summed["grad-cam", "last", "yes"])
    assert not np.allclose(levels[-1].summed["last", "yes"], levels[0].summed["last", "yes"])
    again = list(forget_from_the_top(predictor, x, method="grad-cam"))
    np.testing.assert_array_equal(again[2].summed["last", "yes"], levels[2].summed["last", "yes"])


def test_frozen_layers_are_forgotten_too() -> None:
    model = build("residual")
    for layer in model.layers[:-1]:
        layer.trainable = False
    predictor = Predictor(classifier(model))
    names = [layer.name for layer in learned_layers(predictor)]
    assert names[0] == "first" and "depthwise" in names and "last" in names
    x = predictor.prepare(film(1))
    levels = list(forget_from_the_top(predictor, x, method="grad-cam"))
    assert len(levels) == len(names) + 1


def test_fresh_weights_have_hes_variance() -> None:
    from model.explain.randomization import _fresh

    layer = keras.layers.DepthwiseConv2D(3)
    layer.build((1, 8, 8, 256))
    assert _fresh(np.random.default_rng(0), layer, layer.kernel).std() == pytest.approx(np.sqrt(2 / 9), rel=0.05)
    norm = keras.layers.BatchNormalization()
    norm.build((1, 8, 8, 4))
    fresh = {w.path.rsplit("/", 1)[-1]: _fresh(np.random.default_rng(0), norm, w) for w in norm.weights}
    assert {name: float(value[0]) for name, value in fresh.items()} == {
        "gamma": 1,
        "beta": 0,
        "moving_mean": 0,
        "moving_variance": 1,
    }


def test_weights_are_put_right_when_the_pass_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("flat")
    predictor = Predictor(classifier(model))
    variable = model.layers[-1].kernel
    before = variable.numpy()

    def broken(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(predictor, "_sight", broken)
    with pytest.raises(RuntimeError, match="no"):
        predictor.explain_changed(predictor.prepare(film()), [(variable, np.zeros_like(before))])
    np.testing.assert_array_equal(variable.numpy(), before)
    assert predictor.predict(film()).probability > 0, "the queue was left"


def test_similarity_of_maps() -> None:
    rng = np.random.default_rng(0)
    one = rng.random((14, 14)).astype(np.float32)
    assert similarity(one, one, layer="x") == pytest.approx(1)
    assert similarity(one, 7 * one, layer="x") == pytest.approx(1), "the scale is shown beside a map, not in it"
    assert similarity(one, rng.random((14, 14)).astype(np.float32), layer="x") < 0.5
    assert similarity(-one, -one, layer="x") == pytest.approx(1)
    assert not heatmap(-one, layer="x").has_evidence
    assert similarity(one, -one, layer="x") == 0, "nothing is left of it"
