"""One pass over a data set that answers what is in it: counts, sizes, what cannot be read, and what is there twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from model.cache import atomic_path
from model.datasets import SPLITS, Dataset, Example
from model.duplicates import Pair, fingerprint_of, pairs_across_splits
from model.errors import ImageError
from model.films import facts_of
from model.preprocess import to_grid

CLASSES = ("normal", "pneumonia")

_THUMBNAIL = 160
_ACROSS = 8
_YEARS = 20
_UNKNOWN = "not stated"


@dataclass(frozen=True, eq=False, kw_only=True)
class Inspection:
    """What one pass over a data set found.

    Attributes
    ----------
    dataset : Dataset
        What was inspected.
    examples : tuple of Example
        Those that can be read, with what their files say about age, sex and view.
    sizes : Counter
        (height, width) as stored -> films.
    unreadable : tuple of (str, str)
        Name and reason of every film that cannot be read.
    pairs : tuple of Pair
        Films of different splits that are the same or nearly.
    """

    dataset: Dataset
    examples: tuple[Example, ...]
    sizes: Counter[tuple[int, int]]
    unreadable: tuple[tuple[str, str], ...]
    pairs: tuple[Pair, ...]


def inspect(
    dataset: Dataset, *, threads: int = 4, progress: Callable[[int, int], None] = lambda done, total: None
) -> Inspection:
    """Read every film once and look at it.

    Parameters
    ----------
    dataset : Dataset
        What to inspect.
    threads : int
        Decoders at work at the same time.
    progress : callable
        Told (films done, films in all) after each film.

    Returns
    -------
    Inspection
        Nothing is too broken for it: what cannot be read is counted and named.
    """
    examples: list[Example] = []
    sizes: Counter[tuple[int, int]] = Counter()
    unreadable: list[tuple[str, str]] = []
    prints = []

    def attempt(example: Example) -> tuple[Example, tuple[int, int], tuple[str, NDArray[np.uint8]]] | str:
        try:
            film = example.loader.read(example.path)
        except (ImageError, OSError) as error:
            return str(error)
        told = replace(example, attributes={**facts_of(film), **example.attributes})
        return told, film.original_size, (film.sha256, fingerprint_of(film.pixels))

    with ThreadPoolExecutor(threads) as pool:
        results = pool.map(attempt, dataset.examples)
        for done, (example, found) in enumerate(zip(dataset.examples, results, strict=True), start=1):
            if isinstance(found, str):
                unreadable.append((example.name, found))
            else:
                examples.append(found[0])
                sizes[found[1]] += 1
                prints.append(found[2])
            progress(done, len(dataset.examples))
    return Inspection(
        dataset=dataset,
        examples=tuple(examples),
        sizes=sizes,
        unreadable=tuple(unreadable),
        pairs=pairs_across_splits(examples, prints),
    )


def report(found: Inspection, *, most: int = 10) -> str:
    """Return what was found as text for a terminal.

    Parameters
    ----------
    found : Inspection
        What to tell.
    most : int
        How many names of a kind to list.

    Returns
    -------
    str
        Several lines, without one at the end.
    """
    dataset = found.dataset
    lines = [f"{dataset.name}: {dataset.source}", f"licence: {dataset.licence}", f"films of: {dataset.population}"]
    lines += [f"note: {note}" for note in dataset.notes]
    if dataset.labelled:
        lines += ["", "in the source's lists:", *(f"  {name:<32}{n:>8,}" for name, n in dataset.labelled.items())]
    by_split = {split: [e for e in found.examples if e.split == split] for split in SPLITS}
    lines += ["", _row("split", *CLASSES, "patients")]
    for split, own in by_split.items():
        patients = len({e.patient for e in own})
        lines.append(_row(split, *(f"{sum(e.label == label for e in own):,}" for label in (0, 1)), f"{patients:,}"))
    for name, key in (("view", _view), ("sex", _sex), ("age", _age)):
        told = any(key(e) != _UNKNOWN for e in found.examples)
        lines += ["", *([_row(name, *CLASSES), *_table(found.examples, key)] if told else [f"{name}: {_UNKNOWN}"])]
    boxes = [e for e in found.examples if e.boxes]
    lines += ["", f"films with boxes: {len(boxes):,}, boxes: {sum(len(e.boxes) for e in boxes):,}"]
    common = found.sizes.most_common(most)
    lines += ["", "sizes (width x height):", *(f"  {w} x {h}: {n:,}" for (h, w), n in common)]
    if len(found.sizes) > most:
        lines.append(f"  and {len(found.sizes) - most:,} others")
    lines += ["", f"unreadable: {len(found.unreadable):,}"]
    lines += _named((f"{name}: {why}" for name, why in found.unreadable), len(found.unreadable), most)
    exact = [pair for pair in found.pairs if pair.exact]
    near = [pair for pair in found.pairs if not pair.exact]
    for kind, pairs in (("the same film", exact), ("nearly the same film", near)):
        lines += ["", f"{kind} in two splits: {len(pairs):,} pair(s)"]
        lines += _named((pair.sentence() for pair in pairs), len(pairs), most)
    return "\n".join(lines)


def _row(first: str, *others: str) -> str:
    return f"{first:<16}" + "".join(f"{other:>12}" for other in others)


def _table(examples: Sequence[Example], key: Callable[[Example], str]) -> list[str]:
    counts = [Counter(key(e) for e in examples if e.label == label) for label in (0, 1)]
    return [_row(value, *(f"{count[value]:,}" for count in counts)) for value in sorted({*counts[0], *counts[1]})]


def _view(example: Example) -> str:
    return example.attributes.get("view", _UNKNOWN)


def _sex(example: Example) -> str:
    return example.attributes.get("sex", _UNKNOWN)


def _age(example: Example) -> str:
    told = example.attributes.get("age", "")
    if not told.isdigit():
        return _UNKNOWN
    start = int(told) // _YEARS * _YEARS
    return f"{start} to {start + _YEARS - 1}"


def _named(sentences: Iterable[str], count: int, most: int) -> list[str]:
    shown = [f"  {sentence}" for sentence, _ in zip(sentences, range(most), strict=False)]
    return shown + ([f"  and {count - most:,} more"] if count > most else [])


def contact_sheet(examples: Sequence[Example], *, rows: int = 3, title: str = "") -> NDArray[np.uint8]:
    """Return films of both classes side by side, normal above, pneumonia below, with the boxes the source drew.

    Parameters
    ----------
    examples : sequence of Example
        Films that can be read; spread evenly over the list, eight in a row.
    rows : int
        Rows of each class.
    title : str
        Written above.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        BGR, as OpenCV writes it.

    Raises
    ------
    ImageError
        If a film cannot be read after all.
    """
    strips = [_caption(title, 34)] if title else []
    for label, name in enumerate(CLASSES):
        own = [e for e in examples if e.label == label]
        chosen = [own[k] for k in np.linspace(0, len(own) - 1, min(len(own), rows * _ACROSS)).astype(int)]
        strips.append(_caption(name, 28))
        for start in range(0, len(chosen), _ACROSS):
            tiles = [_tile(e) for e in chosen[start : start + _ACROSS]]
            tiles += [np.full((_THUMBNAIL, _THUMBNAIL, 3), 255, np.uint8)] * (_ACROSS - len(tiles))
            strips.append(np.hstack(tiles))
    return np.vstack(strips)


def write_sheet(sheet: NDArray[np.uint8], path: Path) -> None:
    """Write a contact sheet as PNG, whole or not at all.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", sheet)[1].tobytes())


def _tile(example: Example) -> NDArray[np.uint8]:
    film = example.loader.read(example.path)
    gray = np.rint(to_grid(film.pixels, size=_THUMBNAIL) * 255).astype(np.uint8)
    tile = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    height, width = film.pixels.shape
    for box in example.boxes:
        corner = (int(box.x * _THUMBNAIL / width), int(box.y * _THUMBNAIL / height))
        opposite = (
            int((box.x + box.width) * _THUMBNAIL / width),
            int((box.y + box.height) * _THUMBNAIL / height),
        )
        cv2.rectangle(tile, corner, opposite, (0, 190, 255), 1, cv2.LINE_AA)
    return np.asarray(tile, dtype=np.uint8)


def _caption(text: str, height: int) -> NDArray[np.uint8]:
    strip = np.full((height, _ACROSS * _THUMBNAIL, 3), 255, np.uint8)
    cv2.putText(
        strip,
        text,
        (8, height - 9),
        cv2.FONT_HERSHEY_SIMPLEX,
        height / 50,
        (40, 40, 40),
        1 + height // 32,
        cv2.LINE_AA,
    )
    return strip
