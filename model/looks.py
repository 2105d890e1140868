"""How a film looks, apart from what it shows: the statistics a network should not need.

By these statistics films are weighted to balance training, and clustered to hold whole clusters out of it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

STATISTICS = (
    "2nd percentile",
    "median",
    "98th percentile",
    "Laplacian spread",
    "black edge",
    "standard deviation",
)

_FLOOR = 0.05
_EDGE = 8
_BLACK = 3 / 255


def look_statistics(film: NDArray[np.float32]) -> NDArray[np.float32]:
    """Measure the look of a film.

    Parameters
    ----------
    film : ndarray of float32, shape (size, size)
        Gray in 0..1, not standardized.

    Returns
    -------
    ndarray of float32, shape (6,)
        In the order of `STATISTICS`, gray values in 0..1; "black edge" is the share of pixels darker than 3/255 in a
        frame 8 pixels wide.
    """
    low, middle, high = np.percentile(film, [2, 50, 98])
    spread = cv2.Laplacian(film, cv2.CV_32F).std()
    rows, columns = (film[:_EDGE], film[-_EDGE:]), (film[:, :_EDGE], film[:, -_EDGE:])
    edge = np.concatenate([strip.ravel() for strip in (*rows, *columns)])
    return np.array([low, middle, high, spread, (edge < _BLACK).mean(), film.std()], dtype=np.float32)


def look_clusters(statistics: NDArray[np.float32], *, clusters: int = 6, seed: int = 0) -> NDArray[np.int64]:
    """Group films that look alike.

    Parameters
    ----------
    statistics : ndarray of float32, shape (n, 6)
        One row of `look_statistics` per film; each column is scaled to unit variance first.
    clusters : int
        How many groups; fewer films than that give one group each.
    seed : int
        Seeds k-means.

    Returns
    -------
    ndarray of int64, shape (n,)
        The cluster of each film.
    """
    scaled = _scaled(statistics)
    # Several threads add up in any order, and a resumed run needs the same clusters to the bit.
    with threadpool_limits(limits=1):
        means = KMeans(min(clusters, len(statistics)), random_state=seed, n_init=5).fit(scaled)
    return np.asarray(means.labels_, dtype=np.int64)


def overlap_weights(statistics: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weigh each film by how much it looks like the other class.

    Films whose look alone gives their class away teach a network the look; those at home in both classes teach it
    the rest. The weight of a film is the probability that its look belongs to the other class, as a logistic
    regression of the class on the look tells it, plus a floor that leaves no film out.

    Parameters
    ----------
    statistics : ndarray of float32, shape (n, 6)
        One row of `look_statistics` per film.
    labels : ndarray of int64, shape (n,)
        0 or 1, both present.

    Returns
    -------
    ndarray of float64, shape (n,)
        Above 0, with mean 1 in each class.

    References
    ----------
    Li, Morgan, Zaslavsky (2018), "Balancing Covariates via Propensity Score Weighting",
    doi:10.1080/01621459.2016.1260466.
    """
    scaled = _scaled(statistics)
    with threadpool_limits(limits=1):
        model = LogisticRegression(class_weight="balanced", max_iter=2000).fit(scaled, labels)
        weights = _FLOOR + model.predict_proba(scaled)[np.arange(len(labels)), 1 - labels]
    for label in (0, 1):
        weights[labels == label] /= weights[labels == label].mean()
    return np.asarray(weights, dtype=np.float64)


def _scaled(statistics: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(
        (statistics - statistics.mean(axis=0)) / np.maximum(statistics.std(axis=0), 1e-6), dtype=np.float32
    )
