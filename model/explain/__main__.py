"""Explain films from the command line.

    python -m model.explain film.png --out folder
    python -m model.explain film.dcm --out folder --method grad-cam,occlusion --layer block4_conv3,block5_conv3
    python -m model.explain film.dcm --out folder --boxes stage_2_train_labels.csv

For each method and layer: ``NAME.METHOD.LAYER.png``, the heatmap over the film at the film's own size, and ``.npz``
with ``map`` (float32, 0..1, on the film's grid), ``maximum`` (what 1 means, in logits) and ``raw`` (as the method gave
it). ``NAME.json`` holds the prediction and the report card of every heatmap, with its two baselines.

Not for clinical use.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from model.cache import atomic_path
from model.errors import ExplainError, PneumoscopeError
from model.images import read_radiograph

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.explain.cam import Heatmap
    from model.images import Radiograph
    from model.predictor import Predictor
    from model.sight import Side, Sight

ALL = "all"


def main(arguments: Sequence[str] | None = None, *, predictor: "Predictor | None" = None) -> int:
    """Write the explanations of one film.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name; that of the process by default.
    predictor : Predictor, optional
        The network; that of `--model` or ``PNEUMOSCOPE_MODEL``, or the shipped one, by default.

    Returns
    -------
    int
        0, or 1 with a sentence on stderr, or 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    try:
        film = read_radiograph(options.film)
        options.out.mkdir(parents=True, exist_ok=True)
        _explain(film, options, predictor or _load(options.model))
    except PneumoscopeError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{options.out} cannot be written ({error.strerror or error}).", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the files that are there are whole.", file=sys.stderr)
        return 130
    return 0


def _explain(film: "Radiograph", options: argparse.Namespace, predictor: "Predictor") -> None:
    from model.explain.report import baseline_grades, report_card

    sight = predictor.explain(film, keep_maps=False)
    side: Side = options.side or ("yes" if sight.prediction.is_yes else "no")
    wanted = _wanted(options, predictor)
    # A dot in the film's own name must not be taken for an extension of ours.
    stem = options.film.name.rsplit(".", 1)[0] or options.film.name
    sign = 1.0 if side == "yes" else -1.0
    truth = _truth(options, film)
    baselines = baseline_grades(predictor, sight.film, sign=sign, truth=truth, steps=options.steps)
    graded: list[dict[str, Any]] = []
    with tqdm(total=100 * len(wanted), unit="%", disable=None, bar_format="{l_bar}{bar}| {remaining} left") as bar:
        for number, (method, layer) in enumerate(wanted):

            def move(share: float, start: int = 100 * number) -> None:
                bar.update(start + round(100 * share) - bar.n)

            heatmap = _heatmap(predictor, sight, method, layer, side, move)
            name = f"{stem}.{method}.{heatmap.layer}".replace("/", "_").replace("#", "_")
            _write_pictures(film, heatmap, options.out / name)
            card = report_card(
                predictor,
                sight.film,
                heatmap.values,
                sign=sign,
                truth=truth,
                steps=options.steps,
                baselines=baselines,
            )
            graded.append(
                {
                    "method": method,
                    "layer": heatmap.layer,
                    "files": [f"{name}.png", f"{name}.npz"],
                    "maximum": heatmap.maximum,
                    "positive_evidence": heatmap.has_evidence,
                    "report_card": card.as_json(),
                    "beats_both_baselines": card.beats_both(),
                }
            )
            move(1.0)
    _write_json(film, options, predictor, sight, side, graded, options.out / f"{stem}.json")


def _truth(options: argparse.Namespace, film: "Radiograph") -> "NDArray[np.bool_] | None":
    """Return where the boxes of the film lie, or None without --boxes or without any for this film."""
    from model.explain.localization import boxes_mask
    from model.marks import boxes_for, read_boxes

    if options.boxes is None:
        return None
    try:
        text = options.boxes.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ExplainError(f"{options.boxes} cannot be read ({error.strerror or error}).") from error
    boxes = boxes_for(options.film.name, read_boxes(text, name=options.boxes.name))
    return boxes_mask([(b.x, b.y, b.width, b.height) for b in boxes], film.pixels.shape) if boxes else None


def _wanted(options: argparse.Namespace, predictor: "Predictor") -> list[tuple[str, str]]:
    from model.explain.cam import CAM_METHODS

    methods = [*CAM_METHODS, *_film_methods()]
    layers = [layer.name for layer in predictor.layers if layer.kind == "convolution"]
    chosen_methods = methods if options.method == ALL else options.method.split(",")
    chosen_layers = (
        layers
        if options.layer == ALL
        else [predictor.last_convolution]
        if not options.layer
        else options.layer.split(",")
    )
    for what, chosen, known in (("method", chosen_methods, methods), ("layer", chosen_layers, layers)):
        unknown = [name for name in chosen if name not in known]
        if unknown:
            raise ExplainError(f"There is no {what} {unknown[0]!r}; there are {', '.join(known)}, or all.")
    pairs = [(method, layer) for method in chosen_methods if method in CAM_METHODS for layer in chosen_layers]
    return pairs + [(method, "") for method in chosen_methods if method not in CAM_METHODS]


def _film_methods() -> Sequence[str]:
    from model.explain.film_methods import FILM_METHODS

    return list(FILM_METHODS)


def _heatmap(predictor: "Predictor", sight: "Sight", method: str, layer: str, side: "Side", move: Any) -> "Heatmap":
    from model.explain.cam import heatmap
    from model.explain.film_methods import FILM_METHODS

    if method not in FILM_METHODS:
        return sight.heatmap(method, layer, side)
    summed = FILM_METHODS[method].summed(
        predictor, sight.film, black=predictor.classifier.black, progress=lambda share: move(0.8 * share)
    )
    signless = method == "smoothgrad"
    return heatmap(summed if side == "yes" or signless else -summed, layer="film")


def _write_pictures(film: "Radiograph", heatmap: "Heatmap", base: Path) -> None:
    from model.explain.faithfulness import enlarged
    from model.explain.overlay import blend

    height, width = film.pixels.shape
    # PNG by its name, whatever dots the film's own name has.
    with atomic_path(base.with_name(base.name + ".png")) as temporary:
        Image.fromarray(blend(film.pixels, heatmap.values, opacity=0.8)).save(temporary, "PNG")
    with atomic_path(base.with_name(base.name + ".npz")) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            allow_pickle=False,
            map=enlarged(heatmap.values, (height, width)),
            maximum=np.float32(heatmap.maximum),
            raw=heatmap.values * np.float32(heatmap.maximum),
        )


def _write_json(
    film: "Radiograph",
    options: argparse.Namespace,
    predictor: "Predictor",
    sight: "Sight",
    side: "Side",
    graded: list[dict[str, Any]],
    path: Path,
) -> None:
    from model.explain.report import BASELINES

    prediction = sight.prediction
    content = {
        "film": options.film.name,
        "sha256": film.sha256,
        "height": film.pixels.shape[0],
        "width": film.pixels.shape[1],
        "network": predictor.version,
        "probability": prediction.probability,
        "threshold": prediction.threshold,
        "verdict": prediction.verdict,
        "logits": list(prediction.logits),
        "evidence_for": predictor.classifier.sides[side == "yes"],
        "baselines": dict(BASELINES),
        "heatmaps": graded,
        "notice": "For learning only. Not a medical device, not for clinical use.",
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(path)


def _load(model: Path | None) -> "Predictor":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from model.own_model import chosen_classifier, own_classifier
    from model.predictor import Predictor

    return Predictor(own_classifier(model) if model is not None else chosen_classifier())


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of steps; expected 1 or more")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model.explain",
        description="Write the heatmaps of a chest X-ray, and how good they are. Not for clinical use.",
    )
    parser.add_argument("film", type=Path, metavar="FILE", help="a film: PNG, JPEG, DICOM, ...")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write; made if absent")
    parser.add_argument(
        "--method",
        default="grad-cam",
        metavar="NAMES",
        help="grad-cam, grad-cam++, layer-cam, hires-cam, occlusion, integrated-gradients, smoothgrad, several with "
        "commas between them, or all (default: grad-cam)",
    )
    parser.add_argument(
        "--layer", default="", metavar="NAMES", help="convolutions, with commas, or all (default: the last)"
    )
    parser.add_argument("--side", choices=("yes", "no"), help="evidence for or against (default: for the verdict)")
    parser.add_argument(
        "--steps", type=_count, default=24, metavar="N", help="of deletion and insertion (default: 24)"
    )
    parser.add_argument(
        "--boxes", type=Path, metavar="CSV", help="boxes that people drew, such as RSNA's labels, for the report card"
    )
    parser.add_argument("--model", type=Path, metavar="FILE", help="a .keras file instead of the shipped network")
    return parser


if __name__ == "__main__":
    sys.exit(main())
