"""The arithmetic of a step, what each phase trains, and which weights are kept."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from model.batches import film_batch
from model.errors import RunError
from model.features import cached_features
from model.films import Films
from model.fitting import Batch, Epoch, Fitter, Phase, learning_rate_at
from model.planning import load_dataset, start_run
from model.preprocess import standardize, to_grid
from model.runs import BEST, STATE, Run
from model.settings import TrainingConfig
from model.stress import CONDITIONS, Film
from model.training import _scores, train
from model.vgg16 import CONV_NAMES, build_classifier
from tests.unit.conftest import Recorded
from tests.unit.tiny import SETTINGS, Arrays, stored

KERNEL = np.array([[0.5, -0.25], [1.0, 0.75], [-0.5, 0.25]], np.float32)
BIAS = np.array([0.5, -0.5], np.float32)
INPUTS = np.array([[1.0, 2.0, -1.0], [0.5, -1.0, 3.0]], np.float32)
LABELS = np.array([0, 1])
WEIGHTS = np.array([12.0, 3.0], np.float32)
VALIDATION = {"val_accuracy": 0.5, "val_auroc": 0.5}


def _network() -> keras.Model:
    film = keras.Input((3,))
    network = keras.Model(film, keras.layers.Dense(2, name="logits")(film))
    network.set_weights([KERNEL, BIAS])
    return network


def _phase(network: keras.Model, *, validate: Callable[[Epoch], dict[str, float]], **changed: Any) -> Phase:
    plain: dict[str, Any] = {
        "number": 1,
        "epochs": (Epoch(number=1, steps=1, size=32),),
        "network": network,
        "batch": lambda epoch, step: (INPUTS, LABELS, WEIGHTS),
        "validate": validate,
        "learning_rate": 0.01,
        "weight_decay": 0.1,
        "warmup": 0.0,
        "floor": 0.2,
        "smoothing": 0.1,
        "averaging": 0.9,
        "patience": 2,
    }
    return Phase(**{**plain, **changed})


def _fitter(run: Run, network: keras.Model, phase: Phase, **changed: Any) -> Fitter:
    return Fitter(run, network, phase, **{"seed": 0, "save_seconds": 1e9, "stop": lambda: False, **changed})


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return an empty run."""
    return Run.create(tmp_path / "run", {})


def test_learning_rate_by_hand() -> None:
    def rate(step: int) -> float:
        return learning_rate_at(step, total=20, peak=1.0, warmup=0.2, floor=0.2)

    assert [rate(k) for k in range(4)] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert rate(4) == pytest.approx(1.0)
    assert rate(12) == pytest.approx(0.6), "half way down"
    assert rate(8) == pytest.approx(0.2 + 0.4 * (1 + np.sqrt(0.5)))
    assert rate(20) == pytest.approx(0.2)
    assert learning_rate_at(0, total=1, peak=3.0, warmup=0.1, floor=0.0) == 3.0


def test_one_step_by_hand(run: Run) -> None:
    """Loss, AdamW with clipped gradients and decay of kernels only, and the average of the weights."""
    logits = INPUTS @ KERNEL + BIAS
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = np.array([[0.95, 0.05], [0.05, 0.95]])
    loss = np.mean(-(targets * np.log(softmax)).sum(axis=1) * WEIGHTS)
    slope = (softmax - targets) * WEIGHTS[:, None] / 2
    gradients = [INPUTS.T @ slope, slope.sum(axis=0)]
    norm = np.sqrt(sum((g**2).sum() for g in gradients))
    assert norm > 1, "so that clipping shows"
    clipped = [g / norm for g in gradients]
    # After one step Adam's corrected moments are the gradient and its square.
    rate, decay = 0.01, 0.1
    kernel = KERNEL - rate * decay * KERNEL - rate * clipped[0] / (np.abs(clipped[0]) + 1e-7)
    bias = BIAS - rate * clipped[1] / (np.abs(clipped[1]) + 1e-7)
    # The average of step 0 decays by min(0.9, 1 / 10).
    averages = [kernel + 0.1 * (KERNEL - kernel), bias + 0.1 * (BIAS - bias)]

    seen: list[Any] = []
    network = _network()

    def validate(epoch: Epoch) -> dict[str, float]:
        seen.extend(np.array(w) for w in network.get_weights())
        return {"val_loss": 1.0, **VALIDATION}

    assert _fitter(run, network, _phase(network, validate=validate)).fit()
    arrays, meta = stored(run.folder / STATE)
    np.testing.assert_allclose(arrays["weight/0"], kernel, atol=1e-6)
    np.testing.assert_allclose(arrays["weight/1"], bias, atol=1e-6)
    np.testing.assert_allclose(arrays["average/0"], averages[0], atol=1e-6)
    np.testing.assert_allclose(arrays["average/1"], averages[1], atol=1e-6)
    np.testing.assert_allclose(seen[0], averages[0], atol=1e-6, err_msg="the averages are validated")
    best = stored(run.folder / BEST)[0]
    np.testing.assert_allclose(best["logits/kernel"], averages[0], atol=1e-6, err_msg="and kept")
    step, epoch = (next(e for e in run.events() if e["event"] == kind) for kind in ("step", "epoch"))
    assert step["loss"] == pytest.approx(loss, abs=1e-6) and epoch["loss"] == pytest.approx(loss, abs=1e-6)
    assert step["accuracy"] == np.mean(logits.argmax(axis=1) == LABELS) == epoch["accuracy"]
    assert step["learning_rate"] == 0.01
    assert meta["progress"]["finished"]


def test_weights_that_are_trained_already_count_in_the_average_in_full(run: Run) -> None:
    network = _network()
    validate = {"val_loss": 1.0, **VALIDATION}
    _fitter(run, network, _phase(network, validate=lambda epoch: validate, begins_trained=True)).fit()
    arrays, _ = stored(run.folder / STATE)
    assert np.abs(arrays["weight/0"] - KERNEL).min() > 1e-3
    np.testing.assert_allclose(
        arrays["average/0"], arrays["weight/0"] + 0.9 * (KERNEL - arrays["weight/0"]), atol=1e-6
    )


@pytest.mark.parametrize(("keep", "kept", "epochs"), [("best", 1, 3), ("last", 4, 4)])
def test_the_best_or_the_last_weights_are_kept(run: Run, keep: str, kept: int, epochs: int) -> None:
    seen: dict[int, Any] = {}
    network = _network()

    def validate(epoch: Epoch) -> dict[str, float]:
        seen[epoch.number] = np.array(network.get_weights()[0])
        return {"val_loss": float(epoch.number), **VALIDATION}

    course = tuple(Epoch(number=k, steps=1, size=32) for k in range(1, 5))
    assert _fitter(run, network, _phase(network, validate=validate, epochs=course, keep=keep)).fit()
    assert len(seen) == epochs, "the last weights are waited for"
    arrays, meta = stored(run.folder / BEST)
    np.testing.assert_array_equal(arrays["logits/kernel"], seen[kept])
    assert meta["epoch"] == kept and np.abs(seen[1] - seen[3]).min() > 1e-4


def test_a_weight_with_a_pace_goes_that_many_times_as_far(run: Run) -> None:
    """Decay included; and the average follows what the weight became."""

    def moves(paces: dict[str, float]) -> tuple[Any, Any, Any]:
        network = _network()
        phase = _phase(network, validate=lambda epoch: {"val_loss": 1.0, **VALIDATION}, paces=paces)
        alone = Run.create(run.folder / "-".join(["of", *paces]).replace("/", "-"), {})
        _fitter(alone, network, phase).fit()
        arrays, _ = stored(alone.folder / STATE)
        return arrays["weight/0"] - KERNEL, arrays["weight/1"] - BIAS, arrays["average/0"] - KERNEL

    kernel, bias, average = moves({})
    np.testing.assert_allclose(moves({"head": 5.0})[0], kernel, err_msg="a name that no weight has")
    faster = moves({"logits/kernel": 4.0})
    np.testing.assert_allclose(faster[0], 4 * kernel, rtol=1e-4)
    np.testing.assert_allclose(faster[1], bias, rtol=1e-4, err_msg="the bias was not named")
    np.testing.assert_allclose(faster[2], 4 * average, rtol=1e-4)
    np.testing.assert_allclose(moves({"logits": 4.0})[1], 4 * bias, rtol=1e-4)


def test_clipping_does_not_touch_small_gradients_and_averaging_can_be_off(run: Run) -> None:
    network = _network()
    batch: Batch = (INPUTS, LABELS, np.array([0.02, 0.02], np.float32))
    phase = _phase(
        network,
        validate=lambda epoch: {"val_loss": 1.0, **VALIDATION},
        batch=lambda epoch, step: batch,
        averaging=0.0,
        weight_decay=0.0,
    )
    _fitter(run, network, phase).fit()
    arrays, _ = stored(run.folder / STATE)
    logits = INPUTS @ KERNEL + BIAS
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    slope = (softmax - np.array([[0.95, 0.05], [0.05, 0.95]])) * 0.01
    moments = [value for key, value in arrays.items() if key.startswith("optimizer") and value.shape == (3, 2)]
    assert any(np.allclose(m, 0.1 * INPUTS.T @ slope, atol=1e-7) for m in moments)
    np.testing.assert_array_equal(arrays["average/0"], arrays["weight/0"])


@pytest.mark.parametrize("step", [0, 1])
def test_training_that_comes_apart_ends_with_a_sentence(run: Run, step: int) -> None:
    def batch(epoch: Epoch, number: int) -> Batch:
        return INPUTS * np.float32(np.nan if number == step else 1), LABELS, WEIGHTS

    network = _network()
    phase = _phase(network, validate=lambda e: VALIDATION, batch=batch, epochs=(Epoch(number=1, steps=3, size=32),))
    with pytest.raises(RunError, match=rf"The loss of step {step + 1} in phase 1 is nan: .* a lower rate; the best"):
        _fitter(run, network, phase).fit()
    with pytest.raises(RunError, match="no longer numbers"):
        _scores(np.array([[0.0, np.nan], [1.0, 0.0]], np.float32), np.array([0, 1]))


def test_patience_ends_the_phase_and_the_best_epoch_is_kept(run: Run) -> None:
    losses = iter([1.0, 0.8, 0.9, 0.8, 0.1])
    network, seen = _network(), []

    def validate(epoch: Epoch) -> dict[str, float]:
        seen.append(np.array(network.get_weights()[0]))
        return {"val_loss": next(losses), **VALIDATION}

    epochs = tuple(Epoch(number=k, steps=2, size=32) for k in range(1, 6))
    fitter = _fitter(run, network, _phase(network, validate=validate, epochs=epochs))
    assert fitter.fit()
    found = [(e["epoch"], e["val_loss"], e["best"]) for e in run.events() if e["event"] == "epoch"]
    assert found == [(1, 1.0, True), (2, 0.8, True), (3, 0.9, False), (4, 0.8, False)]
    arrays, meta = run.load_best()
    assert meta == {"phase": 1, "epoch": 2, "size": 32, "val_loss": 0.8, **VALIDATION}
    np.testing.assert_array_equal(arrays["logits/kernel"], seen[1])
    assert not np.array_equal(seen[1], seen[3])
    progress = stored(run.folder / STATE)[1]["progress"]
    assert progress["best_epoch"] == 2 and progress["best_loss"] == 0.8 and progress["finished"]


def test_patience_at_one_size_leads_to_the_next_at_the_planned_rate(run: Run) -> None:
    sizes = [32, 32, 32, 32, 32, 64, 64]
    epochs = tuple(Epoch(number=k, steps=2, size=size) for k, size in enumerate(sizes, start=1))

    def trained(name: str, losses: list[float]) -> dict[int, list[float]]:
        network = _network()
        phase = _phase(
            network, validate=lambda e: {"val_loss": losses[e.number - 1], **VALIDATION}, epochs=epochs, warmup=0.2
        )
        own = Run.create(run.folder / name, {})
        assert _fitter(own, network, phase).fit()
        rates: dict[int, list[float]] = {}
        for e in own.events():
            if e["event"] == "step":
                rates.setdefault(e["epoch"], []).append(e["learning_rate"])
        return rates

    planned = trained("planned", [0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    assert list(planned) == [1, 2, 3, 4, 5, 6, 7]
    left = trained("left", [0.7, 0.8, 0.8, 0.1, 0.1, 0.9, 0.8])
    assert list(left) == [1, 2, 3, 6, 7]
    assert left[6] == planned[6] and left[7] == planned[7] and planned[7][-1] < planned[3][-1]


def test_training_goes_on_from_its_own_weights_not_from_their_average(run: Run) -> None:
    network = _network()
    fitter = _fitter(run, network, _phase(network, validate=lambda epoch: {"val_loss": 1.0, **VALIDATION}))
    fitter.fit()
    arrays, _ = stored(run.folder / STATE)
    np.testing.assert_array_equal(network.get_weights()[0], arrays["weight/0"])
    assert not np.allclose(arrays["weight/0"], arrays["average/0"], atol=1e-4)


def test_stop_is_asked_before_each_step_and_saves(run: Run) -> None:
    asked = iter([False, False, True])
    network = _network()
    phase = _phase(network, validate=lambda epoch: VALIDATION, epochs=(Epoch(number=1, steps=5, size=32),))
    assert not _fitter(run, network, phase, stop=lambda: next(asked)).fit()
    assert stored(run.folder / STATE)[1]["progress"]["step"] == 2
    assert len(run.events()) == 2


def _layers(states: list[tuple[Arrays, dict[str, Any]]], phase: int) -> tuple[list[str], Arrays, Arrays]:
    own = [arrays for arrays, meta in states if meta["progress"]["phase"] == phase]
    config = {key: SETTINGS[key] for key in ("width", "base_width", "seed")}
    names = [v.path for v in build_classifier(**config, input_size=None).weights]
    return names, own[0], own[-1]


def test_phase_one_trains_the_head_and_leaves_the_base_bit_for_bit(uninterrupted: Recorded) -> None:
    names, before, after = _layers(uninterrupted.states, 1)
    assert len(names) == 30
    for k, name in enumerate(names):
        same = np.array_equal(before[f"weight/{k}"], after[f"weight/{k}"])
        assert same == name.startswith("block"), name


def test_phase_two_trains_every_layer(uninterrupted: Recorded) -> None:
    names, before, after = _layers(uninterrupted.states, 2)
    assert {name.split("/")[0] for name in names} == {*CONV_NAMES, "head_dense", "logits"}
    for k, name in enumerate(names):
        moved = float(np.abs(before[f"weight/{k}"] - after[f"weight/{k}"]).max())
        # Weight decay alone moves a weight of 1 by less than 16 steps * 1e-3 * 1e-3.
        assert moved > 1e-4, name


def test_phase_two_begins_with_the_best_weights_of_phase_one(uninterrupted: Recorded) -> None:
    names, first, _ = _layers(uninterrupted.states, 2)
    epochs = [e for e in uninterrupted.run.events() if e["event"] == "epoch" and e["phase"] == 1]
    best = min(epochs, key=lambda e: e["val_loss"])
    ends = [a for a, meta in uninterrupted.states if meta["progress"]["phase"] == 1 and meta["progress"]["step"] == 0]
    averages = ends[best["epoch"]]
    trained = [k for k, name in enumerate(names) if not name.startswith("block")]
    for place, k in enumerate(trained):
        np.testing.assert_array_equal(first[f"weight/{k}"], averages[f"average/{place}"])


def test_the_log_says_how_much_is_trained(uninterrupted: Recorded) -> None:
    head = (32 * 16 + 16) + (16 * 2 + 2)
    channels = [3, 4, 4, 8, 8, 16, 16, 16, 32, 32, 32, 32, 32, 32]
    base = sum(9 * a * b + b for a, b in pairwise(channels))
    phases = [(e["phase"], e["trainable"]) for e in uninterrupted.run.events() if e["event"] == "phase"]
    assert list(dict.fromkeys(phases)) == [(1, head), (2, base + head)]


def test_the_best_weights_have_the_lowest_validation_loss_of_the_last_phase(uninterrupted: Recorded) -> None:
    epochs = [e for e in uninterrupted.run.events() if e["event"] == "epoch"]
    assert [(e["phase"], e["epoch"]) for e in epochs] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    lowest = min(epochs[2:], key=lambda e: e["val_looks_loss"])
    arrays, meta = uninterrupted.run.load_best()
    assert {key: meta[key] for key in meta} == {key: lowest[key] for key in meta}
    for (first, second), loss in ((epochs[:2], "val_loss"), (epochs[2:], "val_looks_loss")):
        assert first["best"]
        assert second["best"] == (second[loss] < first[loss])
    assert len(arrays) == 30


def test_where_there_is_a_loss_over_looks_it_decides(run: Run) -> None:
    plain, looks = {1: 0.5, 2: 0.4, 3: 0.3}, {1: 0.9, 2: 0.7, 3: 0.8}
    network = _network()
    phase = _phase(
        network,
        epochs=tuple(Epoch(number=k, steps=1, size=32) for k in (1, 2, 3)),
        validate=lambda e: {"val_loss": plain[e.number], "val_looks_loss": looks[e.number], **VALIDATION},
    )
    _fitter(run, network, phase).fit()
    assert [e["best"] for e in run.events() if e["event"] == "epoch"] == [True, True, False]
    assert run.load_best()[1]["epoch"] == 2


def test_a_loss_at_one_size_is_not_compared_with_a_loss_at_another(run: Run) -> None:
    losses = {1: 0.2, 2: 0.9, 3: 0.8}
    network = _network()
    phase = _phase(
        network,
        epochs=tuple(Epoch(number=k, steps=1, size=size) for k, size in ((1, 32), (2, 64), (3, 64))),
        validate=lambda epoch: {"val_loss": losses[epoch.number], **VALIDATION},
    )
    _fitter(run, network, phase).fit()
    assert [e["best"] for e in run.events() if e["event"] == "epoch"] == [True, True, True]
    assert run.load_best()[1]["epoch"] == 3


def test_the_logged_validation_scores_by_an_independent_forward_pass(
    uninterrupted: Recorded, tiny_films: Path
) -> None:
    from sklearn.metrics import roc_auc_score

    from model.films import read_films

    config = TrainingConfig.from_json(uninterrupted.run.config)
    films = read_films(load_dataset(config).of("val"))
    arrays, meta = uninterrupted.run.load_best()
    network = build_classifier(width=16, base_width=0.0625, input_size=32)
    for variable in network.weights:
        variable.assign(arrays[variable.path])

    def judged(change: Callable[[Film], Film]) -> NDArray[np.float64]:
        inputs = np.stack(
            [to_grid(standardize(change(films.gray(k))), size=32)[:, :, None] for k in range(len(films))]
        )
        return np.asarray(network.predict(inputs, verbose=0), dtype=np.float64)

    def loss(probabilities: NDArray[np.float64]) -> float:
        weight = np.where(
            films.labels == 1, len(films) / 2 / films.labels.sum(), len(films) / 2 / (films.labels == 0).sum()
        )
        return float(np.mean(-np.log(probabilities[np.arange(len(films)), films.labels]) * weight))

    probabilities = judged(lambda film: film)
    assert meta["val_loss"] == pytest.approx(loss(probabilities), abs=1e-5)
    looks = [CONDITIONS[name] for name in CONDITIONS if "usual look" in name or "bottom" in name or name == "as it is"]
    assert len(looks) == 4
    assert meta["val_looks_loss"] == pytest.approx(np.mean([loss(judged(change)) for change in looks]), abs=1e-4)
    assert abs(meta["val_looks_loss"] - meta["val_loss"]) > 1e-3
    assert meta["val_accuracy"] == pytest.approx(float(np.mean((probabilities[:, 1] > 0.5) == films.labels)))
    assert meta["val_auroc"] == pytest.approx(roc_auc_score(films.labels, probabilities[:, 1]), abs=1e-6)


def test_validation_scores_of_unequal_classes_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]])
    scores = _scores(np.log(probabilities).astype(np.float32), np.array([0, 1, 1, 1]))
    loss = -(2 * np.log(0.9) + (np.log(0.4) + np.log(0.8) + np.log(0.3)) * 2 / 3) / 4
    assert scores == pytest.approx({"val_loss": loss, "val_accuracy": 0.5, "val_auroc": 1.0}, abs=1e-6)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tiny_films: Path, tmp_path: Path) -> None:
    found = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        changed = {**SETTINGS, "seed": seed, "stages": (), "copies": 1}
        run = start_run(tmp_path / name, TrainingConfig(dataset="chest_xray", data_dir=str(tiny_films), **changed))
        assert train(run)
        found.append(stored(run.folder / STATE)[0]["weight/26"])
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    assert np.abs(found[0] - found[2]).max() > 1e-3


def test_phase_two_heeds_the_pace_of_the_head_and_the_precision(tiny_films: Path, tmp_path: Path) -> None:
    def one_step(name: str, **changed: Any) -> tuple[Arrays, Arrays]:
        settings = {**SETTINGS, "copies": 0, "stages": ((32, 0.001),), "averaging": 0.0, **changed}
        run = start_run(tmp_path / name, TrainingConfig(dataset="chest_xray", data_dir=str(tiny_films), **settings))
        began: list[Arrays] = []
        plain = Run.save_state

        def save_state(run: Run, arrays: Arrays, meta: dict[str, Any]) -> None:
            if meta["progress"]["phase"] == 2:
                began.append({key: np.array(value) for key, value in arrays.items() if key.startswith("weight")})
            plain(run, arrays, meta)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Run, "save_state", save_state)
            assert train(run)
        assert len([e for e in run.events() if e["event"] == "step" and e["phase"] == 2]) == 1
        return began[0], began[-1]

    before, usual = one_step("usual")
    began, hurried = one_step("hurried", head_pace=8.0)
    rounded_before, rounded = one_step("rounded", precision="bfloat16")
    for k, key in enumerate(before):
        np.testing.assert_allclose(began[key], before[key], atol=1e-6, err_msg="phase 1 has no pace")
        pace = 8 if k >= 2 * len(CONV_NAMES) else 1
        np.testing.assert_allclose(hurried[key] - began[key], pace * (usual[key] - before[key]), atol=2e-6)
        assert np.abs(usual[key] - before[key]).max() > 1e-5
        assert rounded[key].dtype == np.float32
    moves = [
        np.concatenate([(a[k] - b[k]).ravel() for k in a]) for a, b in ((usual, before), (rounded, rounded_before))
    ]
    # One step of Adam goes as far in each weight, towards the side the gradient's sign says.
    assert 0.7 < np.mean(np.sign(moves[0]) == np.sign(moves[1])) < 1


def _films(count: int) -> Films:
    rng = np.random.default_rng(0)
    grids = rng.integers(0, 256, (count, 224, 224), dtype=np.uint8)
    return Films(grids=grids, examples=(None,) * count, unreadable=())  # type: ignore[arg-type]


def test_features_are_computed_once_and_go_on_where_they_were_stopped(tmp_path: Path) -> None:
    from model.augment import PAPER

    films, path, seen = _films(10), tmp_path / "features.npy", []

    def extract(batch: Any) -> Any:
        seen.append(len(batch))
        return batch[:, ::4, ::4, 0].reshape(len(batch), -1)

    def features(stop: Callable[[], bool] = lambda: False, *, copies: int = 3) -> Any:
        return cached_features(
            path, films, extract, copies=copies, width=64, size=32, how=PAPER, seed=1, batch=4, stop=stop
        )

    asked = iter([False, False, True])
    assert features(lambda: next(asked)) is None
    assert seen == [4, 4]
    whole = features()
    assert seen == [4] * 7 + [2] and whole.shape == (3, 10, 64) and whole.dtype == np.float32
    assert np.array_equal(features(), whole) and len(seen) == 8
    plain = film_batch(films, np.arange(10), size=32, hows=[None] * 10, seeds=[(0,)] * 10)
    np.testing.assert_array_equal(whole[0], plain[:, ::4, ::4, 0].reshape(10, -1))
    one = film_batch(films, np.array([7]), size=32, hows=[PAPER], seeds=[(1, 1, 27)])
    np.testing.assert_array_equal(whole[2, 7], one[0, ::4, ::4, 0].ravel())
    assert not np.array_equal(whole[1], whole[2])
    path.unlink()
    assert np.array_equal(features(), whole), "a count without its file counts nothing"
    assert features(copies=2).shape == (2, 10, 64), "a file of another shape is begun anew"
