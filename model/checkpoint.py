"""A trained classifier on disk: float16 weights, and a card that says what they are.

The weights are a plain NumPy archive (no pickle), verified against the card's SHA-256 before anything is read.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from model import preprocess
from model.cache import atomic_path, file_digest
from model.errors import CheckpointError
from model.novelty import Novelty
from model.vgg16 import build_classifier

SHIPPED = Path(__file__).resolve().parent / "pretrained"
WEIGHTS = "weights.npz"
CARD = "card.json"
SCORES = "scores.jsonl"
MAX_BYTES = 45_000_000


@dataclass(frozen=True, eq=False, kw_only=True)
class Checkpoint:
    """A loaded model.

    Attributes
    ----------
    model : keras.Model
        As `model.vgg16.build_classifier` gives it, input (batch, 224, 224, 1).
    card : Mapping
        The content of ``card.json``.
    threshold : float
        Probability of pneumonia from which a film is called pneumonia, 0..1.
    sha256 : str
        Of the weight file.
    novelty : Novelty or None
        What tells chest films from other pictures, where the checkpoint has it.
    thresholds : Mapping of str to float
        What validation films chose, by the aim (see `model.thresholds.AIMS`); empty where the card does not say.
    """

    model: keras.Model
    card: Mapping[str, Any]
    threshold: float
    sha256: str
    novelty: Novelty | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, kw_only=True)
class Files:
    """What goes beside a card.

    Attributes
    ----------
    scores : str
        Validation and test films as JSON lines.
    novelty : Novelty
        What tells chest films from other pictures.
    """

    scores: str
    novelty: Novelty


def save_checkpoint(model: keras.Model, folder: Path, *, architecture: Mapping[str, Any], threshold: float) -> str:
    """Write a model's weights as float16, with a card that says only how to load them.

    Parameters
    ----------
    model : keras.Model
        As built by `model.vgg16.build_classifier`.
    folder : Path
        Made if absent; a checkpoint there is replaced.
    architecture : Mapping
        The keyword arguments ("head", "width", "dropout", ...) that build the same network again.
    threshold : float
        See `Checkpoint`.

    Returns
    -------
    str
        SHA-256 of the weight file.

    Raises
    ------
    CheckpointError
        If a weight is not finite in float16, or the file is larger than 45 MB.
    """
    halves = {}
    for variable in model.weights:
        with np.errstate(over="ignore"):
            half = variable.numpy().astype(np.float16)
        if not np.isfinite(half).all():
            raise CheckpointError(f"{variable.path} does not fit float16 (it is infinite or NaN); train again.")
        halves[_name(variable.path)] = half
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **halves)
    if stream.tell() > MAX_BYTES:
        raise CheckpointError(
            f"The weights take {stream.tell() / 1e6:.0f} MB as float16, at most {MAX_BYTES / 1e6:.0f} MB are shipped; "
            "use a narrower head."
        )
    with atomic_path(folder / WEIGHTS) as temporary:
        temporary.write_bytes(stream.getvalue())
    digest = file_digest(folder / WEIGHTS)
    write_card(
        folder,
        {
            "weights": {"file": WEIGHTS, "sha256": digest, "bytes": stream.tell(), "dtype": "float16"},
            "architecture": dict(architecture),
            "preprocess": preprocess.VERSION,
            "threshold": threshold,
        },
    )
    return digest


def load_checkpoint(folder: Path = SHIPPED, *, calibrated: bool = True) -> Checkpoint:
    """Load and verify a checkpoint.

    Parameters
    ----------
    folder : Path
        Holds ``weights.npz`` and ``card.json``.
    calibrated : bool
        Divide the logits by the card's temperature, by dividing the weights and biases of the last layer, so that
        every explanation speaks of the probability that is shown. False gives the weights as they were trained.

    Returns
    -------
    Checkpoint
        Weights as float32, ready to predict.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged, the fingerprint differs, or the weights belong to another network or another
        preprocessing.
    """
    card = read_card(folder)
    try:
        expected = str(card["weights"]["sha256"])
        architecture = dict(card["architecture"])
        threshold = float(card["threshold"])
        temperature = float(card.get("temperature", 1.0)) if calibrated else 1.0
        thresholds = {str(aim): float(entry["threshold"]) for aim, entry in card.get("thresholds", {}).items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"The card in {_shown(folder)} lacks {error}; make it again with python -m model.card."
        ) from error
    if card.get("preprocess") != preprocess.VERSION:
        raise CheckpointError(
            f"The checkpoint in {_shown(folder)} was trained on films prepared by {card.get('preprocess')!r}, "
            f"this version prepares them by {preprocess.VERSION!r}; use the matching version or train again."
        )
    path = folder / WEIGHTS
    if not path.is_file():
        raise CheckpointError(
            f"{_shown(path)} is missing; restore it with git checkout, or train a model with train.py."
        )
    content = path.read_bytes()
    found = _sha256(content)
    if found != expected:
        raise CheckpointError(
            f"{_shown(path)} has SHA-256 {found[:12]}..., its card says {expected[:12]}...; "
            "the file was changed or cut, restore it with git checkout."
        )
    model = _built(architecture, folder)
    _assign(model, content, path)
    if not 0 < temperature < math.inf:
        raise CheckpointError(
            f"The card in {_shown(folder)} has temperature {temperature}, expected a positive number."
        )
    if temperature != 1:
        for variable in model.get_layer("logits").weights:
            variable.assign(variable / temperature)
    if not 0 < threshold < 1 or math.isnan(threshold):
        raise CheckpointError(
            f"The card in {_shown(folder)} has threshold {threshold}, expected a number between 0 and 1."
        )
    return Checkpoint(
        model=model,
        card=card,
        threshold=threshold,
        sha256=found,
        novelty=_novelty(folder, card.get("novelty")),
        thresholds=thresholds,
    )


def write_measured(folder: Path, card: dict[str, Any], files: Files) -> dict[str, Any]:
    """Write a card and what goes beside it so that at any moment they belong together; returns the card.

    What tells strangers apart is named by its content and written before the card that points to it; what an earlier
    card pointed to goes last.
    """
    content, scores = files.novelty.to_bytes(), files.scores.encode("utf-8")
    digest = _sha256(content)
    name = f"novelty-{digest[:12]}.npz"
    with atomic_path(folder / name) as temporary:
        temporary.write_bytes(content)
    whole = {
        **card,
        "novelty": {"file": name, "sha256": digest, "limit": files.novelty.limit},
        "scores": {"file": SCORES, "sha256": _sha256(scores)},
    }
    with atomic_path(folder / SCORES) as temporary:
        temporary.write_bytes(scores)
    write_card(folder, whole)
    for old in folder.glob("novelty*.npz"):
        if old.name != name:
            old.unlink(missing_ok=True)
    return whole


def read_card(folder: Path = SHIPPED) -> dict[str, Any]:
    """Return a checkpoint's card without loading the network.

    Raises
    ------
    CheckpointError
        If it is missing or not JSON.
    """
    shown = _shown(folder / CARD)
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{_shown(folder / CARD)} is missing; train a model with train.py and make its card."
        ) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{shown} cannot be read as JSON; restore it with git checkout.") from error
    if not isinstance(card, dict):
        raise CheckpointError(f"{shown} holds no JSON object; restore it with git checkout.")
    return card


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write a checkpoint's card, atomically."""
    with atomic_path(folder / CARD) as temporary:
        temporary.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _built(architecture: Mapping[str, Any], folder: Path) -> keras.Model:
    try:
        return build_classifier(**architecture, seed=None)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"The card in {_shown(folder)} describes a network that cannot be built ({error}); restore it with git "
            "checkout."
        ) from error


def _novelty(folder: Path, entry: Any) -> Novelty | None:
    if not isinstance(entry, dict):
        return None
    path = folder / Path(str(entry.get("file", ""))).name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{_shown(path)} is missing; restore it with git checkout.") from error
    if _sha256(content) != entry.get("sha256"):
        raise CheckpointError(
            f"{_shown(path)} does not match its fingerprint on the card; the file was changed or cut, restore it with "
            "git checkout."
        )
    return Novelty.from_bytes(content)


def _assign(model: keras.Model, content: bytes, path: Path) -> None:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays: dict[str, NDArray[Any]] = {name: stored[name] for name in stored.files}
    except (ValueError, OSError) as error:
        raise CheckpointError(
            f"{_shown(path)} is not a NumPy archive of plain arrays; restore it with git checkout."
        ) from error
    for variable in model.weights:
        array = arrays.get(_name(variable.path))
        if array is None or array.shape != tuple(variable.shape):
            came = "nothing" if array is None else f"shape {array.shape}"
            raise CheckpointError(
                f"{_shown(path)} holds {came} for {variable.path}, the network expects shape {tuple(variable.shape)}; "
                "the card describes another network."
            )
        variable.assign(array.astype(np.float32))


def _shown(path: Path) -> Path:
    # Pages show these sentences, and where the project lies on a server is nobody's business.
    root = SHIPPED.parent.parent
    return path.relative_to(root) if path.is_relative_to(root) else path


def _name(variable_path: str) -> str:
    return variable_path.replace("/", ".")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
