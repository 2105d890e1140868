"""Grade every method on synthetic chests, whose opacities are known to the pixel, and write the result as a page.

    python -m model.explain.grades
    python -m model.explain.grades --checkpoint model/pretrained --checkpoint FOLDER --out docs/heatmaps.md

Each checkpoint gets a table: for each method the pointing game and the overlap with the truth on all films, deletion
and insertion on the first few, and at the end the two baselines that know no network.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.cache import atomic_path
from model.errors import PneumoscopeError

if TYPE_CHECKING:
    from model.predictor import Predictor
    from model.sight import Sight

FIRST_SEED = 10_000_000
"""Far from the seeds that ``--dataset phantom`` trains on, which count up from 0."""

_CURVE_STEPS = 12


@dataclass
class Row:
    """What one map did over many films."""

    hits: list[bool] = field(default_factory=list)
    overlaps: list[float] = field(default_factory=list)
    deletions: list[float] = field(default_factory=list)
    insertions: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Grades:
    """The rows of one network.

    Attributes
    ----------
    rows : dict of str to Row
        By "method at layer", and for the baselines by what they are.
    found : int
        How many of the sick films the network calls sick.
    films : int
        How many there are.
    """

    rows: dict[str, Row]
    found: int
    films: int


def grade(predictor: "Predictor", *, films: int, graded: int, quiet: bool = False) -> Grades:
    """Grade every method on sick synthetic chests.

    Parameters
    ----------
    predictor : Predictor
        The network.
    films : int
        How many films for the pointing game and the overlap.
    graded : int
        On how many of them deletion and insertion are measured, and the methods that need time are worked out.
    quiet : bool
        No progress bar.
    """
    from model.explain.faithfulness import curves
    from model.explain.localization import overlap_at_equal_area, pointing_hit
    from model.images import Radiograph
    from model.phantom import draw_phantom

    rows: dict[str, Row] = {}
    found = 0
    for number in tqdm(range(films), unit="film", disable=quiet or None):
        phantom = draw_phantom(FIRST_SEED + number, sick=True)
        film = Radiograph(pixels=phantom.film, original_size=(320, 320), format="PNG", sha256=f"{number:064x}")
        sight = predictor.explain(film, keep_maps=False)
        found += sight.prediction.is_yes
        for name, values in _maps(predictor, sight, slow=number < graded):
            row = rows.setdefault(name, Row())
            row.hits.append(pointing_hit(values, phantom.truth.opacity))
            row.overlaps.append(overlap_at_equal_area(values, phantom.truth.opacity))
            if number < graded:
                one = curves(predictor, sight.film, values, steps=_CURVE_STEPS)
                row.deletions.append(one.deletion_area)
                row.insertions.append(one.insertion_area)
    return Grades(rows=rows, found=int(found), films=films)


def page(tables: Sequence[tuple[str, Grades]], *, graded: int) -> str:
    """Return the page in Markdown.

    Parameters
    ----------
    tables : sequence of (str, Grades)
        What each network is called, and its grades.
    graded : int
        See `grade`.
    """
    lines = [
        "# How good are the heatmaps?",
        "",
        "Made by `python -m model.explain.grades`; no number in it was typed. The films are synthetic chests with "
        "opacities (`model.phantom`), drawn from seeds that no network was trained on, so that where the opacity "
        "lies is "
        "known to the pixel. Evidence for pneumonia is asked for on every film, whatever the network's verdict.",
        "",
        "- **Pointing**: share of films on which the map's hottest place lies on an opacity, within 15 of 224 pixels.",
        "- **Overlap**: intersection over union of the opacities with as many of the hottest pixels.",
        "- **Deletion** (smaller is better) and **insertion** (larger is better): areas under the curves of "
        "Petsiuk et "
        f"al. 2018 on the first {graded} films, with a blurred film in place of what is taken away.",
        "",
        "The last two rows are what every map must beat: they know nothing of the network.",
    ]
    for name, grades in tables:
        lines += ["", f"## {name}", "", f"It calls {grades.found} of the {grades.films} films pneumonia.", ""]
        lines += ["| map | films | pointing | overlap | deletion | insertion |", "|---|---|---|---|---|---|"]
        lines += [_line(key, row) for key, row in grades.rows.items()]
        lines += ["", _verdict(grades)]
    return "\n".join(lines) + "\n"


def _maps(predictor: "Predictor", sight: "Sight", *, slow: bool) -> Iterator[tuple[str, NDArray[np.float32]]]:
    from model.explain.cam import CAM_METHODS, heatmap
    from model.explain.film_methods import FILM_METHODS
    from model.explain.localization import centre_blob, edge_map

    deep = [sight.deepest.name, _before_last_pool(sight)]
    for method in CAM_METHODS.values():
        for layer in deep:
            yield f"{method.name}, {layer}", sight.heatmap(method.key, layer).values
    if slow:
        for slow_method in FILM_METHODS.values():
            summed = slow_method.summed(predictor, sight.film)
            yield slow_method.name, heatmap(summed, layer="film").values
    film = sight.film.mean(axis=2)
    yield "*an edge detector*", edge_map(film)
    yield "*a blob in the middle of the chest*", centre_blob((film.shape[0], film.shape[1]))


def _before_last_pool(sight: "Sight") -> str:
    """Return the last convolution of the block before the last one, which sees finer."""
    last = sight.deepest
    finer = [layer.name for layer in sight.convolutions if layer.size[0] > last.size[0]]
    return finer[-1] if finer else last.name


def _line(name: str, row: Row) -> str:
    def mean(values: list[float]) -> str:
        return f"{float(np.mean(values)):.3f}" if values else ""

    pointing = f"{float(np.mean(row.hits)):.3f}"
    return (
        f"| {name} | {len(row.hits)} | {pointing} | {mean(row.overlaps)} | {mean(row.deletions)} | "
        f"{mean(row.insertions)} |"
    )


def _verdict(grades: Grades) -> str:
    """Say in a sentence whether Grad-CAM of the last convolution beats both baselines, measure by measure."""
    mine = next(row for name, row in grades.rows.items() if name.startswith("Grad-CAM,"))
    others = [row for name, row in grades.rows.items() if name.startswith("*")]
    better = {
        "pointing": all(np.mean(mine.hits) > np.mean(other.hits) for other in others),
        "overlap": all(np.mean(mine.overlaps) > np.mean(other.overlaps) for other in others),
        "deletion": all(np.mean(mine.deletions) < np.mean(other.deletions) for other in others),
        "insertion": all(np.mean(mine.insertions) > np.mean(other.insertions) for other in others),
    }
    won = [name for name, beaten in better.items() if beaten]
    lost = [name for name in better if name not in won]
    if not lost:
        return "Grad-CAM of the last convolution beats both baselines by every measure."
    return (
        f"Grad-CAM of the last convolution beats both baselines by {', '.join(won) or 'no measure'}, and not by "
        f"{', '.join(lost)}."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page; 0, or 1 with a sentence on stderr."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from model.checkpoint import SHIPPED, load_checkpoint
    from model.classifier import Classifier
    from model.predictor import Predictor

    tables = []
    try:
        for folder in options.checkpoint or [SHIPPED]:
            checkpoint = load_checkpoint(folder)
            grades = grade(Predictor(Classifier.of(checkpoint)), films=options.films, graded=options.graded)
            tables.append((_name(folder, checkpoint.card), grades))
    except PneumoscopeError as error:
        print(error, file=sys.stderr)
        return 1
    with atomic_path(options.out) as temporary:
        temporary.write_text(page(tables, graded=min(options.graded, options.films)), encoding="utf-8")
    print(options.out)
    return 0


def _name(folder: Path, card: object) -> str:
    population = card.get("data", {}).get("population") if isinstance(card, dict) else None
    return f"The network trained on {population}" if population else f"The network of {folder.name}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model.explain.grades", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--checkpoint",
        type=Path,
        action="append",
        metavar="FOLDER",
        help="several if you like (default: the shipped one)",
    )
    parser.add_argument("--films", type=int, default=200, metavar="N", help="synthetic chests (default: 200)")
    parser.add_argument(
        "--graded", type=int, default=12, metavar="N", help="how many of them for what takes long (default: 12)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("docs/heatmaps.md"), help="the page (default: docs/heatmaps.md)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
