"""Transfer learning in two phases: the new layers on a frozen base, then every layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from model.augment import PRESETS, Augmentation
from model.batches import film_batch
from model.datasets import REGISTRY, SPLITS, Dataset, Split
from model.errors import DatasetError, RunError
from model.features import cached_features
from model.films import Films, read_films
from model.fitting import Batch, Epoch, Fitter, Phase
from model.imagenet import imagenet_weights
from model.looks import look_clusters, look_statistics
from model.metrics import auroc
from model.runs import Run
from model.sampling import Balance, class_weights, epoch_order
from model.vgg16 import Head, build_classifier, load_base_weights, logits_model, split_at_pool


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Everything that decides how a run comes out; written to the run's folder.

    Attributes
    ----------
    dataset, data_dir : str
        The data set's name and folder.
    split : str
        "folders" or "patient", see `model.datasets.chest_xray.load`.
    val_fraction, test_fraction : float
        Shares of a split made here.
    limit : int
        Use at most this many films of each split (0: all), for a first try.
    seed : int
        Fixes the split, the first weights, the order, the augmentation and the dropout.
    weights : str
        "imagenet", "random", or the path of a weight file.
    head, width, dropout : str, int, float
        See `model.vgg16.build_classifier`.
    base_width : float
        Below 1 for tests and smoke runs only.
    augmentation : str
        A preset of `model.augment`.
    vertical_flip : float
        Probability of turning a film upside down; off by default, since no film arrives like that.
    balance : str
        "none", "weights", "sampling" or "look", see `model.sampling`.
    copies : int
        Phase 1: augmented copies of every film whose features are cached, besides the film itself.
    head_epochs, head_batch, head_rate : int, int, float
        Phase 1: longest duration, films per step, peak learning rate.
    stages : tuple of (int, float)
        Phase 2: side of the films in pixels, and epochs at that size; a fraction is a part of an epoch.
    batch, rate : int, float
        Phase 2: films per step, peak learning rate.
    weight_decay, smoothing, averaging, patience : float, float, float, int
        See `model.fitting.Phase`.
    save_minutes : float
        Longest time between two saved states.
    """

    dataset: str
    data_dir: str
    split: str = "folders"
    val_fraction: float = 0.10
    test_fraction: float = 0.15
    limit: int = 0
    seed: int = 0
    weights: str = "imagenet"
    head: Head = "average"
    width: int = 256
    dropout: float = 0.5
    base_width: float = 1.0
    augmentation: str = "robust"
    vertical_flip: float = 0.0
    balance: Balance = "look"
    copies: int = 2
    head_epochs: int = 60
    head_batch: int = 64
    head_rate: float = 1e-3
    stages: tuple[tuple[int, float], ...] = ((112, 3.0), (224, 0.25))
    batch: int = 16
    rate: float = 1e-4
    weight_decay: float = 1e-3
    smoothing: float = 0.05
    averaging: float = 0.98
    patience: int = 3
    save_minutes: float = 5.0

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> TrainingConfig:
        """Read a config back from a run's `config.json`, leaving out what is not a setting."""
        known = {f.name for f in fields(cls)}
        values = {key: value for key, value in record.items() if key in known}
        values["stages"] = tuple((int(size), float(epochs)) for size, epochs in values["stages"])
        return cls(**values)

    def how(self) -> Augmentation:
        """Return the augmentation asked for."""
        return replace(PRESETS[self.augmentation], vertical_flip=self.vertical_flip)


def load_dataset(config: TrainingConfig) -> Dataset:
    """Return the data set of a config, split and, where asked, limited."""
    dataset = REGISTRY[config.dataset](
        Path(config.data_dir),
        split=config.split,
        val_fraction=config.val_fraction,
        test_fraction=config.test_fraction,
        seed=config.seed,
    )
    if not config.limit:
        return dataset
    rng = np.random.default_rng(config.seed)
    kept = []
    for split in SPLITS:
        films = dataset.of(split)
        chosen = sorted(rng.permutation(len(films))[: config.limit])
        kept += [films[k] for k in chosen]
    return replace(dataset, examples=tuple(sorted(kept, key=lambda e: e.path)))


def start_run(folder: Path, config: TrainingConfig) -> Run:
    """Make the run's folder.

    Raises
    ------
    RunError
        If the folder is in use or a setting makes no sense.
    DatasetError
        If the data set cannot be used.
    """
    _check(config)
    dataset = load_dataset(config)
    run = Run.create(
        folder,
        {
            **asdict(config),
            "data": {
                "name": dataset.name,
                "source": dataset.source,
                "licence": dataset.licence,
                "citation": dataset.citation,
                "counts": dataset.counts(),
                "fingerprint": dataset.fingerprint(),
            },
        },
    )
    lines = [f"{e.split}\t{e.label}\t{e.patient}\t{e.path.parent.name}/{e.path.name}" for e in dataset.examples]
    (run.folder / "split.tsv").write_text("split\tlabel\tpatient\tfilm\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return run


def train(run: Run, *, stop: Callable[[], bool] = lambda: False) -> bool:
    """Train a run to its end, from the beginning or from where its last saved state left it.

    Parameters
    ----------
    run : Run
        As `start_run` or ``Run(folder)`` gives it.
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
        If the folder cannot be written.
    """
    return _Training(run, stop).go()


class _Training:
    def __init__(self, run: Run, stop: Callable[[], bool]) -> None:
        self.run, self.stop = run, stop
        self.config = TrainingConfig.from_json(run.config)
        self.dataset = load_dataset(self.config)
        if self.dataset.fingerprint() != run.config["data"]["fingerprint"]:
            raise DatasetError(
                f"The films in {self.config.data_dir} are not those this run began with "
                "(a file was added, removed, renamed or resized); restore them or start a new run."
            )
        keras.utils.set_random_seed(self.config.seed)
        self.saved = run.load_state()

    def go(self) -> bool:
        config = self.config
        self.films = {split: self._read(split) for split in ("train", "val")}
        self.labels = {split: films.labels for split, films in self.films.items()}
        self.looks = self._looks() if config.balance == "look" else None
        self.model = build_classifier(
            head=config.head,
            width=config.width,
            dropout=config.dropout,
            input_size=None if config.head == "average" else config.stages[0][0],
            base_width=config.base_width,
            seed=config.seed,
        )
        reached = self.saved[1]["progress"]["phase"] if self.saved else 1
        if reached == 1:
            if not self.saved:
                self._initial_weights()
            if not self._fit(self._phase_one):
                return self._stopped()
            self.saved = None
        if not self.saved:
            self._load_best_weights()
        if config.stages and not self._fit(self._phase_two):
            return self._stopped()
        self.run.log("finished")
        return True

    def _read(self, split: Split) -> Films:
        examples = self.dataset.of(split)
        with tqdm(total=len(examples), desc=f"reading {split} films", unit="film", mininterval=0.5) as bar:
            films = read_films(examples, progress=lambda done, total: bar.update())
        self.run.log(
            "films", split=split, read=len(films), unreadable=[[p.name, why] for p, why in films.unreadable]
        )
        for path, why in films.unreadable:
            tqdm.write(f"left out {path}: {why}")
        return films

    def _looks(self) -> NDArray[np.int64]:
        films = self.films["train"]
        statistics = np.stack([look_statistics(films.gray(k)) for k in range(len(films))])
        return look_clusters(statistics, seed=self.config.seed)

    def _initial_weights(self) -> None:
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
        self.run.log("phase", phase=phase.number, trainable=int(sum(np.prod(v.shape) for v in phase.network.trainable_variables)))
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
        elif phase.number == 2:
            fitter.progress.best_loss = float(self.run.load_best()[1]["val_loss"])
        finished = fitter.fit()
        if not finished and not (self.run.folder / "best.npz").exists():
            fitter.save_best(epoch=0, scores={"val_loss": float("inf")})
        return finished

    def _stopped(self) -> bool:
        self.run.log("stopped")
        return False

    def _phase_one(self) -> Phase | None:
        config = self.config
        size = config.stages[0][0] if config.stages else 224
        base, head = split_at_pool(self.model)
        forward = tf.function(lambda x: base(x, training=False), reduce_retracing=True)
        features = {}
        for split, copies in (("train", 1 + config.copies), ("val", 1)):
            total = copies * len(self.films[split])
            with tqdm(total=total, desc=f"phase 1 features, {split}", unit="film", mininterval=0.5) as bar:
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
                    progress=lambda done, total, bar=bar: bar.update(done - bar.n),
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

    def _phase_two(self) -> Phase:
        config = self.config
        weights = self._loss_weights()
        count = len(self.labels["train"])
        how = config.how()
        network = logits_model(self.model)
        predict = tf.function(lambda x: network(x, training=False), reduce_retracing=True)

        def batch(epoch: Epoch, step: int) -> Batch:
            chosen = self._chosen(2, epoch, step, epoch.steps * config.batch, config.batch)
            seeds = [(config.seed, 2, epoch.number, step, k) for k in range(len(chosen))]
            films = film_batch(self.films["train"], chosen, size=epoch.size, hows=[how] * len(chosen), seeds=seeds)
            return films, self.labels["train"][chosen], weights[chosen]

        def validate(epoch: Epoch) -> dict[str, float]:
            films = self.films["val"]
            logits = []
            for k in tqdm(range(0, len(films), 16), desc="validating", unit="batch", mininterval=0.5, leave=False):
                chosen = np.arange(k, min(k + 16, len(films)))
                none, seeds = [None] * len(chosen), [(0,)] * len(chosen)
                inputs = film_batch(films, chosen, size=epoch.size, hows=none, seeds=seeds)
                logits.append(predict(tf.constant(inputs)).numpy())
            return _scores(np.concatenate(logits), self.labels["val"])

        epochs: list[Epoch] = []
        for size, duration in config.stages:
            left = duration
            while left > 1e-9:
                steps = max(1, round(min(left, 1.0) * count / config.batch))
                epochs.append(Epoch(number=len(epochs) + 1, steps=steps, size=size))
                left -= 1.0
        return self._phase(
            2, tuple(epochs), network, batch, validate, rate=config.rate, patience=config.patience
        )

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
        )

    def _loss_weights(self) -> NDArray[np.float32]:
        labels = self.labels["train"]
        return class_weights(labels) if self.config.balance == "weights" else np.ones(len(labels), np.float32)

    def _chosen(self, phase: int, epoch: Epoch, step: int, length: int, batch: int) -> NDArray[np.int64]:
        order = epoch_order(
            self.labels["train"],
            length=length,
            balance=self.config.balance,
            rng=np.random.default_rng((self.config.seed, phase, epoch.number)),
            looks=self.looks,
        )
        return order[step * batch : (step + 1) * batch]


def _check(config: TrainingConfig) -> None:
    if config.dataset not in REGISTRY:
        raise DatasetError(f"There is no data set {config.dataset!r}; choose one of {', '.join(REGISTRY)}.")
    if config.weights not in ("imagenet", "random") and not Path(config.weights).exists():
        raise RunError(f"There is no weight file {config.weights}; give a file, 'imagenet' or 'random'.")
    if config.weights != "random" and config.base_width != 1:
        raise RunError("A network of another width cannot take ImageNet's weights; use --weights random with it.")
    sizes = {size for size, _ in config.stages}
    if config.head == "flatten" and len(sizes) > 1:
        raise RunError(f"A Flatten head has one input size, received stages at {sorted(sizes)}; use --head average.")
    if any(size < 32 or epochs <= 0 for size, epochs in config.stages):
        raise RunError("Each stage needs a size of at least 32 pixels and more than 0 epochs, such as 112:3.")


def _scores(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float]:
    probabilities = np.asarray(tf.nn.softmax(logits), dtype=np.float64)
    own = np.clip(probabilities[np.arange(len(labels)), labels], 1e-12, 1.0)
    return {
        "val_loss": float(-np.mean(np.log(own) * class_weights(labels))),
        "val_accuracy": float(np.mean(probabilities.argmax(axis=1) == labels)),
        "val_auroc": auroc(labels, probabilities[:, 1]),
    }
