"""Classifiers of every build under one roof: what is found, what is computed, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from model.classifier import Classifier
from model.errors import CheckpointError
from model.explain.arithmetic import arithmetic
from model.explain.cam import CAM_METHODS
from model.explain.dissection import dissect
from model.images import Radiograph
from model.predictor import Predictor
from model.sight import given_to
from tests.unit.zoo import ZOO, build


def classifier(model: keras.Model, *, classes: int = 2) -> Classifier:
    shape = tuple(model.input_shape[1:]) if hasattr(model, "input_shape") else (32, 32, 1)

    def prepare(pixels: Any) -> Any:
        return np.repeat(pixels[:, :, None], shape[2], axis=2)

    return Classifier(
        model=model,
        prepare=prepare,
        input_shape=shape,
        classes=tuple("abc"[:classes]),
        positive=(1,),
        threshold=0.5,
        version="x",
    )


def film(seed: int = 0) -> Radiograph:
    pixels = np.random.default_rng(seed).random((32, 32), dtype=np.float32)
    return Radiograph(pixels=pixels, original_size=(32, 32), format="PNG", sha256="0" * 64)


def answer(model: keras.Model, x: np.ndarray, name: str) -> float:
    """What the model itself says for class 1."""
    output = np.asarray(model(x, training=False), dtype=np.float64)[0]
    if name.startswith("one_"):
        return float(1 / (1 + np.exp(-output[0]))) if name == "one_logit" else float(output[0])
    if name == "two_logits":
        return float(np.exp(output[1]) / np.exp(output).sum())
    return float(output[1])


# Keras' own way of writing a variable.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")
@pytest.mark.parametrize("reloaded", [False, True], ids=["built", "reloaded"])
@pytest.mark.parametrize("name", list(ZOO))
def test_any_classifier_is_seen_through(name: str, reloaded: bool, tmp_path: Path) -> None:
    model = build(name)
    if reloaded:
        model.save(tmp_path / "m.keras")
        model = keras.models.load_model(tmp_path / "m.keras")
    predictor = Predictor(classifier(model, classes=3 if name == "three_classes" else 2))
    x = predictor.prepare(film())[None]
    sight = predictor.explain(film())
    loose = 2e-2 if name == "half_precision" else 1e-5
    assert sight.prediction.probability == pytest.approx(answer(model, x, name), abs=loose)
    assert predictor.predict(film()).probability == pytest.approx(sight.prediction.probability, abs=1e-6)
    assert sight.deepest.name == predictor.last_convolution == "last"
    assert sight.layers[0].name.startswith("first")
    trace = predictor.trace(film(), gradients=True)
    for layer in sight.layers:
        assert sight.maps[layer.name].shape == (*layer.size, layer.channels)
        assert trace.gradients[layer.name].shape == sight.maps[layer.name].shape
        np.testing.assert_allclose(trace.maps[layer.name], sight.maps[layer.name], atol=1e-6)
        assert sight.pushes[layer.name].shape == (layer.channels,)
    for method in CAM_METHODS:
        for side in ("yes", "no"):
            assert sight.heatmap(method, "last", side).values.shape == sight.layer("last").size


@pytest.mark.parametrize(
    "name", [name for name in ZOO if name not in ("half_precision", "three_classes", "pooled_after_relu")]
)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    """Nudge the last convolution's bias of a channel: the log odds change by the sum of that channel's gradient."""
    model = build(name)
    predictor = Predictor(classifier(model))
    gradients = predictor.trace(film(), gradients=True)
    convolution = next(node.operation for node in predictor.nodes if node.name == "last")
    x = predictor.prepare(film())[None]
    kernel, bias = [np.asarray(w) for w in convolution.get_weights()]
    for channel in range(3):
        step = np.zeros_like(bias)
        step[channel] = 1e-3
        scores = []
        for sign in (1, -1):
            convolution.set_weights([kernel, bias + sign * step])
            scores.append(float(predictor.scores(x)[0]))
        convolution.set_weights([kernel, bias])
        live = gradients.maps["last"][..., channel] > 0
        if convolution.activation.__name__ == "linear":
            live[:] = True
        expected = float(gradients.gradients["last"][..., channel][live].sum())
        assert (scores[0] - scores[1]) / 2e-3 == pytest.approx(expected, rel=0.05, abs=2e-2)


@pytest.mark.parametrize("name", [name for name in ZOO if name != "half_precision"])
def test_arithmetic_of_any_convolution(name: str) -> None:
    predictor = Predictor(classifier(build(name), classes=3 if name == "three_classes" else 2))
    sight = predictor.explain(film())
    rng = np.random.default_rng(5)
    for node in predictor.nodes:
        if node.kind != "convolution":
            continue
        before = predictor.given(sight, node.name)
        for _ in range(12):
            row, column, channel = (int(rng.integers(n)) for n in node.shape)
            found = arithmetic(node.operation, before, row=row, column=column, channel=channel)
            assert found.value == pytest.approx(float(sight.maps[node.name][row, column, channel]), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("application", ["MobileNetV2", "ResNet50", "DenseNet121"])
def test_networks_of_keras_applications(application: str) -> None:
    """Built without weights, with a classifier on top, as people fine-tune them."""
    keras.utils.set_random_seed(1)
    base = getattr(keras.applications, application)(
        weights=None, include_top=False, input_shape=(64, 64, 3), pooling="avg"
    )
    film_in = keras.Input((64, 64, 3))
    model = keras.Model(film_in, keras.layers.Dense(2, activation="softmax")(base(film_in)))
    predictor = Predictor(classifier(model))
    picture = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    one = Radiograph(pixels=picture, original_size=(64, 64), format="PNG", sha256="0" * 64)
    sight = predictor.explain(one)
    assert sight.prediction.probability == pytest.approx(
        float(np.asarray(model(predictor.prepare(one)[None], training=False))[0, 1]), abs=1e-5
    )
    assert sight.deepest.size > (1, 1)
    rng = np.random.default_rng(1)
    for node in predictor.nodes:
        if node.kind is None:
            continue
        row, column = (int(rng.integers(n)) for n in node.shape[:2])
        found = dissect(predictor, sight, node.name, 0, film=(64, 64))
        assert found.values.shape == node.shape[:2]
        if node.kind == "convolution":
            cell = arithmetic(node.operation, predictor.given(sight, node.name), row=row, column=column, channel=0)
            assert cell.value == pytest.approx(float(found.values[row, column]), rel=1e-3, abs=1e-4)
            assert float(found.before[row, column]) == pytest.approx(cell.pre_activation, rel=1e-3, abs=1e-4)


def test_what_a_convolution_is_given_is_kept_only_where_it_is_no_layers_map() -> None:
    predictor = Predictor(classifier(build("residual")))
    sight = predictor.explain(film())
    assert given_to("first") in sight.maps and given_to("depthwise") in sight.maps
    assert given_to("last") not in sight.maps, "it is the depthwise convolution's map"
    np.testing.assert_array_equal(predictor.given(sight, "last"), sight.maps["depthwise"])


def test_names_that_are_not_unique_get_their_path() -> None:
    film_in = keras.Input((16, 16, 1))
    inner = [keras.Sequential([keras.layers.Conv2D(2, 3, name="conv")], name=name) for name in ("a", "b")]
    x = keras.layers.GlobalAveragePooling2D()(inner[1](inner[0](film_in)))
    model = keras.Model(film_in, keras.layers.Dense(2, activation="softmax")(x))
    predictor = Predictor(classifier(model))
    assert [layer.name for layer in predictor.layers] == ["a/conv", "b/conv"]


def test_a_shared_layer_is_numbered_by_its_calls() -> None:
    predictor = Predictor(classifier(build("shared_layer")))
    assert [layer.name for layer in predictor.layers] == ["first", "first#2", "last"]


def test_the_model_is_left_as_it_was() -> None:
    model = build("nested")
    Predictor(classifier(model)).explain(film())
    leaves = [model.layers[1].layers[1], model.layers[-1]]
    assert all("call" not in vars(layer) for layer in leaves)


def test_saturated_answers_keep_their_gradient() -> None:
    model = build("flat")
    dense = model.layers[-1]
    kernel, bias = dense.get_weights()
    dense.set_weights([kernel * 1000, bias])
    predictor = Predictor(classifier(model))
    x = predictor.prepare(film())[None]
    assert float(np.asarray(model(x)).max()) == 1.0, "softmax is saturated"
    assert np.abs(predictor.trace(film(), gradients=True).gradients["last"]).max() > 0.1


@pytest.mark.parametrize(
    ("tail", "sentence"),
    [
        (lambda x: keras.layers.Dense(2, activation="sigmoid")(keras.layers.Flatten()(x)), "ends in 2 sigmoids"),
        (lambda x: keras.layers.Dense(2, activation="tanh")(keras.layers.Flatten()(x)), "ends in 'tanh'"),
        (keras.layers.Conv2D(2, 1), "answers with shape"),
        (lambda x: keras.layers.Dense(5, activation="softmax")(keras.layers.Flatten()(x)), "5 classes apart, 2 names"),
    ],
)
def test_what_is_no_classifier_is_refused_with_a_sentence(tail: Any, sentence: str) -> None:
    film_in = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(2, 3)(film_in)
    with pytest.raises(CheckpointError, match=sentence):
        Predictor(classifier(keras.Model(film_in, tail(x))))


def test_a_network_without_convolutions_is_refused() -> None:
    film_in = keras.Input((8, 8, 1))
    model = keras.Model(film_in, keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(film_in)))
    with pytest.raises(CheckpointError, match="no convolution"):
        Predictor(classifier(model))


def test_many_classes_become_one_question() -> None:
    model = build("three_classes")
    one = classifier(model, classes=3)
    both = Classifier(**{**vars(one), "positive": (1, 2)})
    assert one.sides == ("a or c", "b")
    x = np.random.default_rng(0).random((1, 32, 32, 1)).astype(np.float32)
    output = np.asarray(model(x))[0]
    found = Predictor(both).explain(film(0))
    assert found.prediction.probability == pytest.approx(
        float(np.asarray(model(Predictor(both).prepare(film(0))[None]))[0, 1:].sum()), abs=1e-6
    )
    score = float(Predictor(both).scores(x)[0])
    assert score == pytest.approx(float(np.log(output[1:].sum() / output[0])), abs=1e-5)


def test_the_traced_function_is_traced_once() -> None:
    predictor = Predictor(classifier(build("flat")))
    for seed in range(3):
        predictor.explain(film(seed))
    assert predictor._sight.experimental_get_tracing_count() == 1
    assert predictor.passes == 3
