"""The settings of a training run: what they mean, what they may be, and how they are read back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import inf
from pathlib import Path
from typing import Any

from model.augment import PRESETS, Augmentation
from model.datasets import REGISTRY
from model.errors import DatasetError, RunError
from model.fitting import Kept
from model.runs import CONFIG, Run
from model.sampling import Balance
from model.vgg16 import INPUT_SIZE, Head, Precision

_RANGES: dict[str, tuple[float, float]] = {
    "limit": (0, inf),
    "seed": (0, 1_000_000),
    "width": (1, inf),
    "dropout": (0, 0.99),
    "base_width": (1 / 64, 1),
    "vertical_flip": (0, 1),
    "copies": (0, inf),
    "head_epochs": (1, inf),
    "head_batch": (1, inf),
    "head_rate": (1e-8, 1),
    "batch": (1, inf),
    "rate": (1e-8, 1),
    "head_pace": (1, 1000),
    "teaching": (0, 1),
    "weight_decay": (0, inf),
    "smoothing": (0, 0.99),
    "averaging": (0, 0.9999),
    "patience": (1, inf),
    "save_minutes": (0, inf),
}


Stages = tuple[tuple[int, float], ...]


@dataclass(frozen=True, kw_only=True)
class Round:
    """One course of phase 2, with a climb and a fall of the learning rate of its own.

    Attributes
    ----------
    stages : tuple of (int, float)
        Side of the films in pixels, and epochs at that size; a fraction is a part of an epoch.
    rate : float
        Peak learning rate.
    augmentation : str
        A key of `model.augment.PRESETS`.
    """

    stages: Stages
    rate: float
    augmentation: str


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Everything that decides how a run comes out; written to the run's folder.

    Attributes
    ----------
    dataset, data_dir : str
        The data set's name and folder.
    options : Mapping from str to str
        What the data set offers besides, see `model.datasets.kinds.Kind`.
    split : str
        "official" or "patient", see `model.datasets.kinds.Kind`; "look", see `model.look_split`.
    cache : str
        Folder for decoded films; empty to keep small sets in memory and large ones in our own cache folder.
    without : tuple of str
        Films to leave out, by their path in `data_dir`, as ``python -m model.datasets inspect --drop`` names them.
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
        Phase 2, see `Round`; empty for phase 1 only.
    batch, rate : int, float
        Phase 2: films per step, peak learning rate.
    head_pace : float
        Phase 2: how many times as fast as the convolutions the head learns, see `model.fitting.Phase`.
    precision : str
        "float32" or "bfloat16", what the convolutions multiply while training, see `model.vgg16.build_classifier`; a
        checkpoint is always served in float32.
    weight_decay, smoothing, averaging, patience : float, float, float, int
        See `model.fitting.Phase`.
    keep : str
        "best" or "last", which weights are kept, see `model.fitting.Phase`.
    save_minutes : float
        Longest time between two saved states.
    start : str
        Folder of a checkpoint or run to begin from, empty for none: with the same head phase 2 begins with its
        weights, in place of phase 1; for another head, or without stages, its base stands in for ImageNet's and the
        head is trained anew (Kirichenko, Izmailov, Wilson 2023, arXiv:2204.02937).
    teachers : tuple of str
        Phase 2: folders of checkpoints or runs whose mean answer to each changed film is learned too, see
        `model.teachers`.
    teaching : float
        The share of that answer in what is learned; the rest is the film's label.
    more : tuple of Round
        What was added after the run was finished, see `model.planning.train_more`.
    """

    dataset: str
    data_dir: str
    options: Mapping[str, str] = field(default_factory=dict)
    split: str = "official"
    cache: str = ""
    without: tuple[str, ...] = ()
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
    balance: Balance = "sampling"
    copies: int = 2
    head_epochs: int = 60
    head_batch: int = 64
    head_rate: float = 1e-3
    stages: Stages = ((128, 2.0), (224, 2.0))
    batch: int = 16
    rate: float = 4e-5
    head_pace: float = 1.0
    precision: Precision = "float32"
    weight_decay: float = 1e-3
    smoothing: float = 0.05
    averaging: float = 0.99
    patience: int = 3
    keep: Kept = "best"
    save_minutes: float = 5.0
    start: str = ""
    teachers: tuple[str, ...] = ()
    teaching: float = 0.8
    more: tuple[Round, ...] = ()

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> TrainingConfig:
        """Read a config back from a run's `config.json`, leaving out what is not a setting."""
        known = {f.name for f in fields(cls)}
        values = {key: value for key, value in record.items() if key in known}
        values["stages"] = _stages(values["stages"])
        for name in ("without", "teachers"):
            values[name] = tuple(values.get(name, ()))
        values["more"] = tuple(
            Round(
                stages=_stages(r["stages"]),
                rate=float(r["rate"]),
                augmentation=r.get("augmentation", values["augmentation"]),
            )
            for r in values.get("more", ())
        )
        return cls(**values)

    @property
    def rounds(self) -> tuple[Round, ...]:
        """Everything that phase 2 does, in its order."""
        planned = (Round(stages=self.stages, rate=self.rate, augmentation=self.augmentation),) if self.stages else ()
        return planned + self.more

    @property
    def first_size(self) -> int:
        """Side of the films in pixels in phase 1 and when phase 2 begins."""
        return self.rounds[0].stages[0][0] if self.rounds else INPUT_SIZE

    def how(self, augmentation: str | None = None) -> Augmentation:
        """Return the augmentation asked for, or another one with the same share of vertical flips."""
        return replace(PRESETS[augmentation or self.augmentation], vertical_flip=self.vertical_flip)


def architecture_of(config: TrainingConfig) -> dict[str, Any]:
    """Return the keyword arguments of `model.vgg16.build_classifier` that a checkpoint keeps."""
    width = {} if config.base_width == 1 else {"base_width": config.base_width}
    return {"head": config.head, "width": config.width, "dropout": config.dropout, **width}


def settings_of(run: Run) -> TrainingConfig:
    """Return the settings a run was started with.

    Raises
    ------
    RunError
        If its config no longer holds them.
    DatasetError
        If it names a data set that is not there.
    """
    if "mean_of" in run.config:
        raise RunError(
            f"{run.folder} holds the mean of other networks, there is nothing to go on with; train it as a new run "
            f"with --start {run.folder}."
        )
    try:
        config = TrainingConfig.from_json(run.config)
        check_settings(config)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"The settings in {run.folder / CONFIG} are not those of a training run ({error}); restore the file."
        ) from error
    return config


def check_settings(config: TrainingConfig) -> None:
    """Refuse settings that make no sense, before anything is made.

    Raises
    ------
    RunError
        One sentence naming the setting, what it is and what it may be.
    DatasetError
        If there is no such data set.
    """
    if config.dataset not in REGISTRY:
        raise DatasetError(f"There is no data set {config.dataset!r}; choose one of {', '.join(REGISTRY)}.")
    REGISTRY[config.dataset].checked(config.options)
    given = [(name, getattr(config, name), _RANGES[name]) for name in _RANGES]
    given += [("more-rate", r.rate, _RANGES["rate"]) for r in config.more]
    for name, value, (low, high) in given:
        if not low <= value <= high:
            allowed = f"from {low:g} to {high:g}" if high < inf else f"of at least {low:g}"
            raise RunError(f"--{name.replace('_', '-')} is {value}; give a number {allowed}.")
    if config.weights not in ("imagenet", "random") and not Path(config.weights).is_file():
        raise RunError(f"There is no weight file {config.weights}; give a file, 'imagenet' or 'random'.")
    if config.weights != "random" and config.base_width != 1:
        raise RunError("A network of another width cannot take ImageNet's weights; use --weights random with it.")
    if config.teachers and not config.rounds:
        raise RunError("Teachers teach in phase 2, and there is none with --stages none; give it stages.")
    stages = [stage for r in config.rounds for stage in r.stages]
    sizes = {size for size, _ in stages}
    if config.head == "flatten" and len(sizes) > 1:
        raise RunError(f"A Flatten head has one input size, received stages at {sorted(sizes)}; use --head average.")
    if any(size < 32 or not 0 < epochs < inf for size, epochs in stages):
        raise RunError("Each stage needs a size of at least 32 pixels and more than 0 epochs, such as 112:3.")


def _stages(given: Iterable[Sequence[float]]) -> Stages:
    return tuple((int(size), float(epochs)) for size, epochs in given)
