"""Methods that ask about the film itself, by changing it or by the gradient at its pixels; they take seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from model.explain.work import Progress, unwatched

BATCH = 8

Map = NDArray[np.float32]
T = TypeVar("T")


class Scorer(Protocol):
    """Whatever answers for prepared inputs; `model.predictor.Predictor` does."""

    def scores(self, inputs: Map) -> Map:
        """Return the log odds of "yes", shape (batch,)."""

    def score_gradients(self, inputs: Map) -> tuple[Map, Map]:
        """Return the log odds, shape (batch,), and their gradient by the inputs."""


class FilmMethod:
    """One method: a name, a source, and how to work it out."""

    key: str
    name: str
    source: str
    about: str

    def summed(self, scorer: Scorer, film: Map, *, black: float = 0.0, progress: Progress = unwatched) -> Map:
        """Work out the map.

        Parameters
        ----------
        scorer : Scorer
            The network.
        film : ndarray of float32, shape (height, width, channels)
            One prepared input.
        black : float
            What black is in such an input.
        progress : callable
            Told the share that is done.

        Returns
        -------
        ndarray of float32, shape (height, width)
            Evidence for "yes", negative where something speaks against it, in the method's own unit.

        Raises
        ------
        model.explain.work.Cancelled
            If `progress` does.
        """
        raise NotImplementedError


class Occlusion(FilmMethod):
    """Cover a square with the film's mean gray and see how far the score falls.

    Parameters
    ----------
    patch, stride : int, optional
        Side of the square and how far it moves, in pixels; by default a seventh and a fourteenth of the input's side.
    """

    key = "occlusion"
    name = "Occlusion"
    source = "Zeiler and Fergus 2014, arXiv:1311.2901, section 4.2"
    about = (
        "Covers one square of the film after the other with plain gray and asks the network again. Where the score "
        "falls, something that mattered was covered. It needs no gradients, only patience."
    )

    def __init__(self, *, patch: int | None = None, stride: int | None = None) -> None:
        self.patch = patch
        self.stride = stride

    def summed(self, scorer: Scorer, film: Map, *, black: float = 0.0, progress: Progress = unwatched) -> Map:
        """Return for each pixel the mean fall of the log odds over the squares that cover it."""
        height, width = film.shape[:2]
        before = float(scorer.scores(film[None])[0])
        gray = film.mean(axis=(0, 1))
        squares = self.squares(height, width)
        fall, times = np.zeros((height, width), np.float64), np.zeros((height, width), np.float64)
        for done, some in _batches(squares):
            covered = np.repeat(film[None], len(some), axis=0)
            for one, square in zip(covered, some, strict=True):
                one[square] = gray
            for square, after in zip(some, scorer.scores(covered), strict=True):
                fall[square] += before - float(after)
                times[square] += 1
            progress(done)
        return np.asarray(fall / times, dtype=np.float32)

    def squares(self, height: int, width: int) -> list[tuple[slice, slice]]:
        """Return the squares that are covered one after the other, as rows and columns."""
        side = max(height, width)
        patch = self.patch or max(side // 7, 1)
        stride = self.stride or max(side // 14, 1)
        return [
            (slice(y, y + patch), slice(x, x + patch))
            for y in _starts(height, patch, stride)
            for x in _starts(width, patch, stride)
        ]


class IntegratedGradients(FilmMethod):
    """Add up the gradient along the way from a black film to this one.

    Parameters
    ----------
    steps : int
        Points on the way, at the middles of equal parts.
    """

    key = "integrated-gradients"
    name = "Integrated gradients"
    source = "Sundararajan, Taly and Yan 2017, arXiv:1703.01365, equation 1"
    about = (
        "Brightens the film from black in small steps and adds up what each pixel's brightening did to the score. All "
        "pixels together add up to the whole difference between the two films."
    )

    def __init__(self, *, steps: int = 32) -> None:
        self.steps = steps

    def summed(self, scorer: Scorer, film: Map, *, black: float = 0.0, progress: Progress = unwatched) -> Map:
        """Return each pixel's share of the difference in log odds, added up over the channels."""
        total = np.zeros(film.shape, np.float64)
        light = (film - np.float32(black)).astype(np.float32)
        middles = (np.arange(self.steps, dtype=np.float32) + 0.5) / self.steps
        for done, some in _batches(list(middles)):
            shares = np.asarray(some, np.float32)[:, None, None, None]
            total += scorer.score_gradients(np.float32(black) + shares * light[None])[1].sum(axis=0)
            progress(done)
        return np.asarray((light * total / self.steps).sum(axis=-1), dtype=np.float32)


class SmoothGrad(FilmMethod):
    """The gradient's magnitude, averaged over noisy copies of the film.

    Parameters
    ----------
    copies : int
        How many.
    noise : float
        Standard deviation of the noise, as a share of the film's range.
    """

    key = "smoothgrad"
    name = "SmoothGrad"
    source = "Smilkov et al. 2017, arXiv:1706.03825, section 3"
    about = (
        "Asks at which pixels a small change would move the score most, in either direction, and averages over noisy "
        "copies of the film because a single answer is speckled. It shows where the network is sensitive, not which "
        "way it leans."
    )

    def __init__(self, *, copies: int = 24, noise: float = 0.15) -> None:
        self.copies = copies
        self.noise = noise

    def summed(self, scorer: Scorer, film: Map, *, black: float = 0.0, progress: Progress = unwatched) -> Map:
        """Return the magnitude of the mean gradient, added up over the channels; never negative."""
        rng = np.random.default_rng(0)
        spread = self.noise * float(film.max() - film.min())
        total = np.zeros(film.shape, np.float64)
        for done, some in _batches(list(range(self.copies))):
            noisy = film[None] + rng.normal(0, spread, (len(some), *film.shape)).astype(np.float32)
            total += scorer.score_gradients(noisy)[1].sum(axis=0)
            progress(done)
        return np.asarray(np.abs(total / self.copies).sum(axis=-1), dtype=np.float32)


FILM_METHODS: Mapping[str, FilmMethod] = MappingProxyType(
    {method.key: method for method in (Occlusion(), IntegratedGradients(), SmoothGrad())}
)
"""The methods by key."""


def _starts(length: int, patch: int, stride: int) -> list[int]:
    last = max(length - patch, 0)
    return sorted({*range(0, last + 1, stride), last})


def _batches(things: list[T]) -> Iterator[tuple[float, list[T]]]:
    """Yield the share that will be done after each batch, and the batch."""
    for start in range(0, len(things), BATCH):
        some = things[start : start + BATCH]
        yield (start + len(some)) / len(things), some
