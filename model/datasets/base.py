"""What every data set gives: a frozen list of examples, each with its patient and its split."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from model.errors import DatasetError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class Example:
    """One film with its answer.

    Attributes
    ----------
    path : Path
        Where the film is.
    label : int
        0 normal, 1 pneumonia.
    patient : str
        The same string for all films of one person; splits never cut through it.
    split : {"train", "val", "test"} or None
        None while the data set leaves the choice to `split_by_patient`.
    attributes : Mapping
        What else the source says, for subgroups.
    """

    path: Path
    label: int
    patient: str
    split: Split | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Examples and where they come from.

    Attributes
    ----------
    name : str
        The name on the command line.
    source, licence, citation : str
        Provenance, for the card.
    examples : tuple of Example
        Sorted by path.
    left_out : int
        Films that a split had to leave out to keep each patient on one side.
    """

    name: str
    source: str
    licence: str
    citation: str
    examples: tuple[Example, ...]
    left_out: int = 0

    def of(self, split: Split) -> tuple[Example, ...]:
        """Return the examples of one split."""
        return tuple(e for e in self.examples if e.split == split)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return films, patients and films per class of each split."""
        table: dict[str, dict[str, int]] = {}
        for split in SPLITS:
            chosen = self.of(split)
            table[split] = {
                "films": len(chosen),
                "patients": len({e.patient for e in chosen}),
                "normal": sum(e.label == 0 for e in chosen),
                "pneumonia": sum(e.label == 1 for e in chosen),
            }
        return table

    def fingerprint(self) -> str:
        """Return a SHA-256 over names, sizes, labels, patients and splits; it changes when any film does.

        File contents are not read: a film replaced by another of the same name and the same size goes unseen.
        """
        digest = hashlib.sha256()
        for e in self.examples:
            line = f"{e.path.parent.name}/{e.path.name} {e.path.stat().st_size} {e.label} {e.patient} {e.split}\n"
            digest.update(line.encode())
        return digest.hexdigest()


def split_by_patient(
    examples: Sequence[Example],
    *,
    val_fraction: float,
    test_fraction: float,
    seed: int,
) -> tuple[Example, ...]:
    """Deal whole patients into train, val and test, alike in every class.

    Patients are shuffled within each class (a patient with films of both classes counts as pneumonia) and dealt
    until each split holds its share of that class's films.

    Parameters
    ----------
    examples : sequence of Example
        Their own `split` is ignored.
    val_fraction, test_fraction : float
        Shares of films, 0..1, together below 1.
    seed : int
        The same seed gives the same split, whatever the order of `examples`.

    Returns
    -------
    tuple of Example
        In the order of `examples`, each with its split set.

    Raises
    ------
    DatasetError
        If the fractions leave nothing to train on.
    """
    if min(val_fraction, test_fraction) < 0 or val_fraction + test_fraction >= 1:
        raise DatasetError(
            f"Validation and test shares are {val_fraction} and {test_fraction}; "
            "both must be at least 0 and together below 1."
        )
    films: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        films[example.patient].append(example)
    rng = np.random.default_rng(seed)
    splits: dict[str, Split] = {}
    for label in (0, 1):
        patients = sorted(p for p, own in films.items() if max(e.label for e in own) == label)
        total = sum(len(films[p]) for p in patients)
        quota = {"test": test_fraction * total, "val": val_fraction * total}
        order = [patients[k] for k in rng.permutation(len(patients))]
        for patient in order:
            target: Split = "train"
            for split in ("test", "val"):
                if quota[split] >= len(films[patient]) / 2 and quota[split] > 0:
                    quota[split] -= len(films[patient])
                    target = split
                    break
            splits[patient] = target
    return tuple(replace(e, split=splits[e.patient]) for e in examples)


def check_splits(examples: Iterable[Example], *, needed: Sequence[Split] = SPLITS) -> None:
    """Refuse a patient in two splits, and a split without one of the classes.

    Parameters
    ----------
    examples : iterable of Example
        All with their split set.
    needed : sequence of str
        The splits that must hold both classes.

    Raises
    ------
    DatasetError
        One sentence naming the patients or the split and class.
    """
    homes: dict[str, set[str]] = defaultdict(set)
    present: Counter[tuple[str, int]] = Counter()
    for e in examples:
        homes[e.patient].add(str(e.split))
        present[(str(e.split), e.label)] += 1
    torn = sorted(p for p, where in homes.items() if len(where) > 1)
    if torn:
        shown = ", ".join(f"{p} (in {' and '.join(sorted(homes[p]))})" for p in torn[:5])
        raise DatasetError(
            f"{len(torn)} patient(s) have films in more than one split: {shown}{', ...' if len(torn) > 5 else ''}; "
            "move each patient's films to one split, or use --split patient to split anew."
        )
    for split in needed:
        for label, name in enumerate(("NORMAL", "PNEUMONIA")):
            if not present[(split, label)]:
                raise DatasetError(
                    f"The {split} split holds no {name} film, but both classes are needed; "
                    "check the folder or choose larger shares."
                )
