"""A split that holds out a whole look: the test films look like none the network was trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from model.datasets import SPLITS, Dataset, check_classes, split_by_patient
from model.errors import DatasetError
from model.films import cache_for, read_films
from model.looks import look_clusters, look_statistics

_MIN_SHARE = 0.05


def split_by_look(dataset: Dataset, *, val_fraction: float, test_fraction: float, seed: int) -> Dataset:
    """Hold out the films of one look cluster, and deal the others' patients into train and val.

    Held out is the cluster nearest in size to `test_fraction`, among those with at least 5 % of each class's films,
    so that both classes can be judged. A look that is almost all one class would say nothing about the other.

    Parameters
    ----------
    dataset : Dataset
        Its own splits are ignored.
    val_fraction : float
        Share of the films that are not held out, 0..1.
    test_fraction : float
        Share of all films that the held-out cluster should have, 0..1.
    seed : int
        Seeds k-means and the choice of validation patients.

    Returns
    -------
    Dataset
        Sorted by path; `left_out` counts the films outside the cluster whose patients have films in it. A film that
        cannot be read has no look and is dealt like the others.

    Raises
    ------
    DatasetError
        If too many films cannot be read, or no cluster has enough films of both classes.
    """
    films = read_films(dataset.examples, cache=cache_for(len(dataset.examples)))
    statistics = np.stack([look_statistics(films.gray(k)) for k in range(len(films))])
    clusters = look_clusters(statistics, seed=seed)
    labels = films.labels
    fits: dict[int, float] = {}
    for cluster in np.unique(clusters):
        inside = clusters == cluster
        if all((inside & (labels == label)).sum() >= _MIN_SHARE * (labels == label).sum() for label in (0, 1)):
            fits[int(cluster)] = abs(float(inside.mean()) - test_fraction)
    # The held-out cluster may not be all there is: something has to be left to train on.
    if len(fits) < 2:
        raise DatasetError(
            f"{len(fits)} of {len(np.unique(clusters))} looks have films enough of both classes (5 % of each), "
            "but two are needed to hold one out and train on another; use --split patient."
        )
    held = clusters == min(fits, key=lambda cluster: (fits[cluster], cluster))
    patients = {e.patient for e, out in zip(films.examples, held, strict=True) if out}
    others = [e for e in dataset.examples if e.patient not in patients]
    dealt = split_by_patient(others, val_fraction=val_fraction, test_fraction=0.0, seed=seed)
    test = [replace(e, split="test") for e, out in zip(films.examples, held, strict=True) if out]
    examples = tuple(sorted([*dealt, *test], key=lambda e: e.path))
    check_classes(examples, needed=SPLITS)
    return replace(dataset, examples=examples, left_out=len(dataset.examples) - len(examples))
