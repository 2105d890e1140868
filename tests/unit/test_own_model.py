"""A network of one's own: how it is read, and one sentence for each way it can be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from model.errors import CheckpointError
from model.own_model import VARIABLE, chosen_classifier, own_classifier
from model.predictor import Predictor
from tests.unit.test_graph import film
from tests.unit.zoo import build

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")


def saved(folder: Path, name: str = "nested", **notes: Any) -> Path:
    path = folder / "mine.keras"
    build(name).save(path)
    if notes:
        path.with_suffix(".json").write_text(json.dumps(notes), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["nested", "one_sigmoid", "three_gray_channels"])
def test_a_model_file_alone_is_enough(name: str, tmp_path: Path) -> None:
    own = own_classifier(saved(tmp_path, name))
    assert own.classes == ("normal", "pneumonia")
    assert own.sides == ("normal", "pneumonia")
    assert own.threshold == 0.5
    x = own.prepare(film().pixels)
    assert x.shape == own.input_shape
    np.testing.assert_allclose(x[:, :, 0], film().pixels, atol=1e-6)
    assert Predictor(own).explain(film()).prediction.verdict in own.sides


def test_what_stands_beside_it_is_followed(tmp_path: Path) -> None:
    notes = {
        "classes": ["healthy", "viral", "bacterial"],
        "positive": ["viral", "bacterial"],
        "threshold": 0.3,
        "input_range": [0, 255],
        "standardize": True,
    }
    own = own_classifier(saved(tmp_path, "three_classes", **notes))
    assert own.sides == ("healthy", "viral or bacterial")
    assert own.threshold == 0.3
    x = own.prepare(film().pixels)
    assert x.min() == 0 and x.max() == 255


def test_films_of_any_size_fit(tmp_path: Path) -> None:
    own = own_classifier(saved(tmp_path))
    assert own.prepare(np.random.default_rng(0).random((300, 200)).astype(np.float32)).shape == (32, 32, 1)


def test_the_environment_chooses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(saved(tmp_path)))
    assert chosen_classifier().input_shape == (32, 32, 1)
    monkeypatch.delenv(VARIABLE)
    assert chosen_classifier().input_shape == (224, 224, 1)


@pytest.mark.parametrize(
    ("notes", "sentence"),
    [
        ({"classes": ["a"]}, "names 1 classes, the network has 2"),
        ({"positive": ["measles"]}, "counts measles as yes; expected some of normal, pneumonia"),
        ({"positive": ["normal", "pneumonia"]}, "and not all"),
        ({"threshold": 1.5}, "has threshold 1.5"),
        ({"input_range": [255, 0]}, "has input_range"),
        ({"input_range": 255}, "has input_range 255"),
        ({"classes": None}, "names 1 classes"),
        ({"positive": 1}, "counts 1 as yes"),
        ({"colour": "blue"}, "may hold classes, input_range"),
    ],
)
def test_notes_that_cannot_be_followed(notes: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=sentence):
        own_classifier(saved(tmp_path, **notes))


def test_notes_that_are_no_json(tmp_path: Path) -> None:
    path = saved(tmp_path)
    path.with_suffix(".json").write_text("{", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"mine\.json cannot be read as JSON"):
        own_classifier(path)


def test_files_that_are_no_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"There is no file absent\.keras"):
        own_classifier(tmp_path / "absent.keras")
    (tmp_path / "text.keras").write_text("hello")
    with pytest.raises(CheckpointError, match=r"text\.keras cannot be loaded as a Keras model"):
        own_classifier(tmp_path / "text.keras")


def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    film_in = keras.Input((32, 32, 1))
    x = keras.layers.Conv2D(2, 3)(keras.layers.Lambda(lambda x: x * 2)(film_in))
    model = keras.Model(film_in, keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(x)))
    model.save(tmp_path / "lambda.keras")
    with pytest.raises(CheckpointError, match="without Lambda"):
        own_classifier(tmp_path / "lambda.keras")


@pytest.mark.parametrize("shape", [(32, 32, 2), (None, None, 1), (20,)])
def test_inputs_that_are_no_image_of_a_fixed_size(shape: tuple[int | None, ...], tmp_path: Path) -> None:
    film_in = keras.Input(shape)
    x = keras.layers.GlobalAveragePooling2D()(film_in) if len(shape) == 3 else film_in
    keras.Model(film_in, keras.layers.Dense(2, activation="softmax")(x)).save(tmp_path / "odd.keras")
    with pytest.raises(CheckpointError, match="takes one image of a fixed size"):
        own_classifier(tmp_path / "odd.keras")
