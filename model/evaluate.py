"""Evaluate a network on a data set: how good it really is, and how sure one can be of that.

    python -m model.evaluate --dataset chest_xray --data-dir DIR --out FOLDER
    python -m model.evaluate --dataset csv --data-dir films.csv --split all --out FOLDER

FOLDER then holds ``scores.jsonl`` (one line per film), ``report.json`` (every number, with its 95 % interval) and
``report.html`` (the same for reading; one file, no internet). A command that was stopped goes on where it was.

Not for clinical use.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from model.cache import atomic_path
from model.checkpoint import SHIPPED, load_checkpoint
from model.datasets import REGISTRY, SPLITS, Dataset, Example
from model.errors import DatasetError, PneumoscopeError
from model.evaluation import report
from model.evaluation_page import html_page, warnings
from model.films import Films, cache_for, read_films
from model.measuring import table_of
from model.planning import load_dataset, partitioned
from model.score_log import FILE as PARTIAL
from model.score_log import Answer, ScoreLog, alone, writing
from model.scores import ScoreTable, write_scores

if TYPE_CHECKING:
    from model.checkpoint import Checkpoint
    from model.settings import TrainingConfig

SCORES, REPORT, PAGE = "scores.jsonl", "report.json", "report.html"

_AT_ONCE = 64
_BATCH = 8


def evaluate(
    checkpoint: Checkpoint,
    config: TrainingConfig,
    out: Path,
    *,
    split: str,
    resamples: int,
) -> dict[str, Any]:
    """Score films, measure, and write scores, report and page.

    Parameters
    ----------
    checkpoint : Checkpoint
        The network.
    config : TrainingConfig
        Names the data set and how it is split.
    out : Path
        Where to write; made if absent.
    split : {"train", "val", "test", "all"}
        Which films.
    resamples : int
        Bootstrap samples.

    Returns
    -------
    dict
        The report, as written.

    Raises
    ------
    PneumoscopeError
        If the data set cannot be used.
    """
    with alone(out):
        dataset = load_dataset(config, needed=())
        chosen = [e for e in dataset.examples if split in ("all", e.split)]
        if not chosen:
            raise DatasetError(
                f"{config.data_dir} has no films in the {split} split of {config.dataset}; choose another --split."
            )
        films = read_films(chosen, cache=cache_for(len(chosen), config.cache))
        log = ScoreLog(out / PARTIAL, _key(checkpoint, films))
        _score(checkpoint, films, log)
        kinds = [kind for _, kind in log.answers]
        table = table_of(films, np.array([score for score, _ in log.answers], dtype=np.float64))
        with tqdm(total=100, desc="intervals", unit="%", disable=None) as bar:

            def move(share: float) -> None:
                bar.update(int(100 * share) - bar.n)

            measured = report(
                table,
                threshold=checkpoint.threshold,
                aims=checkpoint.thresholds,
                resamples=resamples,
                progress=move,
            )
        found: dict[str, Any] = {
            "checkpoint": {
                "sha256": checkpoint.sha256,
                "threshold": checkpoint.threshold,
                "temperature": checkpoint.card.get("temperature", 1.0),
            },
            "data": {
                **dataset.provenance(),
                "split": split,
                "unreadable": len(films.unreadable),
                **_known_films(checkpoint.card, config, dataset, films.examples),
            },
            "refused": {
                "films": sum(kind != "" for kind in kinds),
                "share": sum(kind != "" for kind in kinds) / len(kinds),
                "why": dict(Counter(kind for kind in kinds if kind)),
            },
            **measured,
        }
        _write(out, found, table, kinds)
        log.remove()
    return found


def _write(out: Path, found: Mapping[str, Any], table: ScoreTable, kinds: Sequence[str]) -> None:
    with writing(out / SCORES):
        write_scores(out / SCORES, table, {"doubt": kinds})
    for name, text in (
        (REPORT, json.dumps(found, indent=1, ensure_ascii=False) + "\n"),
        (PAGE, html_page(found, table)),
    ):
        with writing(out / name), atomic_path(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="replace")


def _key(checkpoint: Checkpoint, films: Films) -> str:
    """Name a network with everything that decides its answers, and films by all that can be told without reading."""
    parts = [checkpoint.sha256, str(checkpoint.card.get("temperature")), str(checkpoint.card.get("novelty"))]
    try:
        parts += [e.loader.source(e.path) for e in films.examples]
    except OSError as error:
        raise DatasetError(f"A film went away while it was read ({error}); start again.") from error
    return sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def _score(checkpoint: Checkpoint, films: Films, log: ScoreLog) -> None:
    """Score films in small lots, each written down before the next one begins."""
    from model.scoring import answers_of

    read = answers_of(checkpoint.model)
    done = len(log.answers)
    with tqdm(total=len(films), desc="scores", unit="film", initial=done, mininterval=1) as bar:
        for start in range(done, len(films), _AT_ONCE):
            places = range(start, min(start + _AT_ONCE, len(films)))
            log.add(_scored(checkpoint, read, films, places))
            bar.update(len(places))


def _scored(
    checkpoint: Checkpoint, read: Callable[[Sequence[Any]], tuple[Any, Any]], films: Films, places: range
) -> list[Answer]:
    found: list[Answer] = []
    for start in range(places.start, places.stop, _BATCH):
        some = range(start, min(start + _BATCH, places.stop))
        scores, pooled = read([films.gray(k) for k in some])
        doubts = checkpoint.novelty.doubts(pooled) if checkpoint.novelty else [None] * len(some)
        for k, score, doubt in zip(some, scores.tolist(), doubts, strict=True):
            found.append((round(float(score), 6), films.doubts[k] or (doubt.kind if doubt else "")))
    return found


def _known_films(
    card: Mapping[str, Any], config: TrainingConfig, dataset: Dataset, films: Sequence[Example]
) -> dict[str, int | None]:
    """Count the films of people the network was trained on, and of those that chose its threshold and temperature.

    None where the card cannot tell: another data set, another selection of films, no word on how they were split.
    """
    unknown: dict[str, int | None] = {"trained_on": None, "used_for_choices": None}
    told = card.get("data", {})
    if told.get("name") != config.dataset or "partition" not in card:
        return unknown
    try:
        before = load_dataset(partitioned(config.dataset, Path(config.data_dir), card["partition"]), needed=())
    except PneumoscopeError:
        return unknown
    if before.fingerprint() != told.get("fingerprint"):
        return unknown
    patients = {split: {e.patient for e in before.of(split)} for split in ("train", "val")}
    # Films of the official splits that are in none of the network's own are known to nobody.
    known = {e.patient for e in before.examples}
    if any(e.patient not in known for e in films):
        return unknown
    return {
        "trained_on": sum(e.patient in patients["train"] for e in films),
        "used_for_choices": sum(e.patient in patients["val"] for e in films),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    options = _parser().parse_args(arguments)
    try:
        checkpoint = load_checkpoint(options.checkpoint)
        found = evaluate(
            checkpoint,
            _config(options, checkpoint.card),
            options.out,
            split=options.split,
            resamples=options.resamples,
        )
    except PneumoscopeError as error:
        print(f"model.evaluate: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"model.evaluate: {error.filename or 'A file'}: {error.strerror or error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on from here.", file=sys.stderr)
        return 130
    print(summary(found))
    for name in (SCORES, REPORT, PAGE):
        print(options.out / name)
    return 0


def summary(found: Mapping[str, Any]) -> str:
    """Return a report's main numbers as text."""
    lines = [
        f"{found['films']:,} films of {found['patients']:,} patients ({found['normal']:,} normal, "
        f"{found['pneumonia']:,} pneumonia), threshold {found['threshold']:.2f}"
    ]
    lines += [f"WARNING: {warning}" for warning in warnings(found)]
    for name, number in found["numbers"].items():
        value, low, high = (number[key] for key in ("value", "low", "high"))
        shown = "undefined" if value is None else f"{value:.4f}"
        lines.append(f"{name:18} {shown}" + ("" if low is None else f"   {low:.4f} to {high:.4f}"))
    lines.append(f"refused as no chest film to trust: {found['refused']['films']:,} ({found['refused']['share']:.1%})")
    return "\n".join(lines)


def _config(options: argparse.Namespace, card: Mapping[str, Any]) -> TrainingConfig:
    same = card.get("data", {}).get("name") == options.dataset
    config = partitioned(options.dataset, options.data_dir, card.get("partition", {}) if same else {})
    given = {name: getattr(options, name) for name in _data_options() if getattr(options, name) is not None}
    asked: dict[str, Any] = {"options": {**config.options, **given}}
    if options.partition:
        asked["split"] = options.partition
    if options.seed is not None:
        asked["seed"] = options.seed
    return replace(config, **asked)


def _data_options() -> dict[str, str]:
    return {name: option.about for kind in REGISTRY.values() for name, option in kind.options.items()}


def _count(text: str) -> int:
    number = int(text)
    if number < 100:
        raise argparse.ArgumentTypeError(f"{text} resamples are too few for an interval; give 100 or more")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", choices=list(REGISTRY), required=True, help="which data set")
    parser.add_argument("--data-dir", type=Path, required=True, metavar="DIR", help="where it is")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write; made if absent")
    parser.add_argument(
        "--checkpoint", type=Path, default=SHIPPED, metavar="FOLDER", help="the network (default: the shipped one)"
    )
    parser.add_argument(
        "--split", choices=(*SPLITS, "all"), default="test", help="which of its films (default: %(default)s)"
    )
    parser.add_argument(
        "--partition",
        choices=("official", "patient"),
        help="how the films are split (default: as for the network's training, or the data set's own way)",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="of a split made here (default: as for the training)")
    parser.add_argument(
        "--resamples", type=_count, default=2000, metavar="N", help="bootstrap samples (default: %(default)s)"
    )
    for name, about in _data_options().items():
        parser.add_argument(f"--{name}", help=about)
    return parser


if __name__ == "__main__":
    sys.exit(main())
