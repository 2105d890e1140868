"""Make a checkpoint and its card from a training run: every number on it is measured here.

python -m model.card RUN --out model/pretrained     evaluate a run, write weights.npz, card.json and CARD.md
python -m model.card --readme                       write the shipped card's summary into README.md
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from model.cache import atomic_path, file_digest
from model.card_text import card_page, card_summary
from model.checkpoint import SHIPPED, load_checkpoint, read_card, save_checkpoint, write_card
from model.datasets import Split, check_classes
from model.errors import CheckpointError, PneumoscopeError, RunError
from model.films import Films, cache_for, read_films
from model.metrics import at_threshold, auroc, robust_threshold, with_intervals
from model.planning import load_dataset
from model.preprocess import INPUT_SIZE, standardize
from model.runs import BEST, Run
from model.settings import Round, Stages, TrainingConfig, architecture_of
from model.stress import CONDITIONS, LOOKS, stressed
from model.vgg16 import build_classifier, logits_model

Change = Callable[[NDArray[np.float32], int], NDArray[np.float32]]

_ROOT = Path(__file__).resolve().parent.parent
_THRESHOLD_RULE = (
    "highest accuracy on the validation films, averaged over four conditions "
    f"({', '.join(LOOKS)}), the middle one of equals"
)
_NO_CLINICAL_USE = "any clinical use: it was made for teaching and has never been tested for diagnosis"
_NO_OTHER_PICTURES = "lateral films, other body parts, photographs of films"


def make_card(run: Run, out: Path, *, stress_films: int = 0, look_run: Run | None = None) -> dict[str, Any]:
    """Export a run's best weights and measure them.

    Scores are kept in the run's folder as they are made, so that an interrupted evaluation goes on.

    Parameters
    ----------
    run : Run
        A run with best weights.
    out : Path
        The checkpoint's folder.
    stress_films : int
        Measure the stress table on this many test films, spread evenly over the list; 0 takes all.
    look_run : Run, optional
        A run of the same recipe with ``--split look``, whose numbers on the look it never saw go on the card. Without
        one, a run that started from a checkpoint repeats what that one's card says about its own.

    Returns
    -------
    dict
        The card, as written to ``card.json``.

    Raises
    ------
    PneumoscopeError
        If the run, its data or the folder cannot be used.
    """
    config = TrainingConfig.from_json(run.config)
    original, best = _trained(run, config)
    save_checkpoint(original, out, architecture=architecture_of(config), threshold=0.5)
    shipped = load_checkpoint(out)
    scorer = _Scorer(run, shipped.model)
    dataset = load_dataset(config)
    check_classes(dataset.examples, needed=("val", "test"))
    cache = cache_for(len(dataset.examples), config.cache)
    val, test = (read_films(dataset.of(split), cache=cache) for split in ("val", "test"))

    threshold = _threshold(scorer, val)
    clean = scorer.scores("test", test, "as it is", _under("as it is"))
    some = _spread(test, stress_films) if stress_films else test
    scores = {name: scorer.scores("test", some, name, _under(name)) for name in CONDITIONS}
    before = run.config.get("started_from", {})
    look = _on_the_held_out_look(look_run) if look_run else before.get("look_split")
    epochs = [e for e in run.events() if e["event"] == "epoch"]
    card: dict[str, Any] = {
        **shipped.card,
        "threshold": threshold,
        "threshold_rule": _THRESHOLD_RULE,
        "command": _commands(run),
        "data": {
            **run.config["data"],
            "population": dataset.population,
            "people": dataset.people,
            "unreadable": len(val.unreadable) + len(test.unreadable),
        },
        "training": {
            "environment": run.config["environment"],
            "best": best,
            "epochs": before.get("epochs", []) + [e for e in epochs if e["phase"] > 1],
            "head_epochs": before.get("head_epochs", 0) + sum(e["phase"] == 1 for e in epochs),
        },
        "test": _measured(test, clean, threshold),
        "stress_films": len(some),
        "stress": [
            {
                "condition": name,
                "auroc": auroc(some.labels, values),
                **at_threshold(some.labels, values, threshold=threshold),
            }
            for name, values in scores.items()
        ],
        **({"look_split": look} if look else {}),
        "float16": {"largest_difference_in_probability": _rounding(original, shipped.model, test)},
        "not_meant_for": [_NO_CLINICAL_USE, *dataset.not_meant_for, _NO_OTHER_PICTURES],
    }
    card = _without_nan(card)
    write_card(out, card)
    write_page(out, card)
    return card


def _trained(run: Run, config: TrainingConfig) -> tuple[keras.Model, dict[str, Any]]:
    if config.head == "flatten" and config.first_size != INPUT_SIZE:
        raise RunError(
            f"The Flatten head of {run.folder} was trained on films of {config.first_size} px and fits no others, but "
            f"films are served at {INPUT_SIZE} px; train it with --stages {INPUT_SIZE}:1."
        )
    arrays, best = run.load_best()
    model = build_classifier(**architecture_of(config), seed=None)
    for variable in model.weights:
        variable.assign(arrays[variable.path])
    return model, best


def _measured(films: Films, scores: NDArray[np.float64], threshold: float) -> dict[str, Any]:
    numbers = with_intervals(films.labels, scores, films.patients, threshold=threshold)
    return {
        "films": len(films),
        "patients": len(np.unique(films.patients)),
        "normal": int((films.labels == 0).sum()),
        "pneumonia": int((films.labels == 1).sum()),
        "interval": "95 % percentile bootstrap by patient, 2,000 resamples",
        "numbers": {name: asdict(value) for name, value in numbers.items()},
    }


def _on_the_held_out_look(run: Run) -> dict[str, Any]:
    config = TrainingConfig.from_json(run.config)
    if config.split != "look":
        raise RunError(f"{run.folder} was trained with --split {config.split}; give a run with --split look.")
    scorer = _Scorer(run, _trained(run, config)[0])
    dataset = load_dataset(config)
    cache = cache_for(len(dataset.examples), config.cache)
    val, test = (read_films(dataset.of(split), cache=cache) for split in ("val", "test"))
    threshold = _threshold(scorer, val)
    return {
        "command": _commands(run),
        "train": len(dataset.of("train")),
        "left_out": dataset.left_out,
        "threshold": threshold,
        "test": _measured(test, scorer.scores("test", test, "as it is", _under("as it is")), threshold),
    }


def write_page(folder: Path, card: Mapping[str, Any]) -> None:
    """Write the readable page beside the card."""
    with atomic_path(folder / "CARD.md") as temporary:
        temporary.write_text(card_page(card), encoding="utf-8")


def update_readme(readme: Path, card: Mapping[str, Any]) -> None:
    """Put the card's summary between the README's two markers.

    Raises
    ------
    CheckpointError
        If the markers are missing.
    """
    begin, end = "<!-- card:start -->", "<!-- card:end -->"
    text = readme.read_text(encoding="utf-8")
    if begin not in text or end not in text:
        raise CheckpointError(f"{readme} lacks the lines {begin} and {end}; put them where the numbers belong.")
    before, after = text.split(begin)[0], text.split(end)[1]
    with atomic_path(readme) as temporary:
        temporary.write_text(f"{before}{begin}\n{card_summary(card)}\n{end}{after}", encoding="utf-8")


class _Scorer:
    def __init__(self, run: Run, model: keras.Model) -> None:
        self.folder = run.folder / "scores" / file_digest(run.folder / BEST)[:12]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._forward = probabilities_of(model)

    def scores(self, split: Split, films: Films, name: str, change: Change) -> NDArray[np.float64]:
        stored = self.folder / f"{split}-{name.replace(' ', '_').replace('%', 'percent')}-{len(films)}.npy"
        if stored.exists():
            return np.asarray(np.load(stored, allow_pickle=False), dtype=np.float64)
        found = self._forward(films, change, f"{split}, {name}")
        with atomic_path(stored) as temporary, temporary.open("wb") as stream:
            np.save(stream, found)
        return found


def probabilities_of(model: keras.Model, *, batch: int = 8) -> Callable[[Films, Change, str], NDArray[np.float64]]:
    """Return a function that scores many films with one traced network.

    Parameters
    ----------
    model : keras.Model
        The whole classifier.
    batch : int
        Films per pass.

    Returns
    -------
    callable
        (films, change, title) -> probability of pneumonia of each film, float64 in 0..1, shape (n,). `change` gets a
        film (224, 224) in 0..1 and its index and returns the film to judge; `title` names the progress bar.
    """
    network = logits_model(model)
    forward = tf.function(lambda x: tf.nn.softmax(network(x, training=False)), reduce_retracing=True)

    def score(films: Films, change: Change, title: str) -> NDArray[np.float64]:
        found = np.empty(len(films))
        for start in tqdm(range(0, len(films), batch), desc=title, unit="batch", mininterval=1):
            chosen = range(start, min(start + batch, len(films)))
            inputs = np.stack([standardize(change(films.gray(k), k))[:, :, None] for k in chosen])
            found[chosen] = forward(tf.constant(inputs)).numpy()[:, 1]
        return found

    return score


def _under(condition: str) -> Change:
    return lambda film, index: stressed(film, condition)


def _threshold(scorer: _Scorer, val: Films) -> float:
    found = [scorer.scores("val", val, name, _under(name)) for name in LOOKS]
    return robust_threshold(val.labels, found)


def _without_nan(value: Any) -> Any:
    # JSON knows no NaN: a number that the films do not allow is null.
    if isinstance(value, Mapping):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _spread(films: Films, count: int) -> Films:
    chosen = np.linspace(0, len(films) - 1, min(count, len(films))).astype(int)
    return films.some(chosen)


def _rounding(original: keras.Model, halved: keras.Model, films: Films, *, count: int = 64) -> float:
    some = _spread(films, count)
    first, second = (
        probabilities_of(model)(some, _under("as it is"), title)
        for model, title in ((original, "float32"), (halved, "float16"))
    )
    return float(np.abs(first - second).max())


def _commands(run: Run) -> str:
    before = run.config.get("started_from", {}).get("command", "").splitlines()
    return "\n".join([*before, *_own_commands(TrainingConfig.from_json(run.config))])


def _own_commands(config: TrainingConfig) -> list[str]:
    defaults = TrainingConfig(dataset=config.dataset, data_dir="DIR")
    parts = ["python", "train.py", "--dataset", config.dataset, "--data-dir", "DIR"]
    for name, value in asdict(config).items():
        if name in ("dataset", "data_dir", "options", "cache", "more") or value == getattr(defaults, name):
            continue
        shown = {"start": "CHECKPOINT", "without": "LIST", "stages": _stages_text(config.stages)}.get(name, str(value))
        parts += ["--" + name.replace("_", "-"), shown]
    parts += [part for name, value in config.options.items() for part in (f"--{name}", value)]
    return [shlex.join(parts), *(_more_command(added, config) for added in config.more)]


def _more_command(added: Round, config: TrainingConfig) -> str:
    text = f"python train.py --resume RUN --more {_stages_text(added.stages)} --more-rate {added.rate:g}"
    other = added.augmentation != config.augmentation
    return f"{text} --more-augmentation {added.augmentation}" if other else text


def _stages_text(stages: Stages) -> str:
    return ",".join(f"{size}:{epochs:g}" for size, epochs in stages) or "none"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m model.card", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", nargs="?", type=Path, help="a run folder of train.py")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="the checkpoint's folder (default: %(default)s)")
    parser.add_argument("--stress-films", type=int, default=0, metavar="N", help="films per stress condition (0: all)")
    parser.add_argument("--look-run", type=Path, metavar="RUN", help="a run with --split look, for the card")
    parser.add_argument("--readme", action="store_true", help="write the card's summary into README.md")
    options = parser.parse_args(arguments)
    try:
        if options.run:
            look_run = Run(options.look_run) if options.look_run else None
            make_card(Run(options.run), options.out, stress_films=options.stress_films, look_run=look_run)
        elif not options.readme:
            parser.error("give a run folder, or --readme")
        card = read_card(options.out)
        write_page(options.out, card)
        if options.readme:
            update_readme(_ROOT / "README.md", card)
    except PneumoscopeError as error:
        print(f"model.card: {error}", file=sys.stderr)
        return 1
    print(card_summary(card))
    return 0


if __name__ == "__main__":
    sys.exit(main())
