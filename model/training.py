"""Transfer learning in two phases: the new layers on a frozen base, then every layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from model.batches import film_batch
from model.datasets import Split, check_classes
from model.devices import training_strategy
from model.errors import DatasetError, RunError
from model.features import cached_features
from model.films import Films, cache_for, read_films
from model.fitting import LOOKS_LOSS, Epoch, Fitter, Phase
from model.imagenet import imagenet_weights
from model.looks import look_statistics, overlap_weights
from model.metrics import auroc
from model.pipeline import Batch, batches
from model.planning import complete_beginning, load_dataset, started_from, starts_whole, teachers_of
from model.runs import BEST, Run
from model.sampling import class_weights, epoch_order
from model.settings import Round, settings_of
from model.stress import LOOKS
from model.teachers import mean_answer
from model.vgg16 import HEAD_NAMES, build_classifier, load_base_weights, logits_model, split_at_pool


def train(run: Run, *, stop: Callable[[], bool] = lambda: False) -> bool:
    """Train a run to its end, from the beginning or from where its last saved state left it.

    Parameters
    ----------
    run : Run
        As `model.planning.start_run` or ``Run(folder)`` gives it.
    stop : callable
        Asked before each step; True ends the training cleanly with its state and best weights saved.

    Returns
    -------
    bool
        True if both phases are done, False if `stop` ended them.

    Raises
    ------
    DatasetError
        If the data changed since the run began or too many films cannot be read.
    RunError
        If the folder cannot be written, or another process is training this run.
    """
    strategy = training_strategy()
    with run.alone(), strategy.scope():
        return _Training(run, stop).go()


class _Training:
    def __init__(self, run: Run, stop: Callable[[], bool]) -> None:
        self.run, self.stop = run, stop
        self.config = settings_of(run)
        self.dataset = load_dataset(self.config)
        if self.dataset.fingerprint() != run.config["data"]["fingerprint"]:
            raise DatasetError(
                f"The films in {self.config.data_dir} are not those this run began with "
                "(a file was added, removed, renamed or resized); restore them or start a new run."
            )
        complete_beginning(run, self.dataset)
        keras.utils.set_random_seed(self.config.seed)
        self.saved = run.load_state()
        self.films_then = {e["split"]: e["read"] for e in run.events() if e["event"] == "films"}

    def go(self) -> bool:
        config = self.config
        self.cache = cache_for(len(self.dataset.examples), config.cache)
        self.films = {split: self._read(split) for split in ("train", "val")}
        self.labels = {split: films.labels for split, films in self.films.items()}
        self.overlap = self._overlap() if config.balance == "look" else None
        self.model = build_classifier(
            head=config.head,
            width=config.width,
            dropout=config.dropout,
            input_size=None if config.head == "average" else config.first_size,
            base_width=config.base_width,
            precision=config.precision,
            seed=config.seed,
        )
        first = 2 if starts_whole(self.run) else 1
        reached = self.saved[1]["progress"]["phase"] if self.saved else first
        if reached == 1:
            if not self.saved:
                self._initial_weights()
            if not self._fit(self._phase_one):
                return self._stopped()
            self.saved = None
        for number, course in enumerate(config.rounds, start=2):
            if number < reached:
                continue
            if not self.saved:
                self._load_best_weights()
            if not self._fit(partial(self._phase_two, number, course)):
                return self._stopped()
            self.saved = None
        self.run.log("finished")
        return True

    def _read(self, split: Split) -> Films:
        examples = self.dataset.of(split)
        with tqdm(total=len(examples), desc=f"reading {split} films", unit="film", mininterval=0.5) as bar:

            def tick(done: int, total: int) -> None:
                bar.update(done - bar.n)

            films = read_films(examples, cache=self.cache, progress=tick)
        for path, why in films.unreadable:
            tqdm.write(f"left out {path}: {why}")
        check_classes(films.examples, needed=(split,))
        if self.films_then.get(split, len(films)) != len(films):
            raise DatasetError(
                f"{len(films)} {split} films can be read, but {self.films_then[split]} could when this run began; "
                "restore them or start a new run."
            )
        self.run.log("films", split=split, read=len(films), unreadable=[[p.name, why] for p, why in films.unreadable])
        return films

    def _overlap(self) -> NDArray[np.float64]:
        films = self.films["train"]
        statistics = np.stack([look_statistics(films.gray(k)) for k in range(len(films))])
        return overlap_weights(statistics, films.labels)

    def _initial_weights(self) -> None:
        if self.config.start:
            start = started_from(self.run).weights()
            for variable in self.model.weights:
                if variable.path.startswith("block"):
                    variable.assign(start[variable.path])
            return
        if self.config.weights == "random":
            return
        source = None if self.config.weights == "imagenet" else Path(self.config.weights)
        load_base_weights(self.model, imagenet_weights(source))

    def _load_best_weights(self) -> None:
        arrays, _ = self.run.load_best()
        for variable in self.model.weights:
            variable.assign(arrays[variable.path])

    def _fit(self, make: Callable[[], Phase | None]) -> bool:
        for layer in self.model.layers:
            layer.trainable = True
        phase = make()
        if phase is None:
            return False
        trainable = sum(int(np.prod(v.shape)) for v in phase.network.trainable_variables)
        self.run.log("phase", phase=phase.number, trainable=trainable)
        fitter = Fitter(
            self.run,
            self.model,
            phase,
            seed=self.config.seed,
            save_seconds=60 * self.config.save_minutes,
            stop=self.stop,
        )
        if self.saved:
            fitter.restore(*self.saved)
        finished = fitter.fit()
        if not finished and not (self.run.folder / BEST).exists():
            fitter.save_best(epoch=0, scores={"val_loss": float("inf")})
        return finished

    def _stopped(self) -> bool:
        self.run.log("stopped")
        return False

    def _phase_one(self) -> Phase | None:
        config = self.config
        size = config.first_size
        base, head = split_at_pool(self.model)
        forward = tf.function(lambda x: base(x, training=False), reduce_retracing=True)
        features = {}
        for split, copies in (("train", 1 + config.copies), ("val", 1)):
            total = copies * len(self.films[split])
            with tqdm(total=total, desc=f"phase 1 features, {split}", unit="film", mininterval=0.5) as bar:

                def tick(done: int, total: int, bar: tqdm[Any] = bar) -> None:
                    bar.update(done - bar.n)

                found = cached_features(
                    self.run.folder / f"features-{split}.npy",
                    self.films[split],
                    lambda x: np.asarray(forward(tf.constant(x)), dtype=np.float32),
                    copies=copies,
                    width=int(base.output.shape[-1]),
                    size=size,
                    how=config.how(),
                    seed=config.seed,
                    stop=self.stop,
                    progress=tick,
                )
            if found is None:
                return None
            features[split] = found
        weights = self._loss_weights()
        count = len(self.labels["train"])

        def batch(epoch: Epoch, step: int) -> Batch:
            chosen = self._chosen(1, epoch, step, count, config.head_batch)
            rng = np.random.default_rng((config.seed, 1, epoch.number, step))
            copy = rng.integers(0, 1 + config.copies, len(chosen))
            return features["train"][copy, chosen], self.labels["train"][chosen], weights[chosen]

        predict = tf.function(lambda x: head(x, training=False), reduce_retracing=True)

        def validate(epoch: Epoch) -> dict[str, float]:
            return _scores(predict(tf.constant(features["val"][0])).numpy(), self.labels["val"])

        steps = -(-count // config.head_batch)
        return self._phase(
            1,
            tuple(Epoch(number=k, steps=steps, size=size) for k in range(1, config.head_epochs + 1)),
            head,
            batch,
            validate,
            rate=config.head_rate,
            patience=max(config.patience, 8),
        )

    def _phase_two(self, number: int, course: Round) -> Phase:
        config = self.config
        weights = self._loss_weights()
        count = len(self.labels["train"])
        how = config.how(course.augmentation)
        network = logits_model(self.model)
        predict = tf.function(lambda x: network(x, training=False), reduce_retracing=True)

        def batch(epoch: Epoch, step: int) -> Batch:
            chosen = self._chosen(number, epoch, step, epoch.steps * config.batch, config.batch)
            seeds = [(config.seed, number, epoch.number, step, k) for k in range(len(chosen))]
            films = film_batch(self.films["train"], chosen, size=epoch.size, hows=[how] * len(chosen), seeds=seeds)
            return films, self.labels["train"][chosen], weights[chosen]

        def judged(size: int, condition: str) -> dict[str, float]:
            films, labels = self.films["val"], self.labels["val"]

            def part(step: int) -> Batch:
                chosen = np.arange(16 * step, min(16 * (step + 1), len(films)))
                none, seeds = [None] * len(chosen), [(0,)] * len(chosen)
                inputs = film_batch(films, chosen, size=size, hows=none, seeds=seeds, condition=condition)
                return inputs, labels[chosen], np.ones(len(chosen), np.float32)

            count = -(-len(films) // 16)
            parts = tqdm(
                batches(part, first=0, end=count),
                total=count,
                desc=f"validating, {condition}",
                unit="batch",
                mininterval=0.5,
                leave=False,
            )
            return _scores(np.concatenate([predict(tf.constant(inputs)).numpy() for inputs, _, _ in parts]), labels)

        def validate(epoch: Epoch) -> dict[str, float]:
            found = [judged(epoch.size, condition) for condition in LOOKS]
            return {**found[0], LOOKS_LOSS: float(np.mean([scores["val_loss"] for scores in found]))}

        epochs: list[Epoch] = []
        for size, duration in course.stages:
            left = duration
            while left > 1e-9:
                steps = max(1, round(min(left, 1.0) * count / config.batch))
                epochs.append(Epoch(number=len(epochs) + 1, steps=steps, size=size))
                left -= 1.0
        phase = self._phase(
            number,
            tuple(epochs),
            network,
            batch,
            validate,
            rate=course.rate,
            patience=config.patience,
            paces=dict.fromkeys(HEAD_NAMES, config.head_pace),
            teacher=self._teacher(),
        )
        if number == 2 and not starts_whole(self.run):
            return phase
        best = self.run.load_best()[1]
        # A best that was chosen before there was a loss over looks cannot be compared.
        known = {"best_loss": best.get(LOOKS_LOSS, inf), "best_size": best.get("size", 0)}
        return replace(phase, **known, begins_trained=True)

    def _phase(
        self,
        number: int,
        epochs: tuple[Epoch, ...],
        network: keras.Model,
        batch: Callable[[Epoch, int], Batch],
        validate: Callable[[Epoch], dict[str, float]],
        *,
        rate: float,
        patience: int,
        paces: Mapping[str, float] | None = None,
        teacher: Callable[[tf.Tensor], tf.Tensor] | None = None,
    ) -> Phase:
        return Phase(
            number=number,
            epochs=epochs,
            network=network,
            batch=batch,
            validate=validate,
            learning_rate=rate,
            weight_decay=self.config.weight_decay,
            warmup=0.1,
            floor=0.2,
            smoothing=self.config.smoothing,
            averaging=self.config.averaging,
            patience=patience,
            keep=self.config.keep if number > 1 else "best",
            paces=paces or {},
            teacher=teacher,
            teaching=self.config.teaching,
        )

    def _teacher(self) -> Callable[[tf.Tensor], tf.Tensor] | None:
        teachers = teachers_of(self.run)
        return mean_answer(teachers, self.config.precision) if teachers else None

    def _loss_weights(self) -> NDArray[np.float32]:
        labels = self.labels["train"]
        return class_weights(labels) if self.config.balance == "weights" else np.ones(len(labels), np.float32)

    def _chosen(self, phase: int, epoch: Epoch, step: int, length: int, batch: int) -> NDArray[np.int64]:
        order = epoch_order(
            self.labels["train"],
            length=length,
            balance=self.config.balance,
            rng=np.random.default_rng((self.config.seed, phase, epoch.number)),
            overlap=self.overlap,
        )
        return order[step * batch : (step + 1) * batch]


def _scores(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float]:
    if not np.isfinite(logits).all():
        raise RunError(
            "The network's answers to the validation films are no longer numbers: training has come apart. "
            "Start a run with a lower learning rate; the best weights so far are kept."
        )
    probabilities = np.asarray(tf.nn.softmax(logits), dtype=np.float64)
    own = np.clip(probabilities[np.arange(len(labels)), labels], 1e-12, 1.0)
    return {
        "val_loss": float(-np.mean(np.log(own) * class_weights(labels))),
        "val_accuracy": float(np.mean(probabilities.argmax(axis=1) == labels)),
        "val_auroc": auroc(labels, probabilities[:, 1]),
    }
