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

labeled = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3)), min_size=2, max_size=60).filter(
    lambda films: {label for label, _ in films} == {0, 1}
)


def _arrays(films: list[tuple[int, int]]) -> tuple[Labels, Labels]:
    pairs = np.array(films, dtype=np.int64)
    return pairs[:, 0], pairs[:, 1]


def _order(films: list[tuple[int, int]], length: int, balance: Balance, seed: int = 0) -> Labels:
    labels, looks = _arrays(films)
    rng = np.random.default_rng(seed)
    return epoch_order(labels, length=length, balance=balance, rng=rng, looks=looks)


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
    labels, looks = _arrays(films)
    order = _order(films, length, balance, seed)
    assert order.shape == (length,) and order.dtype == np.int64
    assert order.min() >= 0 and order.max() < len(films)
    assert np.array_equal(order, _order(films, length, balance, seed))
    groups = {"sampling": labels, "look": labels + 2 * looks}.get(balance, np.zeros(len(labels), dtype=np.int64))
    times = np.bincount(order, minlength=len(films))
    for group in np.unique(groups[order]):
        own = times[groups == group]
        assert own.max() - own.min() <= 1, "once each before any comes again"
    if balance in ("sampling", "look"):
        drawn = Counter(labels[order].tolist())
        slack = 1 if balance == "sampling" else 1 + len(np.unique(looks))
        assert abs(drawn[0] - drawn[1]) <= slack


@settings(max_examples=80, deadline=None)
@given(films=labeled, length=st.integers(1, 400), seed=st.integers(0, 5))
def test_in_every_look_both_classes_are_equally_likely(films: list[tuple[int, int]], length: int, seed: int) -> None:
    labels, looks = _arrays(films)
    mixed = [look for look in np.unique(looks) if len(np.unique(labels[looks == look])) == 2]
    order = _order(films, length, "look", seed)
    for look in mixed:
        drawn = labels[order[looks[order] == look]]
        assert abs(int((drawn == 0).sum()) - int((drawn == 1).sum())) <= 1
    if mixed:
        assert set(looks[order].tolist()) <= {int(look) for look in mixed}


def test_looks_of_one_class_only_still_give_both_classes_half() -> None:
    films = [(0, 0)] * 4 + [(1, 1)] * 4 + [(1, 2)] * 4 + [(1, 3)] * 4
    labels, looks = _arrays(films)
    order = _order(films, 120, "look")
    assert Counter(labels[order].tolist()) == {0: 60, 1: 60}
    assert Counter(looks[order].tolist()) == {0: 60, 1: 20, 2: 20, 3: 20}


def test_larger_looks_come_more_often_by_the_root_of_their_smaller_class() -> None:
    films = [(0, 0)] * 4 + [(1, 0)] * 50 + [(0, 1)] * 16 + [(1, 1)] * 16
    _, looks = _arrays(films)
    assert Counter(looks[_order(films, 60, "look")].tolist()) == {0: 20, 1: 40}


def test_epochs_differ_by_their_seed_and_shuffle() -> None:
    films = [(0, 0)] * 30 + [(1, 0)] * 30
    for balance in ("none", "sampling", "look"):
        one, other = _order(films, 60, balance, 1), _order(films, 60, balance, 2)
        assert not np.array_equal(one, other)
        assert sorted(one.tolist()) == list(range(60))
        assert 5 < int((one[:30] < 30).sum()) < 25, "classes are mixed, not one after the other"


def test_balance_by_look_without_looks_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the look cluster"):
        epoch_order(np.array([0, 1]), length=2, balance="look", rng=np.random.default_rng(0))
