"""An epoch of phase 1 on cached features against one through the frozen base, both by the loop of `train.py`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from model.batches import film_batch
from model.checkpoint import load_checkpoint
from model.datasets.base import Example
from model.films import Films
from model.fitting import Batch, Epoch, Fitter, Phase
from model.metrics import auroc
from model.runs import Run
from model.sampling import class_weights, epoch_order
from model.settings import TrainingConfig
from model.vgg16 import CONV_NAMES, INPUT_SIZE, logits_model, split_at_pool
from tests.bench.conftest import Record
from tests.bench.films import film_pixels
from tests.bench.report import Measurement
from tests.bench.timing import duration

FILMS, VALIDATION = 4096, 512
SAMPLE, FROZEN_BATCH = 64, 16
ROUNDS = 3
CONFIG = TrainingConfig(dataset="chest_xray", data_dir="")
Validate = Callable[[Epoch], dict[str, float]]


def test_cached_features_against_the_frozen_base(tmp_path: Path, record: Record) -> None:
    model = load_checkpoint().model
    features = _feature_cache(tmp_path / "features.npy", width=model.get_layer("head_pool").output.shape[-1])
    films = _sample_of_films()
    cached: list[float] = []
    frozen: list[float] = []
    for turn in range(ROUNDS):
        cached += _seconds_between(_fitted(tmp_path / f"cached-{turn}", model, _on_cache(model, features)), "epoch")
        steps = _seconds_between(_fitted(tmp_path / f"frozen-{turn}", model, _through_base(model, films)), "step")
        frozen += [seconds / FROZEN_BATCH for seconds in steps]
    epoch, per_film = float(np.median(cached)), float(np.median(frozen))
    record(
        Measurement(
            bar="phase one",
            what=f"A phase 1 epoch of {FILMS:,} films on cached features: how many times faster than one through "
            f"the frozen base at {INPUT_SIZE} px",
            figure=per_film * FILMS / epoch,
            rule="at least",
            limit=100,
            numbers=f"{duration(epoch)} (median of {len(cached)} epochs; steps, validation on {VALIDATION} films and "
            f"saving) against {duration(per_film * FILMS)} ({duration(per_film)} per film, median of {len(frozen)} "
            f"steps of {FROZEN_BATCH} films, times {FILMS:,}; steps alone)",
        )
    )


def _on_cache(model: keras.Model, features: NDArray[np.float32]) -> Phase:
    """Phase 1 as `train.py` runs it: the copies' features from a memory-mapped file, validation, saving."""
    _, head = split_at_pool(model)
    labels, weights = _labels(FILMS)
    answers, _ = _labels(VALIDATION)
    predict = tf.function(lambda x: head(x, training=False), reduce_retracing=True)

    def batch(epoch: Epoch, step: int) -> Batch:
        chosen = _chosen(labels, epoch, step, CONFIG.head_batch)
        copy = np.random.default_rng((epoch.number, step)).integers(0, len(features), len(chosen))
        return features[copy, chosen], labels[chosen], weights[chosen]

    def validate(epoch: Epoch) -> dict[str, float]:
        logits = predict(tf.constant(features[0, :VALIDATION])).numpy()
        loss = float(np.mean(np.logaddexp(0, np.where(answers == 1, -1, 1) * (logits[:, 1] - logits[:, 0]))))
        return {"val_loss": loss, "val_auroc": auroc(answers, logits[:, 1])}

    return _phase(head, batch, validate, steps=-(-FILMS // CONFIG.head_batch))


def _through_base(model: keras.Model, films: Films) -> Phase:
    """Phase 1 without a cache: every film is augmented and goes through the frozen base at every step."""
    labels, weights = films.labels, class_weights(films.labels)

    def batch(epoch: Epoch, step: int) -> Batch:
        chosen = _chosen(labels, epoch, step, FROZEN_BATCH)
        seeds = [(epoch.number, step, k) for k in range(len(chosen))]
        inputs = film_batch(films, chosen, size=INPUT_SIZE, hows=[CONFIG.how()] * len(chosen), seeds=seeds)
        return inputs, labels[chosen], weights[chosen]

    return _phase(
        logits_model(model), batch, lambda epoch: {"val_loss": 0.0}, steps=len(films) // FROZEN_BATCH, epochs=1
    )


def _phase(
    network: keras.Model,
    batch: Callable[[Epoch, int], Batch],
    validate: Validate,
    *,
    steps: int,
    epochs: int = 3,
) -> Phase:
    return Phase(
        number=1,
        epochs=tuple(Epoch(number=k, steps=steps, size=INPUT_SIZE) for k in range(1, epochs + 1)),
        network=network,
        batch=batch,
        validate=validate,
        learning_rate=CONFIG.head_rate,
        weight_decay=CONFIG.weight_decay,
        warmup=0.1,
        floor=0.2,
        smoothing=CONFIG.smoothing,
        averaging=CONFIG.averaging,
        patience=epochs + 1,
    )


def _fitted(folder: Path, model: keras.Model, phase: Phase) -> Run:
    """Train the head alone for the whole phase, and return the run with its events."""
    for name in CONV_NAMES:
        model.get_layer(name).trainable = False
    run = Run.create(folder, {})
    fitter = Fitter(run, model, phase, seed=0, save_seconds=60 * CONFIG.save_minutes, stop=lambda: False)
    assert len(fitter.trained) == 4
    assert fitter.fit()
    for file in folder.glob("*.npz"):
        file.unlink()
    return run


def _seconds_between(run: Run, kind: str) -> list[float]:
    """Return the times from each event of a kind to the next; what comes before the first one is warming up."""
    times = [datetime.fromisoformat(event["time"]) for event in run.events() if event["event"] == kind]
    return [(after - before).total_seconds() for before, after in pairwise(times)]


def _feature_cache(path: Path, *, width: int) -> NDArray[np.float32]:
    """Write a cache like `model.features.cached_features` does; its values do not matter to the clock."""
    rng = np.random.default_rng(0)
    np.save(path, rng.random((1 + CONFIG.copies, FILMS, width), dtype=np.float32))
    return np.asarray(np.load(path, mmap_mode="r"), dtype=np.float32)


def _sample_of_films() -> Films:
    grids = np.stack([film_pixels(k, width=INPUT_SIZE, height=INPUT_SIZE) for k in range(SAMPLE)])
    examples = tuple(Example(path=Path(f"{k}.png"), label=k % 2, patient=str(k)) for k in range(SAMPLE))
    return Films(grids=grids, examples=examples, unreadable=())


def _labels(count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    labels = np.arange(count, dtype=np.int64) % 2
    return labels, class_weights(labels)


def _chosen(labels: NDArray[np.int64], epoch: Epoch, step: int, batch: int) -> NDArray[np.int64]:
    order = epoch_order(labels, length=len(labels), balance="sampling", rng=np.random.default_rng(epoch.number))
    return order[step * batch : (step + 1) * batch]
