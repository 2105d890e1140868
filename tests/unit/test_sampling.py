"""The order of an epoch: nothing is forgotten, nothing comes twice too early, no class is favored."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from model.sampling import Balance, class_weights, epoch_order

Labels = NDArray[np.int64]

labeled = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 4)), min_size=2, max_size=60).filter(
    lambda films: {label for label, _ in films} == {0, 1}
)


def _arrays(films: list[tuple[int, int]]) -> tuple[Labels, NDArray[np.float64]]:
    pairs = np.array(films, dtype=np.int64)
    return pairs[:, 0], pairs[:, 1].astype(np.float64)


def _order(films: list[tuple[int, int]], length: int, balance: Balance, seed: int = 0) -> Labels:
    labels, overlap = _arrays(films)
    rng = np.random.default_rng(seed)
    return epoch_order(labels, length=length, balance=balance, rng=rng, overlap=overlap)


def test_class_weights_by_hand() -> None:
    weights = class_weights(np.array([0, 1, 1, 1]))
    assert weights.dtype == np.float32
    assert list(weights) == pytest.approx([2.0, 2 / 3, 2 / 3, 2 / 3])
    assert class_weights(np.array([1, 0, 0, 1])).tolist() == [1.0, 1.0, 1.0, 1.0]


@settings(max_examples=40, deadline=None)
@given(films=labeled)
def test_class_weights_give_both_classes_the_same_total_and_mean_one(films: list[tuple[int, int]]) -> None:
    labels, _ = _arrays(films)
    weights = class_weights(labels)
    assert weights.mean() == pytest.approx(1.0, abs=1e-5)
    assert weights[labels == 0].sum() == pytest.approx(weights[labels == 1].sum(), rel=1e-5)


@settings(max_examples=80, deadline=None)
@given(
    films=labeled,
    length=st.integers(1, 150),
    balance=st.sampled_from(["none", "weights", "sampling", "look"]),
    seed=st.integers(0, 100),
)
def test_epoch_order_properties(films: list[tuple[int, int]], length: int, balance: Balance, seed: int) -> None:
    labels, overlap = _arrays(films)
    order = _order(films, length, balance, seed)
    assert order.shape == (length,) and order.dtype == np.int64
    assert order.min() >= 0 and order.max() < len(films)
    assert np.array_equal(order, _order(films, length, balance, seed))
    times = np.bincount(order, minlength=len(films))
    if balance in ("none", "weights"):
        assert times.max() - times.min() <= 1, "once each before any comes again"
        return
    drawn = Counter(labels[order].tolist())
    assert 0 <= drawn[1] - drawn[0] <= 1
    for label in (0, 1):
        own = overlap[labels == label] if balance == "look" else np.ones((labels == label).sum())
        due = own / own.sum() * drawn[label]
        assert np.abs(times[labels == label] - due).max() < 1 + 1e-9, "as often as it is due, rounded"


def test_films_that_look_like_the_other_class_come_more_often() -> None:
    films = [(0, 1)] * 10 + [(0, 4)] * 10 + [(1, 2)] * 30
    times = np.bincount(_order(films, 200, "look"))
    assert times[:10].tolist() == [2] * 10 and times[10:20].tolist() == [8] * 10
    assert times[20:].sum() == 100 and set(times[20:].tolist()) == {3, 4}


def test_epochs_differ_by_their_seed_and_shuffle() -> None:
    films = [(0, 1)] * 30 + [(1, 1)] * 30
    for balance in ("none", "sampling", "look"):
        one, other = _order(films, 60, balance, 1), _order(films, 60, balance, 2)
        assert not np.array_equal(one, other)
        assert sorted(one.tolist()) == list(range(60))
        assert 5 < int((one[:30] < 30).sum()) < 25, "classes are mixed, not one after the other"


def test_balance_by_look_without_looks_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the overlap weight"):
        epoch_order(np.array([0, 1]), length=2, balance="look", rng=np.random.default_rng(0))
