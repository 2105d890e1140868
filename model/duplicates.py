"""Films that are in two splits: the same file, or the same picture in another size, tone or compression."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from model.datasets import SPLITS, Example

_SIDE = 48
_LOW = 16
_BITS = _LOW * _LOW
_NEAR = 26
_ALIKE = 0.985
_BLOCK = 512


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two films of different splits.

    Attributes
    ----------
    first, second : Example
        The one in the earlier split of train, val and test, then the other.
    exact : bool
        Whether the files are the same byte for byte.
    likeness : float
        Correlation of the two pictures at 48 x 48 pixels, -1..1.
    """

    first: Example
    second: Example
    exact: bool
    likeness: float

    def sentence(self) -> str:
        """Name both films and their splits."""
        return f"{self.first.name} ({self.first.split}) and {self.second.name} ({self.second.split})"


def fingerprint_of(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Shrink a film to what is compared.

    Parameters
    ----------
    pixels : ndarray of float32, shape (height, width)
        Gray in 0..1.

    Returns
    -------
    ndarray of uint8, shape (48, 48)
        Stretched between its own darkest and brightest area.
    """
    small = cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    low, high = float(small.min()), float(small.max())
    return np.asarray(np.rint((small - low) / max(high - low, 1e-6) * 255), dtype=np.uint8)


def perceptual_hashes(prints: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint64]:
    """Hash pictures so that those that look alike differ in few bits.

    Parameters
    ----------
    prints : sequence of ndarray of uint8, shape (48, 48)
        As `fingerprint_of` gives them.

    Returns
    -------
    ndarray of uint64, shape (n, 4)
        256 bits each: whether each of the 16 x 16 lowest coefficients of the cosine transform, the mean left out, is
        above their median.

    References
    ----------
    Zauner (2010), Implementation and benchmarking of perceptual image hash functions, section 3.2.1.
    """
    bits = np.zeros((len(prints), _BITS), np.bool_)
    for row, picture in enumerate(prints):
        low = cv2.dct(picture.astype(np.float32))[:_LOW, :_LOW].ravel()
        bits[row, 1:] = low[1:] > np.median(low[1:])
    return np.packbits(bits, axis=1).view(np.uint64)


def pairs_across_splits(
    examples: Sequence[Example], prints: Sequence[tuple[str, NDArray[np.uint8]]]
) -> tuple[Pair, ...]:
    """Find films that are in two splits.

    Parameters
    ----------
    examples : sequence of Example
        All with a split.
    prints : sequence of (str, ndarray)
        Of each film, the SHA-256 of its file and its `fingerprint_of`.

    Returns
    -------
    tuple of Pair
        Exact ones first, then near ones, the likest first. Near are films whose hashes differ in at most 26 of 256
        bits and whose small pictures correlate by at least 0.985: a film re-encoded, resized or brightened.
    """
    if not examples:
        return ()
    same = defaultdict(list)
    for k, (digest, _) in enumerate(prints):
        same[digest].append(k)
    exact = {
        (a, b)
        for group in same.values()
        for position, a in enumerate(group)
        for b in group[position + 1 :]
        if examples[a].split != examples[b].split
    }
    pictures = np.stack([_normalized(picture) for _, picture in prints])
    pairs = [_pair(examples, a, b, exact=True, likeness=1.0) for a, b in exact]
    for a, b in _close(examples, perceptual_hashes([picture for _, picture in prints])):
        likeness = float(pictures[a] @ pictures[b])
        if likeness >= _ALIKE and (a, b) not in exact and (b, a) not in exact:
            pairs.append(_pair(examples, a, b, exact=False, likeness=likeness))
    return tuple(sorted(pairs, key=lambda p: (not p.exact, -p.likeness, p.first.path, p.second.path)))


def to_leave_out(pairs: Sequence[Pair], root: Path) -> tuple[str, ...]:
    """Name the films without which no pair is left: of each pair the one in the earlier of train, val and test.

    So what is judged stays whole, and what was trained on or chosen by gives way.

    Parameters
    ----------
    pairs : sequence of Pair
        As `pairs_across_splits` gives them.
    root : Path
        The data set's folder, which the names are relative to.

    Returns
    -------
    tuple of str
        Sorted, each film once.
    """
    return tuple(sorted({name_in(root, pair.first) for pair in pairs}))


def name_in(root: Path, example: Example) -> str:
    """Return a film's path relative to its data set's folder, or the whole path where it lies elsewhere."""
    path = example.path
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _close(examples: Sequence[Example], hashes: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    members = {split: np.array([k for k, e in enumerate(examples) if e.split == split]) for split in SPLITS}
    for left, right in combinations(members.values(), 2):
        for start in range(0, len(left), _BLOCK):
            some = left[start : start + _BLOCK]
            if len(right):
                distance = np.bitwise_count(hashes[some][:, None] ^ hashes[right][None]).sum(axis=2, dtype=np.int32)
                for a, b in np.argwhere(distance <= _NEAR):
                    yield int(some[a]), int(right[b])


def _normalized(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    flat = picture.astype(np.float32).ravel()
    flat = flat - flat.mean()
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-6), dtype=np.float32)


def _pair(examples: Sequence[Example], a: int, b: int, *, exact: bool, likeness: float) -> Pair:
    first, second = sorted((examples[a], examples[b]), key=lambda e: SPLITS.index(e.split or "train"))
    return Pair(first=first, second=second, exact=exact, likeness=likeness)
