"""Is this a frontal chest film at all? If not, why not, in a sentence.

A network that tells two classes apart answers for anything, a cat included. Its own features know better: those of its
middle layers lie in one place for upright chest films, in others for inverted or turned ones, and nowhere near for
whatever is no chest film. Each place is a Gaussian around films that were trained on; the nearest one says what a film
is, and the distance to it whether it is one at all. Chests from the side and other parts of the body lie so near that
a boundary has to be learned. A few plain facts are looked at first.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from model.errors import CheckpointError
from model.images import Radiograph

Kind = Literal[
    "small",
    "narrow",
    "blank",
    "modality",
    "body part",
    "lateral",
    "not frontal",
    "color",
    "inverted",
    "turned",
    "upside down",
    "stranger",
]
Pose = Literal["upright", "inverted", "quarter left", "quarter right", "half turn"]

LAYERS = ("block2_pool", "block3_pool", "block4_pool")
"""Where the features are read. Deeper layers have learned to forget what does not matter for the classes."""
POSES: tuple[Pose, ...] = ("upright", "inverted", "quarter left", "quarter right", "half turn")
SMALLEST_SIDE = 64
COMPONENTS = 16

_LONGEST_RATIO = 3.0
_FLATTEST = 0.04
_MOST_COLOR = 0.25
# Of 15 projected frontal chests one lay 7 % nearer to the place of films upside down, turned films 29 % and more.
_MUCH_NEARER = 0.92
# Log-odds. Of projected people left out, frontal chests reached -1.2 and others began at 3.3; real films reached -0.6.
_NO_CHEST = 1.0
_FILM_MODALITIES = frozenset(("CR", "DR", "DX", "OT", "RF", "RG", "SC"))
_CHEST = frozenset(
    "CHEST CHESTABDOMEN CHESTABDPELVIS HEART LUNG MEDIASTINUM RIB RIBS STERNUM THORAX WHOLEBODY".split()
)
_FRONTAL = frozenset(("AP", "PA"))
_TURNED: Mapping[Pose, tuple[Kind, str]] = MappingProxyType(
    {
        "inverted": ("inverted", "it looks inverted: on chest films air is dark and bone is bright"),
        "quarter left": ("turned", "it looks turned by a quarter, with the head to the left"),
        "quarter right": ("turned", "it looks turned by a quarter, with the head to the right"),
        "half turn": ("upside down", "it looks upside down"),
    }
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """Why a prediction should not be trusted.

    Attributes
    ----------
    kind : str
        One of a few words, for counting.
    because : str
        How the sentence "I would not trust a prediction here, because ..." ends, without its full stop.
    """

    kind: Kind
    because: str


_NOT_FRONTAL = Doubt(
    kind="not frontal",
    because="it looks more like a chest from the side or another part of the body than like a frontal chest film",
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Place:
    """Where the features of films in one pose lie: probabilistic principal component analysis.

    Attributes
    ----------
    mean : ndarray of float64, shape (features,)
        Their middle.
    axes : ndarray of float64, shape (components, features)
        The directions in which they differ most, each of length one.
    variances : ndarray of float64, shape (components,)
        How much they differ along those.
    noise : float
        How much they differ along each other direction.

    References
    ----------
    Tipping, Bishop (1999), doi:10.1111/1467-9868.00196; Lee et al. (2018), arXiv:1807.03888, for Mahalanobis
    distances in the features of a classifier.
    """

    mean: Floats
    axes: Floats
    variances: Floats
    noise: float

    def distance(self, features: Floats) -> Floats:
        """Return the Mahalanobis distances of features, shape (n, features), from here, shape (n,)."""
        away = features - self.mean
        along = away @ self.axes.T
        rest = np.maximum((away**2).sum(axis=1) - (along**2).sum(axis=1), 0)
        return np.asarray(np.sqrt((along**2 / self.variances).sum(axis=1) + rest / self.noise))

    @classmethod
    def of(cls, features: Floats, *, components: int = COMPONENTS) -> Place:
        """Fit the place of features, shape (n, features)."""
        mean = features.mean(axis=0)
        _, lengths, axes = np.linalg.svd(features - mean, full_matrices=False)
        spread = lengths**2 / max(len(features) - 1, 1)
        left = min(features.shape) - components
        return cls(
            mean=mean,
            axes=axes[:components],
            variances=spread[:components],
            noise=float(spread[components:].sum() / max(left, 1)),
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Boundary:
    """What parts frontal chests from side views and from other parts of the body: a logistic regression.

    Attributes
    ----------
    weights : ndarray of float64, shape (channels,)
        One for each map of the last of `LAYERS`.
    offset : float
        Added to their sum.
    """

    weights: Floats
    offset: float

    def beyond(self, pooled: NDArray[np.floating[Any]]) -> Floats:
        """Return the log-odds that films, given as to `Novelty.distances`, are no frontal chests; shape (n,)."""
        return stretched(pooled[:, -len(self.weights) :]) @ self.weights + self.offset


@dataclass(frozen=True, eq=False, kw_only=True)
class Novelty:
    """A network's sense for what it has never seen.

    Attributes
    ----------
    scale : ndarray of float64, shape (features,)
        What the features are divided by.
    places : Mapping of pose to Place
        In the order of `POSES`.
    limit : float
        The distance from the nearest place beyond which a film is a stranger.
    boundary : Boundary, optional
        Between frontal chests and others, if it was learned.
    """

    scale: Floats
    places: Mapping[Pose, Place]
    limit: float
    boundary: Boundary | None = None

    def distances(self, pooled: NDArray[np.floating[Any]]) -> Floats:
        """Return how far films are from each place, as multiples of the limit.

        Parameters
        ----------
        pooled : ndarray, shape (n, features)
            The mean of each map of `LAYERS`, in their order.

        Returns
        -------
        ndarray of float64, shape (n, 5)
            Above 1 beyond the limit; in the order of `POSES`.
        """
        features = stretched(pooled) / self.scale
        return np.stack([self.places[pose].distance(features) for pose in POSES], axis=1) / self.limit

    def doubts(self, pooled: NDArray[np.floating[Any]]) -> list[Doubt | None]:
        """Return for each film what its features say against it."""
        distances = self.distances(pooled)
        beyond = np.full(len(pooled), -np.inf) if self.boundary is None else self.boundary.beyond(pooled)
        return [judged(row, odds) for row, odds in zip(distances, beyond.tolist(), strict=True)]

    def to_bytes(self) -> bytes:
        """Return everything as a NumPy archive."""
        arrays: dict[str, Any] = {"scale": self.scale.astype(np.float32), "limit": np.float64(self.limit)}
        for pose, place in self.places.items():
            name = pose.replace(" ", "_")
            arrays |= {
                f"{name}.mean": place.mean.astype(np.float32),
                f"{name}.axes": place.axes.astype(np.float32),
                f"{name}.variances": place.variances.astype(np.float32),
                f"{name}.noise": np.float64(place.noise),
            }
        if self.boundary is not None:
            arrays |= {
                "boundary.weights": self.boundary.weights.astype(np.float32),
                "boundary.offset": np.float64(self.boundary.offset),
            }
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **arrays)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Novelty:
        """Read what `to_bytes` gave.

        Raises
        ------
        CheckpointError
            If it is something else.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                arrays = {name: np.asarray(stored[name], dtype=np.float64) for name in stored.files}
            places = {}
            for pose in POSES:
                name = pose.replace(" ", "_")
                places[pose] = Place(
                    mean=arrays[f"{name}.mean"],
                    axes=arrays[f"{name}.axes"],
                    variances=arrays[f"{name}.variances"],
                    noise=float(arrays[f"{name}.noise"]),
                )
            boundary = None
            if "boundary.weights" in arrays:
                boundary = Boundary(weights=arrays["boundary.weights"], offset=float(arrays["boundary.offset"]))
            return cls(scale=arrays["scale"], places=places, limit=float(arrays["limit"]), boundary=boundary)
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise CheckpointError(
                f"The checkpoint's file about strange films cannot be read ({error}); restore it with git checkout."
            ) from error


def stretched(pooled: NDArray[np.floating[Any]]) -> Floats:
    """Return pooled activations, which are never negative, on a scale on which they are nearly normal."""
    return np.sqrt(np.maximum(np.asarray(pooled, dtype=np.float64), 0))


def plain_doubt(film: Radiograph) -> Doubt | None:
    """Return what speaks against a film before any network has seen it, or None."""
    height, width = film.original_size
    if min(height, width) < SMALLEST_SIDE:
        return Doubt(
            kind="small",
            because=f"it is too small: {width} × {height} pixels, where a film has at least {SMALLEST_SIDE} on "
            "each side",
        )
    if max(height, width) > _LONGEST_RATIO * min(height, width):
        return Doubt(kind="narrow", because="it is a narrow strip, and chest films are nearly as wide as high")
    few = film.pixels[:: max(film.pixels.shape[0] // 256, 1), :: max(film.pixels.shape[1] // 256, 1)]
    low, high = np.percentile(few, [2, 98])
    if high - low < _FLATTEST:
        return Doubt(kind="blank", because="it is almost blank: nearly all of it has the same shade")
    if film.colored > _MOST_COLOR:
        return Doubt(kind="color", because="it is in color, like a photograph or a drawing; films are gray")
    return _said_by_the_file(film.metadata)


def doubt_about(film: Radiograph, novelty: Novelty | None, pooled: NDArray[np.floating[Any]] | None) -> Doubt | None:
    """Return why a prediction for a film should not be trusted, or None.

    Parameters
    ----------
    film : Radiograph
        The film.
    novelty : Novelty or None
        What the network knows about films, if it does.
    pooled : ndarray, shape (features,), or None
        As in `Novelty.distances`.
    """
    plain = plain_doubt(film)
    if plain is not None or novelty is None or pooled is None:
        return plain
    return novelty.doubts(pooled[None])[0]


def _said_by_the_file(metadata: Mapping[str, str | float]) -> Doubt | None:
    modality, part, view = (metadata.get(name) for name in ("Modality", "Body part", "View position"))
    if modality is not None and modality not in _FILM_MODALITIES:
        return Doubt(kind="modality", because=f"its file says that it is no X-ray film (modality {modality})")
    if part is not None and part not in _CHEST:
        return Doubt(kind="body part", because=f"its file says that it shows another part of the body ({part})")
    if view is not None and view not in _FRONTAL:
        return Doubt(kind="lateral", because=f"its file says that it is no frontal view ({view})")
    return None


def judged(distances: Floats, beyond: float = -np.inf) -> Doubt | None:
    """Return what speaks against one film.

    Parameters
    ----------
    distances : ndarray, shape (5,)
        From each place, as `Novelty.distances` gives them.
    beyond : float
        What `Boundary.beyond` gives; above 1 it is taken for no frontal chest.
    """
    nearest = POSES[int(np.argmin(distances))]
    if distances.min() > 1:
        return Doubt(
            kind="stranger", because="it is unlike every chest film that the network learned from, whichever way up"
        )
    if nearest == "upright" or distances.min() > _MUCH_NEARER * distances[0]:
        return _NOT_FRONTAL if beyond > _NO_CHEST else None
    kind, because = _TURNED[nearest]
    return Doubt(kind=kind, because=because)
