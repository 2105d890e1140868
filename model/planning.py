"""Begin a run, or add to a finished one: what will be trained, on which films, written down before anything is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from model.cache import atomic_path
from model.datasets import REGISTRY, SPLITS, Dataset, Split, check_classes
from model.datasets.splits import check_patients
from model.datasets.tables import shortened
from model.duplicates import name_in
from model.errors import DatasetError, RunError
from model.fitting import LOOKS_LOSS
from model.look_split import split_by_look
from model.runs import BEST, Run, git_revision, writing
from model.settings import Round, Stages, TrainingConfig, architecture_of, check_settings, settings_of
from model.teachers import teacher_in
from model.trained import Trained, trained_in

_PARTITION = ("options", "split", "without", "val_fraction", "test_fraction", "limit", "seed")
_MORE_NEGATIVES = "take --negatives all, which counts other films without pneumonia as normal too"


def load_dataset(config: TrainingConfig, *, needed: Sequence[Split] = ("train", "val")) -> Dataset:
    """Return the data set of a config, split and, where asked, limited.

    No patient is in two of its splits.

    Parameters
    ----------
    config : TrainingConfig
        Names it.
    needed : sequence of str
        The splits that must hold films of both classes.

    Raises
    ------
    DatasetError
        If it cannot be used; one sentence says why.
    """
    kind = REGISTRY[config.dataset]
    options = kind.checked(config.options)
    dataset = kind.load(
        Path(config.data_dir),
        split="patient" if config.split == "look" else config.split,
        val_fraction=config.val_fraction,
        test_fraction=config.test_fraction,
        seed=config.seed,
        **options,
    )
    if config.split == "look":
        dataset = split_by_look(
            dataset, val_fraction=config.val_fraction, test_fraction=config.test_fraction, seed=config.seed
        )
    if config.without:
        dataset = _without(dataset, config)
    if config.limit:
        dataset = _limited(dataset, config)
    advice = "raise --limit" if config.limit else _MORE_NEGATIVES if options.get("negatives") == "normal" else ""
    check_patients(dataset.examples)
    check_classes(dataset.examples, needed=needed, advice=advice)
    return dataset


def partition_of(config: TrainingConfig) -> dict[str, Any]:
    """Return what decides which films are in which split, ready for JSON."""
    return {name: value for name, value in asdict(config).items() if name in _PARTITION}


def partitioned(dataset: str, data_dir: Path, partition: Mapping[str, Any]) -> TrainingConfig:
    """Return the config that splits a data set as `partition_of` says; the rest of it is the usual.

    Raises
    ------
    DatasetError
        If there is no such data set.
    """
    if dataset not in REGISTRY:
        raise DatasetError(f"There is no data set {dataset!r}; there are {', '.join(REGISTRY)}.")
    usual = TrainingConfig(dataset=dataset, data_dir=str(data_dir))
    return TrainingConfig.from_json({**asdict(usual), **{k: v for k, v in partition.items() if k in _PARTITION}})


def _limited(dataset: Dataset, config: TrainingConfig) -> Dataset:
    rng = np.random.default_rng(config.seed)
    kept = []
    for split in SPLITS:
        films = dataset.of(split)
        chosen = sorted(rng.permutation(len(films))[: config.limit])
        kept += [films[k] for k in chosen]
    return replace(dataset, examples=tuple(sorted(kept, key=lambda e: e.path)))


def _without(dataset: Dataset, config: TrainingConfig) -> Dataset:
    names, root = set(config.without), Path(config.data_dir)
    kept = tuple(e for e in dataset.examples if name_in(root, e) not in names)
    unknown = names - {name_in(root, e) for e in dataset.examples}
    if unknown:
        raise DatasetError(
            f"{len(unknown)} of the {len(names)} films to leave out are not in this data set and split "
            f"({shortened(sorted(unknown))}); make the list anew with python -m model.datasets inspect --drop."
        )
    return replace(dataset, examples=kept, left_out=dataset.left_out + len(names))


def start_run(folder: Path, config: TrainingConfig) -> Run:
    """Make the run's folder.

    Raises
    ------
    RunError
        If the folder is in use, a setting makes no sense, or there is no trained network to start from, or none that
        can teach.
    DatasetError
        If the data set cannot be used.
    CheckpointError
        If the checkpoint to start from is damaged, or that of a teacher.
    """
    check_settings(config)
    dataset = load_dataset(config)
    start = _to_start_from(config, dataset) if config.start else None
    found = [teacher_in(Path(folder), fingerprint=dataset.fingerprint()) for folder in config.teachers]
    teachers = [{"sha256": teacher.sha256, "command": teacher.command} for teacher in found]
    run = Run.create(
        folder,
        {
            **asdict(config),
            "data": dataset.provenance(),
            **({"started_from": _origin(start, config)} if start else {}),
            **({"taught_by": teachers} if teachers else {}),
        },
    )
    complete_beginning(run, dataset)
    return run


def complete_beginning(run: Run, dataset: Dataset) -> None:
    """Write what a run begins with and does not hold yet, so that a kill between its first files harms nothing.

    These are the table of the split, the names of films that are listed but not there, and, where the run starts from
    a network with the same head, its weights.

    Raises
    ------
    CheckpointError, RunError
        If the network to start from is gone, damaged or replaced, or the folder cannot be written.
    """
    if starts_whole(run) and not (run.folder / BEST).exists():
        start = started_from(run)
        kept = {key: start.best[key] for key in ("size", "val_loss", LOOKS_LOSS) if key in start.best}
        run.save_best(start.weights(), kept | {"phase": 1, "epoch": 0})
    table = run.folder / "split.tsv"
    if not table.exists():
        lines = [f"{e.split}\t{e.label}\t{e.patient}\t{e.name}" for e in dataset.examples]
        with writing(table), atomic_path(table) as temporary:
            temporary.write_text("split\tlabel\tpatient\tfilm\n" + "\n".join(lines) + "\n", encoding="utf-8")
    names = run.folder / "missing.txt"
    if dataset.missing and not names.exists():
        with writing(names), atomic_path(names) as temporary:
            temporary.write_text("\n".join(dataset.missing) + "\n", encoding="utf-8")


def starts_whole(run: Run) -> bool:
    """Tell whether a run starts from a whole network, so that it has no phase 1.

    With another head, or without a phase 2, it starts from that network's base.
    """
    config = run.config
    return bool(config.get("start")) and bool(config["stages"]) and config["started_from"].get("same_head", True)


def started_from(run: Run) -> Trained:
    """Return the network a run starts from.

    Raises
    ------
    CheckpointError, RunError, DatasetError
        As `model.trained.trained_in` does, or if it is no longer the one the run was made for.
    """
    return _unchanged(trained_in, run, run.config["start"], run.config["started_from"])


def teachers_of(run: Run) -> list[Trained]:
    """Return the teachers of a run.

    Raises
    ------
    CheckpointError, RunError, DatasetError
        As `model.teachers.teacher_in` does, or if one is no longer the one the run was made for.
    """
    folders, told = run.config.get("teachers", ()), run.config.get("taught_by", ())
    return [_unchanged(teacher_in, run, folder, then) for folder, then in zip(folders, told, strict=True)]


def _unchanged(find: Callable[..., Trained], run: Run, folder: str, then: Mapping[str, Any]) -> Trained:
    found = find(Path(folder), fingerprint=run.config["data"]["fingerprint"])
    if found.sha256 != then["sha256"]:
        raise RunError(
            f"The network in {folder} is not the one {run.folder} was made for; put that one back, or begin a new run."
        )
    return found


def _to_start_from(config: TrainingConfig, dataset: Dataset) -> Trained:
    start = trained_in(Path(config.start), fingerprint=dataset.fingerprint())
    made, asked = (a.get("base_width", 1.0) for a in (start.architecture, architecture_of(config)))
    if made != asked:
        raise RunError(
            f"The base of the network in {config.start} is {made:g} times as wide as VGG16's, this run asks for "
            f"{asked:g}; make them alike with --base-width."
        )
    return start


def _origin(start: Trained, config: TrainingConfig) -> dict[str, Any]:
    return {
        "sha256": start.sha256,
        "same_head": start.architecture == architecture_of(config),
        "command": start.command,
        "head_epochs": start.head_epochs,
        "epochs": start.epochs,
        **({"look_split": start.look_split} if start.look_split else {}),
    }


def train_more(run: Run, stages: Stages, *, rate: float | None = None, augmentation: str | None = None) -> None:
    """Add stages to a finished run; `model.training.train` then takes them up from its best weights.

    Parameters
    ----------
    run : Run
        A run whose training is done.
    stages : tuple of (int, float)
        See `model.settings.Round`.
    rate : float, optional
        Peak learning rate; half the rate the run began with if left out.
    augmentation : str, optional
        A key of `model.augment.PRESETS`; the run's own if left out.

    Raises
    ------
    RunError
        If the run is not finished or in use, or the stages make no sense.
    """
    with run.alone():
        config = settings_of(run)
        progress = run.peek_progress()
        if progress is None or not (progress["finished"] and progress["phase"] == 1 + len(config.rounds)):
            raise RunError(f"{run.folder} is not finished; continue it with --resume {run.folder} before adding more.")
        added = Round(
            stages=stages,
            rate=config.rate / 2 if rate is None else rate,
            augmentation=augmentation or config.augmentation,
        )
        check_settings(replace(config, more=(*config.more, added)))
        then = {"git": git_revision(), "created": datetime.now(UTC).isoformat(timespec="seconds")}
        run.amend({"more": [*run.config.get("more", ()), {**asdict(added), **then}]})
