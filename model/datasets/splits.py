"""Who is trained on and who is judged: patients are dealt whole, and no split may cut through one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from model.datasets.base import Example, Split
from model.errors import DatasetError


def split_by_patient(
    examples: Sequence[Example],
    *,
    val_fraction: float,
    test_fraction: float,
    seed: int,
) -> tuple[Example, ...]:
    """Deal whole patients into train, val and test, alike in every class.

    Patients are shuffled within each class (a patient with films of both classes counts as pneumonia) and dealt
    until each split holds its share of that class's films. In a set so small that a split would get no patient of a
    class, it gets one as long as one is left to train on, val before test.

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
    shares: dict[Split, float] = {"val": val_fraction, "test": test_fraction}
    films: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        films[example.patient].append(example)
    rng = np.random.default_rng(seed)
    splits: dict[str, Split] = {}
    for label in (0, 1):
        patients = sorted(p for p, own in films.items() if max(e.label for e in own) == label)
        total = sum(len(films[p]) for p in patients)
        quota = {split: share * total for split, share in shares.items()}
        order = [patients[k] for k in rng.permutation(len(patients))]
        for patient in order:
            target: Split = "train"
            for split in ("test", "val"):
                if quota[split] >= len(films[patient]) / 2 and quota[split] > 0:
                    quota[split] -= len(films[patient])
                    target = split
                    break
            splits[patient] = target
        _fill_empty(splits, order, films, wanted=[s for s, share in shares.items() if share > 0])
    return tuple(replace(e, split=splits[e.patient]) for e in examples)


def _fill_empty(
    splits: dict[str, Split],
    patients: Sequence[str],
    films: Mapping[str, Sequence[Example]],
    *,
    wanted: Sequence[Split],
) -> None:
    for split in wanted:
        free = [p for p in patients if splits[p] == "train"]
        if len(free) > 1 and not any(splits[p] == split for p in patients):
            splits[min(free, key=lambda p: len(films[p]))] = split


def complete_splits(
    examples: Sequence[Example], *, val_fraction: float, test_fraction: float, seed: int
) -> tuple[Example, ...]:
    """Keep the splits a source has, and make those that it lacks out of its training films, by patient.

    Parameters
    ----------
    examples : sequence of Example
        A film without a split counts as one for training.
    val_fraction, test_fraction : float
        Shares of the training films, 0..1, for a split that no film has yet.
    seed : int
        Seeds the choice of patients.

    Returns
    -------
    tuple of Example
        All of them, each with a split.

    Raises
    ------
    DatasetError
        If the fractions leave nothing to train on, or a patient is in two splits.
    """
    fixed = tuple(e for e in examples if e.split in ("val", "test"))
    homes = {e.split for e in fixed}
    dealt = split_by_patient(
        [e for e in examples if e.split not in ("val", "test")],
        val_fraction=0.0 if "val" in homes else val_fraction,
        test_fraction=0.0 if "test" in homes else test_fraction,
        seed=seed,
    )
    whole = (*dealt, *fixed)
    check_patients(whole)
    return whole


def check_patients(examples: Iterable[Example]) -> None:
    """Refuse a patient in two splits.

    Parameters
    ----------
    examples : iterable of Example
        All with their split set.

    Raises
    ------
    DatasetError
        One sentence naming the patients.
    """
    homes: dict[str, set[str]] = defaultdict(set)
    for e in examples:
        homes[e.patient].add(str(e.split))
    torn = sorted(p for p, where in homes.items() if len(where) > 1)
    if torn:
        shown = ", ".join(f"{p} (in {' and '.join(sorted(homes[p]))})" for p in torn[:5])
        raise DatasetError(
            f"{len(torn)} patient(s) have films in more than one split: {shown}{', ...' if len(torn) > 5 else ''}; "
            "move each patient's films to one split, or use --split patient to split anew."
        )


def check_classes(examples: Iterable[Example], *, needed: Sequence[Split], advice: str = "") -> None:
    """Refuse a split that is to be learned from or measured on and lacks one of the classes.

    Parameters
    ----------
    examples : iterable of Example
        All with their split set.
    needed : sequence of str
        The splits that must hold both classes.
    advice : str
        What else may be done where one class has too few films, such as "take ...".

    Raises
    ------
    DatasetError
        One sentence naming the split and the class.
    """
    present: Counter[tuple[str, int]] = Counter((str(e.split), e.label) for e in examples)
    for label, name in enumerate(("normal", "pneumonia")):
        there = sum(count for (_, of), count in present.items() if of == label)
        empty = next((split for split in needed if not present[(split, label)]), None)
        if empty and there < len(needed):
            remedy = f"add films or {advice}" if advice else "add films"
            raise DatasetError(
                f"Only {there} {name} film(s) are there, but each of {', '.join(needed)} needs one; {remedy}."
            )
        if empty:
            raise DatasetError(
                f"The {empty} split holds no {name} film, but both classes are needed; "
                "check the folder or choose larger shares."
            )
