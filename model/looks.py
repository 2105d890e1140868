"""How a film looks, apart from what it shows: the statistics a network should not need.

Films are clustered by these statistics to balance training, and to hold whole clusters out of it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

STATISTICS = (
    "2nd percentile",
    "median",
    "98th percentile",
    "Laplacian spread",
    "black edge",
    "standard deviation",
)

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
    scaled = (statistics - statistics.mean(axis=0)) / np.maximum(statistics.std(axis=0), 1e-6)
    # Several threads add up in any order, and a resumed run needs the same clusters to the bit.
    with threadpool_limits(limits=1):
        means = KMeans(min(clusters, len(statistics)), random_state=seed, n_init=5).fit(scaled)
    return np.asarray(means.labels_, dtype=np.int64)
