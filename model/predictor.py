"""One traced pass -> prediction, the maps of all layers, and the heatmaps of all convolutions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from model.checkpoint import load_checkpoint
from model.classifier import Classifier
from model.errors import CheckpointError
from model.explain.cam import CAM_METHODS, Heatmap
from model.fifo import FifoLock
from model.graph import Node, Recording, from_probabilities, logits_of, recording, wiring
from model.images import Radiograph
from model.novelty import LAYERS, Doubt, doubt_about
from model.sight import LayerFacts, Map, Prediction, Side, Sight, deepest, given_to

__all__ = ["Heatmap", "Prediction", "Predictor", "Sight", "Trace"]

_ODD = ("grad-cam", "hires-cam")


@dataclass(frozen=True, eq=False, kw_only=True)
class Trace:
    """The raw numbers of one pass.

    Attributes
    ----------
    logits : ndarray of float32, shape (classes,)
        Before the softmax.
    maps : Mapping of str to ndarray of float32, shape (height, width, channels)
        The output of each convolution and pooling; see also `model.sight.Sight`.
    gradients : Mapping of str to ndarray of float32, shape (height, width, channels)
        Of the log odds of "yes" by the output of each layer; empty unless asked for.
    """

    logits: Map
    maps: Mapping[str, Map]
    gradients: Mapping[str, Map]


class Predictor:
    """The network behind a queue. Build one per process and share it between threads.

    Parameters
    ----------
    classifier : Classifier
        The network and what it needs.

    Raises
    ------
    CheckpointError
        If the network is no image classifier.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier
        self.threshold = classifier.threshold
        self.version = classifier.version
        self.passes = 0
        self._queue = FifoLock()
        one, many = ((size, *classifier.input_shape) for size in (1, None))
        self._logits = _traced(self._run_logits, one)
        self._trace = _traced(self._run_trace, one)
        self._trace_with_gradients = _traced(self._run_gradients, one)
        self._sight = _traced(self._run_sight, one)
        self._scores = _traced(self._run_scores, many)
        self._score_gradients = _traced(self._run_score_gradients, many)
        self._gives_probabilities = False
        self._given: dict[str, str] = {}
        self.nodes = self._look_inside(one)
        self.layers = tuple(
            LayerFacts(name=node.name, kind=node.kind, size=(node.shape[0], node.shape[1]), channels=node.shape[2])
            for node in self.nodes
            if node.kind is not None
        )

    @classmethod
    def shipped(cls) -> Predictor:
        """Load the checkpoint that comes with the project.

        Raises
        ------
        CheckpointError
            If it is missing or damaged.
        """
        return cls(Classifier.of(load_checkpoint()))

    @property
    def queue_length(self) -> int:
        """How many films wait for their turn at this moment."""
        return self._queue.waiting

    @property
    def last_convolution(self) -> str:
        """The name of the convolution that heatmaps are read from by default; see `model.sight.deepest`."""
        return deepest(self.layers).name

    def warm_up(self) -> None:
        """Trace and run the functions a page needs, so that the first film is as fast as the next."""
        nothing = np.zeros((1, *self.classifier.input_shape), dtype=np.float32)
        with self._queue:
            self._logits(tf.constant(nothing))
            self._sight(tf.constant(nothing))

    def prepare(self, film: Radiograph) -> Map:
        """Return the network's input for a film, shape (height, width, channels)."""
        return self.classifier.prepare(film.pixels)

    def given(self, sight: Sight, layer: str) -> Map:
        """Return what a layer was given in a pass that kept its maps, shape (height, width, channels).

        Raises
        ------
        KeyError
            If there is no such layer, or the maps were not kept.
        """
        return sight.maps[self._given[layer]]

    def predict(self, film: Radiograph) -> Prediction:
        """Return the prediction for one film."""
        with self._queue:
            began = time.perf_counter()
            scores, pooled = self._call(self._logits, self.prepare(film)[None])
            doubt = self._doubt(film, pooled)
            return self._prediction(scores.numpy()[0], time.perf_counter() - began, doubt)

    def explain(self, film: Radiograph, *, keep_maps: bool = True) -> Sight:
        """Return everything one pass tells about one film.

        Parameters
        ----------
        film : Radiograph
            The film.
        keep_maps : bool
            Keep the raw maps of all layers (60 MB for VGG16), or only answer and heatmaps (4 MB).
        """
        with self._queue:
            began = time.perf_counter()
            return self._see(self.prepare(film), began, keep_maps=keep_maps, film=film)

    def explain_changed(self, grid: Map, changes: Sequence[tuple[Any, NDArray[np.float32]]]) -> Sight:
        """Return what the network would do with other weights, without its maps; it is put right before anyone else.

        Parameters
        ----------
        grid : ndarray of float32, shape (height, width, channels)
            A prepared input.
        changes : sequence of (variable, ndarray)
            Weights of the network, and what they are for this one pass.
        """
        with self._queue:
            began = time.perf_counter()
            learned = [(variable, np.asarray(variable.numpy())) for variable, _ in changes]
            try:
                for variable, value in changes:
                    variable.assign(value)
                return self._see(grid, began, keep_maps=False)
            finally:
                for variable, value in learned:
                    variable.assign(value)

    def _see(self, grid: Map, began: float, *, keep_maps: bool, film: Radiograph | None = None) -> Sight:
        scores, pooled, maps, pushes, summed = self._call(self._sight, grid[None])
        doubt = None if film is None else self._doubt(film, pooled)
        kept = {name: value.numpy()[0] for name, value in maps.items()} if keep_maps else {}
        # The arrays are made before the clock is read: they are part of the work.
        raw = {key: value.numpy() for key, value in summed.items()}
        return Sight(
            prediction=self._prediction(scores.numpy()[0], time.perf_counter() - began, doubt),
            film=grid,
            layers=self.layers,
            maps=kept,
            pushes={name: value.numpy() for name, value in pushes.items()},
            summed=_both_sides(raw),
        )

    def trace(self, film: Radiograph, *, gradients: bool = False) -> Trace:
        """Return the raw maps of one pass and, when asked for, the gradients at all layers."""
        with self._queue:
            run = self._trace_with_gradients if gradients else self._trace
            scores, maps, slopes = self._call(run, self.prepare(film)[None])
            return Trace(
                logits=scores.numpy()[0],
                maps={name: value.numpy()[0] for name, value in maps.items()},
                gradients={name: value.numpy()[0] for name, value in slopes.items()},
            )

    def scores(self, inputs: NDArray[np.float32]) -> Map:
        """Return the log odds of "yes" for prepared inputs.

        Parameters
        ----------
        inputs : ndarray of float32, shape (batch, height, width, channels)
            As `prepare` makes them. Others get their turn between two calls, so keep batches short.

        Returns
        -------
        ndarray of float32, shape (batch,)
            Log odds, natural logarithm.
        """
        with self._queue:
            return np.asarray(self._call(self._scores, inputs).numpy(), dtype=np.float32)

    def score_gradients(self, inputs: NDArray[np.float32]) -> tuple[Map, Map]:
        """Return the log odds of "yes" for prepared inputs, shape (batch,), and their gradient by the inputs."""
        with self._queue:
            scores, slopes = self._call(self._score_gradients, inputs)
            return scores.numpy(), slopes.numpy()

    def _call(self, function: Callable[[Any], Any], inputs: NDArray[np.float32]) -> Any:
        self.passes += 1
        return function(tf.constant(inputs))

    def _run(self, x: Any) -> tuple[Any, Recording]:
        with recording(self.classifier.model) as record:
            output = self.classifier.model(x, training=False)
            answer = logits_of(record, output)
            logits = tf.cast(answer.logits, tf.float32)
        return from_probabilities(logits) if self._gives_probabilities else logits, record

    def _run_logits(self, x: Any) -> tuple[Any, Any]:
        logits, record = self._run(x)
        return logits, self._pooled({step.name: step.output for step in record.maps()})

    def _run_scores(self, x: Any) -> Any:
        return self._log_odds(self._run(x)[0])

    def _run_trace(self, x: Any) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        logits, record = self._run(x)
        return logits, _outputs(record), {}

    def _run_gradients(self, x: Any) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            logits, record = self._run(x)
            score = self._log_odds(logits)
        steps = record.maps()
        slopes = tape.gradient(
            score, [step.output for step in steps], unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        gradients = {step.name: tf.cast(g, tf.float32) for step, g in zip(steps, slopes, strict=True)}
        return logits, _outputs(record), gradients

    def _run_sight(self, x: Any) -> tuple[Any, Any, dict[str, Any], dict[str, Any], dict[tuple[str, str, str], Any]]:
        logits, maps, gradients = self._run_gradients(x)
        pushes, summed = {}, {}
        for layer in self.layers:
            name = layer.name
            features, slope = maps[name][0], gradients[name][0]
            pushes[name] = tf.reduce_sum(features * slope, axis=(0, 1))
            for key, method in CAM_METHODS.items() if layer.kind == "convolution" else ():
                summed[key, name, "yes"] = method.summed(features, slope)
                if key not in _ODD:
                    summed[key, name, "no"] = method.summed(features, -slope)
        return logits, self._pooled(maps), maps, pushes, summed

    def _pooled(self, maps: Mapping[str, Any]) -> Any:
        """Return what `model.novelty` reads of a pass, shape (batch, features); empty where nothing can be read."""
        if self.classifier.novelty is None:
            return tf.zeros((1, 0))
        return tf.concat([tf.reduce_mean(tf.cast(maps[name], tf.float32), axis=(1, 2)) for name in LAYERS], axis=1)

    def _doubt(self, film: Radiograph, pooled: Any) -> Doubt | None:
        return doubt_about(film, self.classifier.novelty, pooled.numpy()[0])

    def _run_score_gradients(self, x: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = self._run_scores(x)
        return score, tape.gradient(score, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def _log_odds(self, logits: Any) -> Any:
        """Of "yes". A softmax does not change when all logits rise, so no logit alone is evidence."""
        yes = list(self.classifier.positive)
        no = [k for k in range(len(self.classifier.classes)) if k not in yes]
        return tf.reduce_logsumexp(tf.gather(logits, yes, axis=1), axis=1) - tf.reduce_logsumexp(
            tf.gather(logits, no, axis=1), axis=1
        )

    def _look_inside(self, shape: tuple[int | None, ...]) -> tuple[Node, ...]:
        found: list[tuple[Node, ...]] = []
        certain: list[bool] = []

        def look(x: Any) -> Any:
            with recording(self.classifier.model) as record:
                output = self.classifier.model(x, training=False)
                answer = logits_of(record, output)
            found.append(wiring(record, x))
            certain.append(answer.certain)
            self._given = _given(record)
            return tf.cast(answer.logits, tf.float32)

        function = _traced(look, shape).get_concrete_function()
        names = self.classifier.classes
        units = function.structured_outputs.shape[-1]
        if units != len(names):
            raise CheckpointError(
                f"The network tells {units} classes apart, {len(names)} names were given ({', '.join(names)})."
            )
        if not any(node.kind == "convolution" for node in found[0]):
            raise CheckpointError("The network has no convolution, so there is nothing to look into.")
        if not certain[0]:
            self._gives_probabilities = _look_like_probabilities(function, self.classifier)
        return found[0]

    def _prediction(self, logits: Map, seconds: float, doubt: Doubt | None = None) -> Prediction:
        wide = logits.astype(np.float64)
        yes = list(self.classifier.positive)
        no = [k for k in range(len(wide)) if k not in yes]
        probability = float(1 / (1 + np.exp(np.logaddexp.reduce(wide[no]) - np.logaddexp.reduce(wide[yes]))))
        return Prediction(
            probability=probability,
            logits=tuple(float(value) for value in logits),
            threshold=self.threshold,
            verdict=self.classifier.sides[probability >= self.threshold],
            seconds=seconds,
            sides=self.classifier.sides,
            doubt=doubt,
        )


def _traced(function: Callable[[Any], Any], shape: tuple[int | None, ...]) -> Any:
    return tf.function(function, input_signature=[tf.TensorSpec(shape, tf.float32)], autograph=False)


def _outputs(record: Recording) -> dict[str, Any]:
    """Return the maps of all layers, and under `given_to` what layers are given that is no layer's map."""
    steps = record.maps()
    found = {step.name: step.output for step in steps}
    given = _given(record)
    found.update({given[step.name]: step.inputs[0] for step in steps if given[step.name] not in found})
    return {name: tf.cast(tensor, tf.float32) for name, tensor in found.items()}


def _given(record: Recording) -> dict[str, str]:
    """Return for each layer under which name what it is given stands among the maps."""
    known = {id(step.output): step.name for step in record.maps()}
    return {step.name: known.get(id(step.inputs[0]), given_to(step.name)) for step in record.maps()}


def _look_like_probabilities(function: Any, classifier: Classifier) -> bool:
    """Whether what a network says of noise could be shares of one: in 0..1, and adding up to it."""
    noise = np.random.default_rng(0).random((8, *classifier.input_shape)).astype(np.float32)
    said = np.concatenate([function(tf.constant(film[None])).numpy() for film in noise])
    inside = bool(((said >= 0) & (said <= 1)).all())
    alone = not said[:, 0].any()
    return inside and (alone or bool(np.allclose(said.sum(axis=1), 1, atol=1e-3)))


def _both_sides(summed: Mapping[tuple[str, str, Side], Map]) -> dict[tuple[str, str, Side], Map]:
    """Add what the odd methods would say for "no": the same map with its sign turned."""
    mirrored: dict[tuple[str, str, Side], Map] = {
        (method, layer, "no"): -value for (method, layer, side), value in summed.items() if method in _ODD
    }
    return {**summed, **mirrored}
