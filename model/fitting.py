"""One loop for both phases: steps, epochs, the average of the weights, resuming, stopping.

The loop knows nothing of films. A phase tells it how to make the batch of a step and how to validate; everything
random in a step is fixed by (seed, phase, epoch, step), so a step repeated after a kill is the same step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from model.devices import shares
from model.errors import RunError
from model.pipeline import Batch, batches
from model.runs import Run

Arrays = dict[str, NDArray[Any]]

Kept = Literal["best", "last"]

LOOKS_LOSS = "val_looks_loss"
_LARGEST_NORM = 1.0


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One epoch of a phase: its number from 1, its steps, and the side of its films in pixels."""

    number: int
    steps: int
    size: int


@dataclass(frozen=True, kw_only=True)
class Phase:
    """What the loop needs to know about a phase.

    Attributes
    ----------
    number : int
        1 (base frozen), 2 (all layers), or more (all layers again, after stages were added).
    epochs : tuple of Epoch
        The plan.
    network : keras.Model
        Gives logits (batch, 2); all its trainable weights are trained.
    batch : callable
        (epoch, step from 0) -> inputs, labels (b,), loss weights (b,).
    validate : callable
        epoch -> "val_loss", "val_accuracy", "val_auroc" of the network as it is now. Where it gives a "val_looks_loss"
        too (the mean loss over `model.stress.LOOKS`), that one decides which weights are best and when to stop.
    learning_rate, weight_decay, warmup, floor : float
        Peak rate; decoupled decay; share of all steps that climb to the peak; share of the peak at the end.
    smoothing : float
        Label smoothing, 0..1.
    averaging : float
        Decay per step of the moving average of the weights; 0 keeps the weights themselves.
    begins_trained : bool
        The weights it begins with are worth keeping: they count in the average in full. Otherwise the average forgets
        them quickly, with a decay of at most (1 + n) / (10 + n) in step n.
    patience : int
        Epochs without a lower validation loss before training leaves a size: for the next one, or for good.
    keep : {"best", "last"}
        The weights that are kept: those of the lowest validation loss, or those after the last epoch, where the rate
        is lowest, whatever the loss. With "last" there is no stopping early.
    paces : mapping of str to float
        Beginning of a weight's path -> how many times as far as the others it goes in each step, decay included
        (discriminative fine-tuning: Howard, Ruder 2018, arXiv:1801.06146). Weights that are not named go as they are.
    teacher : callable, optional
        Inputs -> probabilities (b, 2) that are learned besides the labels.
    teaching : float
        Their share in what is learned, 0..1; the rest is the smoothed label.
    best_loss, best_size : float, int
        The lowest validation loss of earlier phases and the size it was measured at, 0 where they do not count.
    """

    number: int
    epochs: tuple[Epoch, ...]
    network: keras.Model
    batch: Callable[[Epoch, int], Batch]
    validate: Callable[[Epoch], dict[str, float]]
    learning_rate: float
    weight_decay: float
    warmup: float
    floor: float
    smoothing: float
    averaging: float
    patience: int
    keep: Kept = "best"
    begins_trained: bool = False
    paces: Mapping[str, float] = field(default_factory=dict)
    teacher: Callable[[tf.Tensor], tf.Tensor] | None = None
    teaching: float = 0.0
    best_loss: float = float("inf")
    best_size: int = 0


@dataclass(kw_only=True)
class Progress:
    """Where a phase is. Everything in it goes into the saved state."""

    phase: int
    epoch: int = 0
    step: int = 0
    total: int = 0
    loss_sum: float = 0.0
    correct: float = 0.0
    seen: int = 0
    best_loss: float = float("inf")
    best_epoch: int = 0
    best_size: int = 0
    epochs_without_gain: int = 0
    finished: bool = False


def learning_rate_at(step: int, *, total: int, peak: float, warmup: float, floor: float) -> float:
    """Return the rate of a step: a linear climb, then half a cosine down to ``floor * peak``.

    References
    ----------
    Loshchilov, Hutter (2017), "SGDR: Stochastic Gradient Descent with Warm Restarts", arXiv:1608.03983.
    """
    climb = max(1, round(warmup * total))
    if step < climb:
        return peak * (step + 1) / climb
    done = (step - climb) / max(1, total - climb)
    return peak * (floor + (1 - floor) * 0.5 * (1 + float(np.cos(np.pi * done))))


class Fitter:
    """Train one phase of a run, from wherever it stands, on the devices of the strategy whose scope it is made in.

    Parameters
    ----------
    run : Run
        Gets the events, the states and the best weights.
    model : keras.Model
        The whole classifier, whose weights are saved.
    phase : Phase
        What to do.
    seed : int
        Seeds dropout; batches bring their own.
    save_seconds : float
        Save a state at least this often, besides after every epoch.
    stop : callable
        Asked before every step; True ends the phase cleanly.
    """

    def __init__(
        self,
        run: Run,
        model: keras.Model,
        phase: Phase,
        *,
        seed: int,
        save_seconds: float,
        stop: Callable[[], bool],
    ) -> None:
        self.run, self.model, self.phase, self.seed = run, model, phase, seed
        self.save_seconds, self.stop = save_seconds, stop
        self.progress = Progress(phase=phase.number, best_loss=phase.best_loss, best_size=phase.best_size)
        self.strategy = tf.distribute.get_strategy()
        self.trained = list(phase.network.trainable_variables)
        self.hurried = [
            (v, pace)
            for v in self.trained
            for name, pace in phase.paces.items()
            if v.path.startswith(name) and pace != 1
        ]
        self.averages = [
            tf.Variable(v.numpy(), trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
            for v in self.trained
        ]
        self.optimizer = keras.optimizers.AdamW(learning_rate=phase.learning_rate, weight_decay=phase.weight_decay)
        self.optimizer.exclude_from_weight_decay(var_names=["bias"])
        self.optimizer.build(self.trained)
        self._dropout = [
            layer.seed_generator.state
            for layer in model.layers
            if isinstance(layer, keras.layers.Dropout) and layer.rate > 0
        ]
        self._step = tf.function(self._shared_step, reduce_retracing=True)

    def restore(self, arrays: Arrays, meta: Mapping[str, Any]) -> None:
        """Take up a saved state of this phase."""
        self.progress = Progress(**meta["progress"])
        for k, variable in enumerate(self.model.weights):
            variable.assign(arrays[f"weight/{k}"])
        for k, variable in enumerate(self.optimizer.variables):
            variable.assign(arrays[f"optimizer/{k}"])
        for k, average in enumerate(self.averages):
            average.assign(arrays[f"average/{k}"])

    def fit(self) -> bool:
        """Train until the plan is done or `stop` says so; at a size that no longer improves, go on to the next.

        A state is saved before the first step: from then on the best weights may be this phase's.

        Returns
        -------
        bool
            True if the phase is finished, False if it was stopped.

        Raises
        ------
        RunError
            If the loss is no longer a number, or the folder cannot be written.
        """
        total = sum(e.steps for e in self.phase.epochs)
        self._save()
        saved = time.monotonic()
        while self.progress.epoch < len(self.phase.epochs):
            epoch = self.phase.epochs[self.progress.epoch]
            make = partial(self.phase.batch, epoch)
            with self._bar(epoch) as bar:
                for batch in batches(make, first=self.progress.step, end=epoch.steps):
                    if self.stop():
                        self._save()
                        return False
                    loss = self._one_step(batch, epoch, total)
                    bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
                    bar.update()
                    if time.monotonic() - saved > self.save_seconds:
                        self._save()
                        saved = time.monotonic()
            self._end_epoch(epoch)
            self._save()
            saved = time.monotonic()
        self.progress.finished = True
        self._save()
        return True

    def _bar(self, epoch: Epoch) -> tqdm[Any]:
        return tqdm(
            total=epoch.steps,
            initial=self.progress.step,
            desc=f"phase {self.phase.number} epoch {epoch.number}/{len(self.phase.epochs)} at {epoch.size} px",
            unit="step",
            mininterval=0.5,
        )

    def _one_step(self, batch: Batch, epoch: Epoch, total: int) -> float:
        labels = batch[1]
        rate = learning_rate_at(
            self.progress.total,
            total=total,
            peak=self.phase.learning_rate,
            warmup=self.phase.warmup,
            floor=self.phase.floor,
        )
        for state in self._dropout:
            state.assign(np.array([self.seed * 10 + self.phase.number, self.progress.total], dtype=np.uint32))
        self.optimizer.learning_rate.assign(rate)
        early = 1.0 if self.phase.begins_trained else (1 + self.progress.total) / (10 + self.progress.total)
        decay = min(self.phase.averaging, early)
        loss, correct = self._step(
            *self._distributed(batch), tf.constant(len(labels), tf.float32), tf.constant(decay, tf.float32)
        )
        if not np.isfinite(float(loss)):
            raise RunError(
                f"The loss of step {self.progress.total + 1} in phase {self.phase.number} is {float(loss)}: training "
                f"has come apart at a learning rate of {rate:.2g}. Start a run with a lower rate; the best weights so "
                "far are kept."
            )
        self.progress.step += 1
        self.progress.total += 1
        self.progress.loss_sum += float(loss) * len(labels)
        self.progress.correct += float(correct)
        self.progress.seen += len(labels)
        self.run.log(
            "step",
            phase=self.phase.number,
            epoch=epoch.number,
            step=self.progress.total,
            loss=float(loss),
            accuracy=float(correct) / len(labels),
            learning_rate=rate,
        )
        return float(loss)

    def _distributed(self, batch: Batch) -> list[Any]:
        parts = shares(len(batch[1]), self.strategy.num_replicas_in_sync)
        if len(parts) == 1:
            return [tf.constant(values) for values in batch]
        distribute = self.strategy.experimental_distribute_values_from_function
        return [
            distribute(lambda context, values=values: tf.constant(values[parts[context.replica_id_in_sync_group]]))
            for values in batch
        ]

    def _shared_step(
        self, inputs: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, count: tf.Tensor, decay: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        loss, correct = self.strategy.run(self._train_step, args=(inputs, labels, weights, count, decay))
        add = tf.distribute.ReduceOp.SUM
        return self.strategy.reduce(add, loss, axis=None), self.strategy.reduce(add, correct, axis=None)

    def _train_step(
        self, inputs: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, count: tf.Tensor, decay: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        targets = tf.one_hot(labels, 2) * (1 - self.phase.smoothing) + self.phase.smoothing / 2
        if self.phase.teacher is not None:
            targets = self.phase.teaching * self.phase.teacher(inputs) + (1 - self.phase.teaching) * targets
        with tf.GradientTape() as tape:
            logits = self.phase.network(inputs, training=True)
            losses = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
            loss = tf.reduce_sum(losses * weights) / count
        gradients = tape.gradient(loss, [v.value for v in self.trained])
        # The sum over all devices is clipped, as one device would clip its own; the optimizer then sums once more.
        replica = tf.distribute.get_replica_context()
        summed = replica.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        clipped, _ = tf.clip_by_global_norm(summed, _LARGEST_NORM)
        before = [tf.identity(v.value) for v, _ in self.hurried]
        self.optimizer.apply([g / replica.num_replicas_in_sync for g in clipped], self.trained)
        for (variable, pace), was in zip(self.hurried, before, strict=True):
            variable.assign(was + pace * (variable.value - was))
        for average, variable in zip(self.averages, self.trained, strict=True):
            average.assign(variable.value + decay * (average - variable.value))
        return loss, tf.reduce_sum(tf.cast(tf.argmax(logits, 1) == labels, tf.float32))

    def _end_epoch(self, epoch: Epoch) -> None:
        began = time.monotonic()
        own = [np.array(v.numpy()) for v in self.trained]
        for variable, average in zip(self.trained, self.averages, strict=True):
            variable.assign(average)
        scores = self.phase.validate(epoch)
        p = self.progress
        if epoch.size != p.best_size:
            # A loss at one size says nothing against a loss at another, and the last size is the one that serves.
            p.best_loss, p.best_size, p.epochs_without_gain = float("inf"), epoch.size, 0
        loss = scores.get(LOOKS_LOSS, scores["val_loss"])
        gained = loss < p.best_loss or self.phase.keep == "last"
        if gained:
            p.best_loss, p.best_epoch, p.epochs_without_gain = loss, epoch.number, 0
            self.save_best(epoch=epoch.number, scores={"size": epoch.size, **scores})
        else:
            p.epochs_without_gain += 1
        for variable, value in zip(self.trained, own, strict=True):
            variable.assign(value)
        self.run.log(
            "epoch",
            phase=self.phase.number,
            epoch=epoch.number,
            size=epoch.size,
            loss=p.loss_sum / p.seen,
            accuracy=p.correct / p.seen,
            **scores,
            best=gained,
            validation_seconds=round(time.monotonic() - began, 1),
        )
        p.epoch, p.step, p.loss_sum, p.correct, p.seen = p.epoch + 1, 0, 0.0, 0.0, 0
        if p.epochs_without_gain >= self.phase.patience:
            self._leave_size(epoch.size)

    def _leave_size(self, size: int) -> None:
        """Go on to the next size; the learning rate goes on as if the epochs left out had been trained."""
        p = self.progress
        while p.epoch < len(self.phase.epochs) and self.phase.epochs[p.epoch].size == size:
            p.total += self.phase.epochs[p.epoch].steps
            p.epoch += 1

    def save_best(self, *, epoch: int, scores: Mapping[str, float]) -> None:
        """Write the model's present weights as the best of the run."""
        weights = {v.path: np.array(v.numpy()) for v in self.model.weights}
        self.run.save_best(weights, {"phase": self.phase.number, "epoch": epoch, **scores})

    def _save(self) -> None:
        arrays: Arrays = {f"weight/{k}": np.array(v.numpy()) for k, v in enumerate(self.model.weights)}
        arrays |= {f"optimizer/{k}": np.array(v.numpy()) for k, v in enumerate(self.optimizer.variables)}
        arrays |= {f"average/{k}": a.numpy() for k, a in enumerate(self.averages)}
        self.run.save_state(arrays, {"progress": asdict(self.progress)})
