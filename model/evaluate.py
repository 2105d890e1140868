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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.cache import atomic_path
from model.checkpoint import SHIPPED, load_checkpoint
from model.datasets import REGISTRY, SPLITS, Dataset, Example
from model.errors import DatasetError, PneumoscopeError
from model.evaluation import report
from model.evaluation_page import html_page
from model.films import Films, cache_for, read_films
from model.measuring import table_of
from model.planning import load_dataset, partitioned
from model.scores import write_scores

if TYPE_CHECKING:
    from model.checkpoint import Checkpoint
    from model.settings import TrainingConfig

SCORES, REPORT, PAGE = "scores.jsonl", "report.json", "report.html"

_AT_ONCE = 64
_PARTIAL = "scores.partial.jsonl"


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
    dataset = load_dataset(config, needed=())
    chosen = [e for e in dataset.examples if split in ("all", e.split)]
    if not chosen:
        raise DatasetError(
            f"{config.data_dir} has no films in the {split} split of {config.dataset}; choose another --split."
        )
    films = read_films(chosen, cache=cache_for(len(chosen), config.cache))
    out.mkdir(parents=True, exist_ok=True)
    scores, kinds = _answers(checkpoint, films, out)
    table = table_of(films, scores)
    card = checkpoint.card
    aims = {aim: float(entry["threshold"]) for aim, entry in card.get("thresholds", {}).items()}
    with tqdm(total=100, desc="intervals", unit="%", disable=None) as bar:

        def move(share: float) -> None:
            bar.update(int(100 * share) - bar.n)

        measured = report(table, threshold=checkpoint.threshold, aims=aims, resamples=resamples, progress=move)
    found: dict[str, Any] = {
        "checkpoint": {
            "sha256": checkpoint.sha256,
            "threshold": checkpoint.threshold,
            "temperature": card.get("temperature", 1.0),
        },
        "data": {
            **dataset.provenance(),
            "split": split,
            "unreadable": len(films.unreadable),
            "trained_on": len(_trained_on(card, config, chosen)),
        },
        "refused": {
            "films": sum(kind != "" for kind in kinds),
            "share": sum(kind != "" for kind in kinds) / len(kinds),
            "why": dict(Counter(kind for kind in kinds if kind)),
        },
        **measured,
    }
    write_scores(out / SCORES, table, {"doubt": kinds})
    with atomic_path(out / REPORT) as temporary:
        temporary.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    with atomic_path(out / PAGE) as temporary:
        temporary.write_text(html_page(found, table), encoding="utf-8")
    (out / _PARTIAL).unlink(missing_ok=True)
    return found


def _answers(checkpoint: Checkpoint, films: Films, out: Path) -> tuple[NDArray[np.float64], list[str]]:
    """Score films in small lots, each written down before the next one begins."""
    from model.scoring import answers_of

    read = answers_of(checkpoint.model)
    names = "\n".join(f"{e.loader.stamp(e.path)} {e.path}" for e in films.examples)
    temperature = checkpoint.card.get("temperature", 1.0)
    key = sha256(f"{checkpoint.sha256} {temperature} {names}".encode()).hexdigest()
    partial = out / _PARTIAL
    lines = list(_lines_before(partial, key))
    with tqdm(total=len(films), desc="scores", unit="film", initial=len(lines), mininterval=1) as bar:
        if not lines:
            partial.write_text(json.dumps({"key": key}) + "\n", encoding="utf-8")
        for start in range(len(lines), len(films), _AT_ONCE):
            stop = min(start + _AT_ONCE, len(films))
            new = _scored(checkpoint, read, [films.gray(k) for k in range(start, stop)])
            with partial.open("a", encoding="utf-8") as stream:
                stream.write("".join(json.dumps(line) + "\n" for line in new))
            lines += new
            bar.update(stop - start)
    return np.array([score for score, _ in lines], dtype=np.float64), [kind for _, kind in lines]


def _scored(
    checkpoint: Checkpoint, read: Callable[[Sequence[Any]], tuple[Any, Any]], films: Sequence[NDArray[np.float32]]
) -> list[tuple[float, str]]:
    found: list[tuple[float, str]] = []
    for start in range(0, len(films), 8):
        scores, pooled = read(films[start : start + 8])
        doubts = checkpoint.novelty.doubts(pooled) if checkpoint.novelty else [None] * len(scores)
        found += [
            (round(float(score), 6), doubt.kind if doubt else "")
            for score, doubt in zip(scores.tolist(), doubts, strict=True)
        ]
    return found


def _lines_before(partial: Path, key: str) -> Iterator[tuple[float, str]]:
    """Yield what an earlier, stopped command has scored of the very same films with the very same network."""
    try:
        # What follows the last line feed was being written when the command was stopped.
        lines = partial.read_text(encoding="utf-8").split("\n")[:-1]
        if not lines or json.loads(lines[0]) != {"key": key}:
            partial.unlink()
            return
        # All of it is cut off and written again, so that the file ends with a whole line.
        rest = [json.loads(line) for line in lines[1:]]
        with atomic_path(partial) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except (OSError, ValueError):
        partial.unlink(missing_ok=True)
        return
    for score, kind in rest:
        yield float(score), str(kind)


def _trained_on(card: Mapping[str, Any], config: TrainingConfig, films: Sequence[Example]) -> list[Example]:
    """Return the films that the network was trained on, as far as its card can tell."""
    if card.get("data", {}).get("name") != config.dataset or "partition" not in card:
        return []
    try:
        before: Dataset = load_dataset(
            partitioned(config.dataset, Path(config.data_dir), card["partition"]), needed=()
        )
    except DatasetError:
        return []
    learned = {e.patient for e in before.of("train")} if before.fingerprint() == card["data"]["fingerprint"] else set()
    return [e for e in films if e.patient in learned]


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
        print(f"model.evaluate: {options.out} cannot be written ({error.strerror or error}).", file=sys.stderr)
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
    if found["data"]["trained_on"]:
        lines.append(
            f"WARNING: {found['data']['trained_on']:,} of these films are of patients the network was trained on; "
            "these numbers say nothing about new ones."
        )
    if found["few"]:
        lines.append("WARNING: fewer than 30 films of a class; these numbers say little.")
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
