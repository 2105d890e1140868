"""Which head, which balance, which augmentation: each choice measured by itself, on the frozen base.

python -m model.choices --data-dir DIR --work DIR     measure, or go on measuring, and write docs/choices.md

Training every layer once for each choice would take days; new layers on the frozen base take seconds once its
features are kept. What is measured is therefore phase 1, and the page says so.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from model.augment import MIXED, NONE, PAPER, ROBUST, Augmentation
from model.batches import film_batch
from model.cache import atomic_path
from model.datasets import REGISTRY, Example, split_by_patient
from model.errors import DatasetError, PneumoscopeError
from model.features import cached_features
from model.films import Films, read_films
from model.fitting import Epoch, Fitter, Phase
from model.imagenet import imagenet_weights
from model.looks import look_statistics, overlap_weights
from model.metrics import at_threshold, auroc
from model.pipeline import Batch
from model.preprocess import VERSION
from model.runs import Run
from model.sampling import Balance, class_weights, epoch_order
from model.vgg16 import Head, build_classifier, load_base_weights, split_at_pool

PAGE = Path(__file__).resolve().parent.parent / "docs" / "choices.md"
SIZE = 112
SEEDS = (0, 1, 2)

_CELLS = (SIZE // 32) ** 2
_COPIES = 3
_EPOCHS = 20
_BATCH = 32
_UNLIKE = 0.30

Floats = NDArray[np.float32]
Numbers = dict[str, float]

AUGMENTATIONS: dict[str, Augmentation] = {
    "none": NONE,
    "paper": PAPER,
    "paper + contrast": replace(PAPER, contrast=ROBUST.contrast),
    "paper + shift": replace(PAPER, shift=ROBUST.shift),
    "paper + zoom": replace(PAPER, zoom=ROBUST.zoom, aspect=ROBUST.aspect),
    "mixed": MIXED,
    "robust": ROBUST,
}
DISGUISES = {0: "the usual look of pneumonia films", 1: "the usual look of normal films"}
TESTS = ("alike", "disguised", "unlike")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One row of the page: what is varied, and everything else as the shipped network was begun."""

    question: str
    name: str
    head: Head = "average"
    width: int = 256
    balance: Balance = "sampling"
    augmentation: str = "robust"


TRIALS: tuple[Trial, ...] = (
    Trial(question="Head", name="average, 64 units", width=64),
    Trial(question="Head", name="average, 256 units (shipped)"),
    Trial(question="Head", name="average, 1,024 units", width=1024),
    Trial(question="Head", name="Flatten, 64 units", head="flatten", width=64),
    Trial(question="Head", name="Flatten, 256 units", head="flatten"),
    Trial(question="Balance", name="none", balance="none"),
    Trial(question="Balance", name="weights", balance="weights"),
    Trial(question="Balance", name="sampling (shipped)", balance="sampling"),
    Trial(question="Balance", name="look", balance="look"),
    *(
        Trial(question="Augmentation", name=name + (" (shipped)" if name == "robust" else ""), augmentation=name)
        for name in AUGMENTATIONS
    ),
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Parts:
    """The films and who is used for what: indices of train, val, and the two tests.

    Attributes
    ----------
    films : Films
        All of them.
    overlap : ndarray of float64, shape (n,)
        Overlap weights; 0 outside the training films.
    members : dict
        "train", "val", "alike" and "unlike", each ndarray of int64.
    """

    films: Films
    overlap: NDArray[np.float64]
    members: dict[str, NDArray[np.int64]]


def divided(films: Films, *, seed: int = 0) -> Parts:
    """Divide films by patient, after the ones that look like the other class are set aside.

    Parameters
    ----------
    films : Films
        Both classes.
    seed : int
        Seeds the choice of patients.

    Returns
    -------
    Parts
        "unlike" holds the 30 % of each class that look most like the other class, "alike" a fifth and "val" a tenth
        of the patients without a film in it, "train" the rest.
    """
    statistics = np.stack([look_statistics(films.gray(k)) for k in range(len(films))])
    labels = films.labels
    likeness = overlap_weights(statistics, labels)
    unlike = np.zeros(len(films), dtype=np.bool_)
    for label in (0, 1):
        own = np.flatnonzero(labels == label)
        unlike[own[np.argsort(-likeness[own], kind="stable")[: round(_UNLIKE * len(own))]]] = True
    aside = set(films.patients[unlike].tolist())
    others = [k for k in range(len(films)) if films.examples[k].patient not in aside]
    dealt = split_by_patient([films.examples[k] for k in others], val_fraction=0.1, test_fraction=0.2, seed=seed)
    members = {"unlike": np.flatnonzero(unlike)}
    for part, split in (("train", "train"), ("val", "val"), ("alike", "test")):
        members[part] = np.array([k for k, e in zip(others, dealt, strict=True) if e.split == split], dtype=np.int64)
    overlap = np.zeros(len(films))
    overlap[members["train"]] = overlap_weights(statistics[members["train"]], labels[members["train"]])
    return Parts(films=films, overlap=overlap, members=members)


def disguised(parts: Parts, extract: Callable[[Floats], Floats]) -> Floats:
    """Return the features of the films of "alike", each in the usual look of the other class.

    Parameters
    ----------
    parts : Parts
        The films.
    extract : callable
        From network inputs, shape (b, 112, 112, 1), to block 5's pooled maps, the cells of each film in one row.

    Returns
    -------
    ndarray of float32, shape (len(alike), cells, channels)
        In the order of ``parts.members["alike"]``; see `model.stress.CONDITIONS` for the looks.
    """
    members = parts.members["alike"]
    found: list[Floats] = []
    for start in range(0, len(members), _BATCH):
        chosen = members[start : start + _BATCH]
        inputs = [
            film_batch(parts.films, chosen[k : k + 1], size=SIZE, hows=[None], seeds=[()], condition=DISGUISES[label])
            for k, label in enumerate(parts.films.labels[chosen].tolist())
        ]
        found.append(extract(np.concatenate(inputs)))
    return np.concatenate(found).reshape(len(members), _CELLS, -1)


def measured(
    trial: Trial, parts: Parts, features: Floats, in_disguise: Floats, *, seed: int, epochs: int = _EPOCHS
) -> Numbers:
    """Train new layers once and score the three tests.

    Parameters
    ----------
    trial : Trial
        What to train.
    parts : Parts
        On what.
    features : ndarray of float32, shape (copies, n, cells, 512)
        Block 5's pooled maps of every film; the first copy is not augmented.
    in_disguise : ndarray of float32, shape (len(alike), cells, 512)
        As `disguised` gives them.
    seed : int
        First weights, order and dropout.
    epochs : int
        Passes over the training films; the epoch with the lowest validation loss counts.

    Returns
    -------
    dict
        "alike auroc", "alike accuracy", and the same for "disguised" and "unlike", each in 0..1. The accuracy is
        balanced: the mean of sensitivity and specificity at one half.
    """
    labels = parts.films.labels
    train = parts.members["train"]
    copies, _, cells, channels = features.shape
    model = build_classifier(
        head=trial.head,
        width=trial.width,
        input_size=SIZE,
        base_width=channels / 512,
        seed=seed,
    )
    head = split_at_pool(model)[1]

    def as_input(maps: Floats) -> Floats:
        return maps.mean(axis=-2) if trial.head == "average" else maps.reshape(*maps.shape[:-2], cells * channels)

    pooled, pooled_in_disguise = as_input(features), as_input(in_disguise)
    balanced = np.ones(len(labels), np.float32)
    if trial.balance == "weights":
        balanced[train] = class_weights(labels[train])

    def batch(epoch: Epoch, step: int) -> Batch:
        order = epoch_order(
            labels[train],
            length=len(train),
            balance=trial.balance,
            rng=np.random.default_rng((seed, epoch.number)),
            overlap=parts.overlap[train],
        )
        chosen = train[order[step * _BATCH : (step + 1) * _BATCH]]
        copy = np.random.default_rng((seed, epoch.number, step)).integers(0, copies, len(chosen))
        return pooled[copy, chosen], labels[chosen], balanced[chosen]

    predict = tf.function(lambda x: tf.nn.softmax(head(x, training=False)), reduce_retracing=True)

    def scores(part: str) -> NDArray[np.float64]:
        given = pooled_in_disguise if part == "disguised" else pooled[0, parts.members[part]]
        return np.asarray(predict(tf.constant(given)).numpy()[:, 1], dtype=np.float64)

    def validate(epoch: Epoch) -> Numbers:
        own, truth = scores("val"), labels[parts.members["val"]]
        right = np.clip(np.where(truth == 1, own, 1 - own), 1e-12, 1)
        return {
            "val_loss": float(-np.mean(np.log(right) * class_weights(truth))),
            "val_accuracy": float(np.mean((own >= 0.5) == truth)),
            "val_auroc": auroc(truth, own),
        }

    phase = Phase(
        number=1,
        epochs=tuple(Epoch(number=k, steps=-(-len(train) // _BATCH), size=SIZE) for k in range(1, epochs + 1)),
        network=head,
        batch=batch,
        validate=validate,
        learning_rate=1e-3,
        weight_decay=1e-3,
        warmup=0.1,
        floor=0.2,
        smoothing=0.05,
        averaging=0.98,
        patience=epochs,
    )
    with tempfile.TemporaryDirectory(prefix="pneumoscope-choice-") as place:
        run = Run.create(Path(place) / "run", {})
        Fitter(run, head, phase, seed=seed, save_seconds=1e9, stop=lambda: False).fit()
        best, _ = run.load_best()
    for variable in head.weights:
        variable.assign(best[variable.path])
    found: Numbers = {}
    for part in TESTS:
        truth, own = labels[parts.members["alike" if part == "disguised" else part]], scores(part)
        numbers = at_threshold(truth, own, threshold=0.5)
        found[f"{part} auroc"] = auroc(truth, own)
        found[f"{part} accuracy"] = (numbers["sensitivity"] + numbers["specificity"]) / 2
    return found


def page(parts: Parts, results: Sequence[tuple[Trial, Sequence[Numbers]]], *, command: str) -> str:
    """Return the measured choices as a Markdown page."""
    counts = {part: len(chosen) for part, chosen in parts.members.items()}
    lines = [
        "# How the network's settings were chosen",
        "",
        f"Made by `{command}`. New layers were trained on the features of the frozen ImageNet base for {SIZE} px "
        f"films (phase 1), each row {len(SEEDS)} times with other first weights; the numbers are the mean and, in "
        "brackets, the lowest and highest. Training every layer may shift them.",
        "",
        f"{counts['unlike']:,} films were set aside first: the 30 % of each class that look most like the other class "
        "(how black, how sharp, which edges). They are the hard test, **unlike** those trained on. Of the other "
        f"films, {counts['train']:,} were trained on, {counts['val']:,} chose the epoch, and {counts['alike']:,} are "
        "the easy test, **alike**; the same films, each cut and sharpened or blurred as is usual for the other class, "
        "are the test of what does not depend on that, **disguised**. No patient is on two sides, and the shipped "
        "model's test films are in none of them. Accuracy is balanced: the mean of sensitivity and specificity at one "
        "half.",
    ]
    for question in dict.fromkeys(trial.question for trial, _ in results):
        lines += [
            "",
            f"## {question}",
            "",
            "| | " + " | ".join(f"{test}: AUROC | {test}: accuracy" for test in TESTS) + " |",
            "|---" * (1 + 2 * len(TESTS)) + "|",
        ]
        for trial, numbers in results:
            if trial.question == question:
                lines.append(f"| {trial.name} | " + " | ".join(_spread(numbers, key) for key in numbers[0]) + " |")
    return "\n".join(lines) + "\n"


def _spread(numbers: Sequence[Numbers], key: str) -> str:
    values = [found[key] for found in numbers]
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _examples(folder: Path, count: int) -> list[Example]:
    dataset = REGISTRY["chest_xray"].load(folder, split="patient", seed=1)
    free = [e for e in dataset.examples if e.split != "test"]
    if count >= len(free):
        return free
    return [free[k] for k in np.linspace(0, len(free) - 1, count).astype(int)]


def _extractor() -> Callable[[Floats], Floats]:
    model = build_classifier(head="flatten", input_size=SIZE)
    load_base_weights(model, imagenet_weights())
    base = split_at_pool(model)[0]
    forward = tf.function(lambda x: base(x, training=False), reduce_retracing=True)
    return lambda films: np.asarray(forward(tf.constant(films)), dtype=np.float32)


def _features(name: str, films: Films, work: Path, extract: Callable[[Floats], Floats]) -> Floats:
    copies = 1 if name == "none" else _COPIES
    with tqdm(total=copies * len(films), desc=f"features, {name}", unit="film", mininterval=1) as bar:

        def tick(done: int, total: int) -> None:
            bar.update(done - bar.n)

        found = cached_features(
            work / f"{VERSION}-{name.replace(' + ', '-')}.npy",
            films,
            extract,
            copies=copies,
            width=_CELLS * 512,
            size=SIZE,
            how=AUGMENTATIONS[name],
            seed=0,
            progress=tick,
        )
    if found is None:
        raise DatasetError("The features were not finished; run the command again.")
    return found.reshape(copies, len(films), _CELLS, 512)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m model.choices", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, required=True, help="Kermany's folder")
    parser.add_argument("--work", type=Path, required=True, help="where features are kept; the same folder goes on")
    parser.add_argument("--films", type=int, default=2000, help="how many films (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=PAGE, help="the page (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        options.work.mkdir(parents=True, exist_ok=True)
        parts = divided(read_films(_examples(options.data_dir, options.films)))
        extract = cache(_extractor)
        in_disguise = disguised(parts, extract())
        results: list[tuple[Trial, list[Any]]] = []
        for trial in TRIALS:
            features = _features(trial.augmentation, parts.films, options.work, extract())
            results.append((trial, [measured(trial, parts, features, in_disguise, seed=seed) for seed in SEEDS]))
            print(trial.question, trial.name, *(f"{k} {_spread(results[-1][1], k)}" for k in results[-1][1][0]))
        command = f"python -m model.choices --data-dir DIR --work DIR --films {options.films}"
        with atomic_path(options.out) as temporary:
            temporary.write_text(page(parts, results, command=command), encoding="utf-8")
    except PneumoscopeError as error:
        print(f"model.choices: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
