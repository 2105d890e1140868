"""A network of the user's own: the app looks into it instead of ours.

``PNEUMOSCOPE_MODEL=path.keras`` names the file. What the file does not say may stand beside it in ``path.json``::

    {"classes": ["normal", "pneumonia"], "positive": ["pneumonia"], "threshold": 0.5,
     "input_range": [0, 255], "standardize": false}

Without it, two classes or one sigmoid are taken for "normal" and "pneumonia", of more classes all but the first count
as "yes", films are given in 0..1 as they are, and the threshold is one half.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from model.cache import file_digest
from model.checkpoint import load_checkpoint
from model.classifier import Classifier
from model.errors import CheckpointError
from model.preprocess import standardize, to_grid

VARIABLE = "PNEUMOSCOPE_MODEL"
_KEYS = {"classes", "positive", "threshold", "input_range", "standardize"}


def chosen_classifier() -> Classifier:
    """Return the classifier that ``PNEUMOSCOPE_MODEL`` names, or the shipped one.

    Raises
    ------
    CheckpointError
        If it cannot be loaded; the sentence says why.
    """
    named = os.environ.get(VARIABLE)
    return own_classifier(Path(named)) if named else Classifier.of(load_checkpoint())


def own_name() -> str | None:
    """Return the file name of the user's own model, or None where the app shows the shipped one."""
    named = os.environ.get(VARIABLE)
    return Path(named).name if named else None


def own_classifier(path: Path) -> Classifier:
    """Load a Keras image classifier.

    Parameters
    ----------
    path : Path
        A ``.keras`` or ``.h5`` file. Code inside it (a Lambda layer) is never run.

    Raises
    ------
    CheckpointError
        If it is missing, no Keras file, needs code of its own, or takes no gray or color images of a fixed size.
    """
    if not path.is_file():
        raise CheckpointError(f"There is no file {path.name}; {VARIABLE} takes the path of a .keras file.")
    model = _load(path)
    height, width, channels = _input_shape(model, path)
    notes = _notes(path)
    classes = _classes(notes, model, path)
    low, high = _numbers(notes, path)
    tones = bool(notes.get("standardize", False))

    def prepare(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        grid = to_grid(pixels, size=(height, width))
        grid = standardize(grid) if tones else grid
        return np.repeat((low + (high - low) * grid)[:, :, None], channels, axis=2).astype(np.float32)

    return Classifier(
        model=model,
        prepare=prepare,
        input_shape=(height, width, channels),
        classes=classes,
        positive=_positive(notes, classes, path),
        threshold=_threshold(notes, path),
        version=file_digest(path)[:12],
        black=low,
    )


def _load(path: Path) -> keras.Model:
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever the file makes its parts raise.
        said = str(error).strip().split("\n")[0][:200]
        raise CheckpointError(
            f"{path.name} cannot be loaded as a Keras model ({type(error).__name__}: {said}); save it again with "
            "model.save('name.keras') and without Lambda or custom layers."
        ) from error
    if not isinstance(model, keras.Model):
        raise CheckpointError(f"{path.name} holds a {type(model).__name__}, not a model.")
    return model


def _input_shape(model: keras.Model, path: Path) -> tuple[int, int, int]:
    shapes = [tuple(tensor.shape) for tensor in model.inputs] if getattr(model, "inputs", None) else []
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][3] not in (1, 3) or None in shapes[0][1:]:
        came = " and ".join(str(shape) for shape in shapes) or "an unknown input"
        raise CheckpointError(
            f"{path.name} takes {came}; a network that can be looked into takes one image of a fixed size, "
            "(None, height, width, 1 or 3)."
        )
    _, height, width, channels = shapes[0]
    return int(height), int(width), int(channels)


def _notes(path: Path) -> Mapping[str, Any]:
    beside = path.with_suffix(".json")
    if not beside.is_file():
        return {}
    try:
        notes = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{beside.name} cannot be read as JSON ({error}).") from error
    if not isinstance(notes, dict) or not set(notes) <= _KEYS:
        raise CheckpointError(f"{beside.name} may hold {', '.join(sorted(_KEYS))} and nothing else.")
    return notes


def _classes(notes: Mapping[str, Any], model: keras.Model, path: Path) -> tuple[str, ...]:
    units = tuple(model.output_shape)[-1] if isinstance(model.output_shape, tuple) else None
    if not isinstance(units, int):
        raise CheckpointError(f"{path.name} has several outputs; a classifier has one.")
    count = max(units, 2)
    default = ("normal", "pneumonia") if count == 2 else tuple(f"class {k}" for k in range(count))
    classes = notes.get("classes", default)
    classes = classes if isinstance(classes, list | tuple) else [classes]
    if len(classes) != count or not all(isinstance(name, str) for name in classes):
        raise CheckpointError(
            f"{path.with_suffix('.json').name} names {len(classes)} classes, the network has {count}; name them in "
            "the order of its outputs."
        )
    return tuple(classes)


def _positive(notes: Mapping[str, Any], classes: tuple[str, ...], path: Path) -> tuple[int, ...]:
    names = notes.get("positive", classes[1:])
    names = names if isinstance(names, list | tuple) else [names]
    chosen = tuple(k for k, name in enumerate(classes) if name in names)
    if not chosen or len(chosen) == len(classes) or any(name not in classes for name in names):
        raise CheckpointError(
            f"{path.with_suffix('.json').name} counts {', '.join(map(str, names)) or 'nothing'} as yes; expected some "
            f"of {', '.join(classes)}, and not all."
        )
    return chosen


def _threshold(notes: Mapping[str, Any], path: Path) -> float:
    threshold = notes.get("threshold", 0.5)
    if not isinstance(threshold, int | float) or not 0 < threshold < 1:
        raise CheckpointError(
            f"{path.with_suffix('.json').name} has threshold {threshold!r}, expected a number between 0 and 1."
        )
    return float(threshold)


def _numbers(notes: Mapping[str, Any], path: Path) -> tuple[float, float]:
    given = notes.get("input_range", (0, 1))
    pair = given if isinstance(given, list | tuple) and len(given) == 2 else (math.nan, math.nan)
    if not all(isinstance(value, int | float) for value in pair) or not pair[0] < pair[1]:
        raise CheckpointError(
            f"{path.with_suffix('.json').name} has input_range {given!r}, expected [black, white], such as [0, 255]."
        )
    return float(pair[0]), float(pair[1])
