"""Is a heatmap any good? Take away, or give back, what it marks, and see whether the network minds."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from model.explain.film_methods import BATCH, Map, Scorer
from model.explain.work import Progress, unwatched

STEPS = 24
_BLUR = 0.15


@dataclass(frozen=True, eq=False, kw_only=True)
class Curves:
    """What deleting and inserting pixels in a heatmap's order does to the probability.

    Attributes
    ----------
    shares : ndarray of float32, shape (steps + 1,)
        Share of the film's pixels that were changed, from 0 to 1.
    deletion : ndarray of float32, shape (steps + 1,)
        Probability of the side while the strongest places are blurred first. It should fall fast.
    insertion : ndarray of float32, shape (steps + 1,)
        Probability of the side while the strongest places of the film are laid over its blurred copy first. It should
        rise fast.
    """

    shares: Map
    deletion: Map
    insertion: Map

    @property
    def deletion_area(self) -> float:
        """Area under `deletion`, 0..1; smaller is better."""
        return float(np.trapezoid(self.deletion, self.shares))

    @property
    def insertion_area(self) -> float:
        """Area under `insertion`, 0..1; larger is better."""
        return float(np.trapezoid(self.insertion, self.shares))


def curves(
    scorer: Scorer, film: Map, values: Map, *, sign: float = 1.0, steps: int = STEPS, progress: Progress = unwatched
) -> Curves:
    """Delete and insert a film's pixels in the order of a heatmap.

    What is deleted becomes a blurred copy of the film (a Gaussian of 15 % of its side): a gray hole would be a shape
    of its own. Places of equal heat follow each other in a fixed shuffled order: an empty map is as good as chance.

    Parameters
    ----------
    scorer : Scorer
        The network.
    film : ndarray of float32, shape (height, width, channels)
        One prepared input.
    values : ndarray of float32, shape (h, w)
        The heatmap, of any size; enlarged smoothly.
    sign : float
        1 for the probability of "yes", -1 for that of "no".
    steps : int
        How many equal shares of the pixels are changed one after the other.
    progress : callable
        Told the share that is done.

    References
    ----------
    Petsiuk, Das, Saenko (2018), "RISE: Randomized Input Sampling for Explanation of Black-box Models",
    arXiv:1806.07421, section 4.3.
    """
    height, width = film.shape[:2]
    blurred = _blurred(film)
    rank = _ranks(enlarged(values, (height, width)))
    limits = np.round(np.linspace(0, height * width, steps + 1)).astype(np.int64)
    changed = [rank[:, :, None] < limit for limit in limits]
    films = [np.where(mask, blurred, film) for mask in changed] + [np.where(mask, film, blurred) for mask in changed]
    odds = []
    for start in range(0, len(films), BATCH):
        odds.append(scorer.scores(np.stack(films[start : start + BATCH])))
        progress(min((start + BATCH) / len(films), 1.0))
    probabilities = 1 / (1 + np.exp(-sign * np.concatenate(odds).astype(np.float64)))
    return Curves(
        shares=(limits / limits[-1]).astype(np.float32),
        deletion=probabilities[: steps + 1].astype(np.float32),
        insertion=probabilities[steps + 1 :].astype(np.float32),
    )


def enlarged(values: Map, size: tuple[int, int]) -> Map:
    """Return a heatmap at another (height, width), smoothly interpolated and cut to 0..1."""
    if values.shape == size:
        return values
    return np.clip(cv2.resize(values, (size[1], size[0]), interpolation=cv2.INTER_CUBIC), 0, 1).astype(np.float32)


def _blurred(film: Map) -> Map:
    sigma = _BLUR * max(film.shape[:2])
    blurred = cv2.GaussianBlur(film, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, dtype=np.float32).reshape(film.shape)


def _ranks(values: Map) -> NDArray[np.int64]:
    """Return the place of each pixel in the order from hot to cold, shape of `values`."""
    ties = np.random.default_rng(0).permutation(values.size)
    order = np.lexsort((ties, -values.ravel()))
    ranks = np.empty(values.size, np.int64)
    ranks[order] = np.arange(values.size)
    return ranks.reshape(values.shape)
