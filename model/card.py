"""Make a checkpoint and its card from a training run: every number on it is measured here.

python -m model.card RUN --out model/pretrained     evaluate a run, write weights.npz, card.json and CARD.md
python -m model.card --again --data-dir DIR         measure the checkpoint in --out once more, its run being gone
python -m model.card ... --others DIR               count, too, how many pictures of other kinds are refused
python -m model.card ... --views DIR                learn from frontal chests and others to tell them apart
python -m model.card --readme                       write the shipped card's summary into README.md
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from model.cache import atomic_path, cache_dir, file_digest
from model.card_text import card_page, card_summary
from model.checkpoint import CARD, SHIPPED, Files, load_checkpoint, read_card, save_checkpoint, write_measured
from model.commands import commands_of
from model.errors import CheckpointError, DatasetError, PneumoscopeError, RunError
from model.evaluation import without_nan
from model.films import Films, cache_for, read_films
from model.measuring import measure, measured, spread
from model.planning import load_dataset, partition_of, partitioned
from model.preprocess import INPUT_SIZE
from model.runs import BEST, Run
from model.scoring import Scorer, probabilities_of, under
from model.settings import TrainingConfig, architecture_of
from model.stress import LOOKS
from model.thresholds import robust_threshold
from model.trained import training_of
from model.vgg16 import build_classifier

_ROOT = Path(__file__).resolve().parent.parent
_ROUNDED_FILMS = 64
_NO_CLINICAL_USE = "any clinical use: it was made for teaching and has never been tested for diagnosis"
_NO_OTHER_PICTURES = "lateral films, other body parts, photographs of films"


def make_card(
    run: Run,
    out: Path,
    *,
    stress_films: int = 0,
    look_run: Path | None = None,
    others: Path | None = None,
    views: Path | None = None,
) -> dict[str, Any]:
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
    look_run : Path, optional
        A run with ``--split look``, whose numbers on the look it never saw go on the card with its command; or a
        checkpoint, `out` or another, whose card tells of such a run. Without one, a run that started from another
        network repeats what is told of that one.
    others, views : Path, optional
        As in `model.measuring.measure`.

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
    original = _trained(run, config)
    look = _on_the_held_out_look(look_run) if look_run else run.config.get("started_from", {}).get("look_split")
    save_checkpoint(original, out, architecture=architecture_of(config), threshold=0.5)
    shipped = load_checkpoint(out)
    dataset = load_dataset(config)
    cache = cache_for(len(dataset.examples), config.cache)
    scorer = Scorer(run.folder / "scores" / file_digest(run.folder / BEST)[:12], shipped.model)
    found, files = measure(scorer, dataset, cache=cache, stress_films=stress_films, others=others, views=views)
    some = spread(read_films(dataset.of("test"), cache=cache), _ROUNDED_FILMS)
    card: dict[str, Any] = {
        **shipped.card,
        "command": commands_of(run),
        "partition": partition_of(config),
        "data": {
            **run.config["data"],
            "population": dataset.population,
            "people": dataset.people,
            "unreadable": found.pop("unreadable"),
        },
        "training": {"environment": run.config["environment"], **training_of(run)},
        **found,
        **({"look_split": look} if look else {}),
        "float16": {"largest_difference_in_probability": _rounding(original, shipped.model, some)},
        "not_meant_for": [_NO_CLINICAL_USE, *dataset.not_meant_for, _NO_OTHER_PICTURES],
    }
    return _written(out, card, files)


def measure_again(
    out: Path,
    config: TrainingConfig,
    *,
    stress_films: int = 0,
    look_run: Path | None = None,
    others: Path | None = None,
    views: Path | None = None,
) -> dict[str, Any]:
    """Measure a checkpoint whose run is gone, and write what was found on its card.

    Parameters
    ----------
    out : Path
        The checkpoint's folder.
    config : TrainingConfig
        Names the films it was trained on, and how they were split.
    stress_films, look_run, others, views : int, Path, Path, Path
        As in `make_card`; without a look run or views the card keeps what it says about them.

    Raises
    ------
    PneumoscopeError
        If these are not the films and the split on its card, or they cannot be used.
    """
    shipped = load_checkpoint(out, calibrated=False)
    dataset = load_dataset(config)
    if dataset.fingerprint() != shipped.card.get("data", {}).get("fingerprint"):
        raise DatasetError(
            f"The films in {config.data_dir}, split by {config.split} with seed {config.seed}, are not those on the "
            "card; give the data, --split and --seed it was trained with."
        )
    cache = cache_for(len(dataset.examples), config.cache)
    scorer = Scorer(cache_dir() / "scores" / shipped.sha256[:12], shipped.model)
    found, files = measure(
        scorer,
        dataset,
        cache=cache,
        stress_films=stress_films,
        others=others,
        views=views,
        boundary=shipped.novelty.boundary if shipped.novelty else None,
    )
    found.pop("unreadable")
    if look_run:
        found["look_split"] = _on_the_held_out_look(look_run)
    return _written(out, {**shipped.card, "partition": partition_of(config), **found}, files)


def _written(out: Path, card: dict[str, Any], files: Files) -> dict[str, Any]:
    card = write_measured(out, without_nan(card), files)
    write_page(out, card)
    return card


def _trained(run: Run, config: TrainingConfig) -> keras.Model:
    if config.head == "flatten" and config.first_size != INPUT_SIZE:
        raise RunError(
            f"The Flatten head of {run.folder} was trained on films of {config.first_size} px and fits no others, but "
            f"films are served at {INPUT_SIZE} px; train it with --stages {INPUT_SIZE}:1."
        )
    arrays, _ = run.load_best()
    model = build_classifier(**architecture_of(config), seed=None)
    for variable in model.weights:
        variable.assign(arrays[variable.path])
    return model


def _on_the_held_out_look(folder: Path) -> dict[str, Any]:
    if (folder / CARD).exists():
        told = read_card(folder).get("look_split")
        if not isinstance(told, dict):
            raise CheckpointError(f"The card in {folder} tells of no run with --split look; give such a run.")
        return told
    run = Run(folder)
    config = TrainingConfig.from_json(run.config)
    if config.split != "look":
        raise RunError(f"{run.folder} was trained with --split {config.split}; give a run with --split look.")
    scorer = Scorer(run.folder / "scores" / file_digest(run.folder / BEST)[:12], _trained(run, config))
    dataset = load_dataset(config)
    cache = cache_for(len(dataset.examples), config.cache)
    val, test = (read_films(dataset.of(split), cache=cache) for split in ("val", "test"))
    threshold = robust_threshold(val.labels, [scorer.scores("val", val, name) for name in LOOKS])
    return {
        "command": commands_of(run),
        "train": len(dataset.of("train")),
        "left_out": dataset.left_out,
        "threshold": threshold,
        "test": measured(test, scorer.scores("test", test, "as it is"), threshold),
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


def _rounding(original: keras.Model, halved: keras.Model, films: Films) -> float:
    first, second = (
        probabilities_of(model)(films, under("as it is"), title)
        for model, title in ((original, "float32"), (halved, "float16"))
    )
    return float(np.abs(first - second).max())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m model.card", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", nargs="?", type=Path, help="a run folder of train.py")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="the checkpoint's folder (default: %(default)s)")
    parser.add_argument("--stress-films", type=int, default=0, metavar="N", help="films per stress condition (0: all)")
    parser.add_argument(
        "--look-run", type=Path, metavar="RUN", help="a run with --split look, or a checkpoint whose card tells of one"
    )
    parser.add_argument(
        "--others", type=Path, metavar="DIR", help="a folder for each kind of picture that is no upright chest film"
    )
    parser.add_argument(
        "--views", type=Path, metavar="DIR", help="a folder for each person, with frontal*, side* and other* pictures"
    )
    parser.add_argument("--again", action="store_true", help="measure the checkpoint in --out once more")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="with --again: the films it was trained on")
    parser.add_argument("--split", help="with --again: how they were split, where the card does not say")
    parser.add_argument("--seed", type=int, help="with --again: the seed of that split")
    parser.add_argument("--readme", action="store_true", help="write the card's summary into README.md")
    options = parser.parse_args(arguments)
    try:
        if options.run:
            make_card(
                Run(options.run),
                options.out,
                stress_films=options.stress_films,
                look_run=options.look_run,
                others=options.others,
                views=options.views,
            )
        elif options.again:
            if options.data_dir is None:
                parser.error("--again needs --data-dir")
            measure_again(
                options.out,
                _as_trained(options),
                stress_films=options.stress_films,
                look_run=options.look_run,
                others=options.others,
                views=options.views,
            )
        elif not options.readme:
            parser.error("give a run folder, --again or --readme")
        card = read_card(options.out)
        write_page(options.out, card)
        if options.readme:
            update_readme(_ROOT / "README.md", card)
    except PneumoscopeError as error:
        print(f"model.card: {error}", file=sys.stderr)
        return 1
    print(card_summary(card))
    return 0


def _as_trained(options: argparse.Namespace) -> TrainingConfig:
    card = read_card(options.out)
    config = partitioned(str(card.get("data", {}).get("name", "")), options.data_dir, card.get("partition", {}))
    asked = {name: getattr(options, name) for name in ("split", "seed") if getattr(options, name) is not None}
    return replace(config, **asked)


if __name__ == "__main__":
    sys.exit(main())
