"""Any Keras image classifier, taken apart while it runs: which operation made which tensor from which.

Recipes that look layers up in ``model.layers`` break on nested, Sequential and subclassed models. Here nothing is
looked up: each innermost operation notes what it was given and what it gave while the model is called once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import keras

from model.errors import CheckpointError

Kind = Literal["convolution", "pooling"]

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
_POOLINGS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)


@dataclass(frozen=True, eq=False, kw_only=True)
class Step:
    """One call of an innermost operation.

    Attributes
    ----------
    name : str
        Of the operation; with the path of the models it lies in where the plain name is not unique, and with a
        number where it was called more than once.
    operation : keras.Operation
        What was called.
    inputs : tuple of tensor
        What it was given.
    output : tensor
        What it gave; the first one where it gave several.
    """

    name: str
    operation: Any
    inputs: tuple[Any, ...]
    output: Any

    @property
    def kind(self) -> Kind | None:
        """What sort of map it makes: None for anything that is not a map of a convolution or a pooling."""
        if len(self.output.shape) != 4:
            return None
        if isinstance(self.operation, _CONVOLUTIONS):
            return "convolution"
        return "pooling" if isinstance(self.operation, _POOLINGS) else None


@dataclass(eq=False)
class Recording:
    """What a model did in one call.

    Attributes
    ----------
    steps : list of Step
        In the order of the calls.
    """

    steps: list[Step] = field(default_factory=list)

    def maps(self) -> list[Step]:
        """Return the convolutions and poolings, in the order of the calls."""
        return [step for step in self.steps if step.kind is not None]

    def maker_of(self, tensor: Any, *, before: Step | None = None) -> Step | None:
        """Return the step that made a tensor, or None: it is the film, or was made outside of any operation.

        Parameters
        ----------
        tensor : tensor
            Of this recording.
        before : Step, optional
            Only steps before this one count. An operation that does nothing at inference, such as dropout, gives the
            tensor it was given.
        """
        end = len(self.steps) if before is None else self.steps.index(before)
        return next((step for step in reversed(self.steps[:end]) if step.output is tensor), None)


@dataclass(frozen=True, eq=False, kw_only=True)
class Node:
    """One step of the network, without its tensors.

    Attributes
    ----------
    name : str
        See `Step`.
    operation : keras.Operation
        What is called.
    sources : tuple of int
        Which nodes made its inputs: their places in the list of nodes, or -1 for the film.
    shape : tuple of int
        Of its output, without the batch.
    kind : {"convolution", "pooling"} or None
        See `Step`.
    """

    name: str
    operation: Any
    sources: tuple[int, ...]
    shape: tuple[int, ...]
    kind: Kind | None


def wiring(record: Recording, film: Any) -> tuple[Node, ...]:
    """Return the steps of a recording, made while a ``tf.function`` was traced, as nodes.

    Raises
    ------
    CheckpointError
        If a tensor was made outside of any operation, as a subclassed model may do.
    """
    made = {film.name: -1}
    nodes: list[Node] = []
    for step in record.steps:
        origins = [_origin(value, made) for value in step.inputs]
        if any(origin.name not in made and _depends_on_film(origin) for origin in origins):
            raise CheckpointError(
                f"The layer {step.name} of this network is given numbers that no layer made, so what it sees cannot "
                "be traced back; build the network from layers alone."
            )
        sources = tuple(made[origin.name] for origin in origins if origin.name in made)
        made[step.output.name] = len(nodes)
        shape = tuple(step.output.shape[1:])
        nodes.append(Node(name=step.name, operation=step.operation, sources=sources, shape=shape, kind=step.kind))
    return tuple(nodes)


def _origin(value: Any, made: Mapping[str, int]) -> Any:
    """Follow a tensor back through casts, which layers of another precision make on their own."""
    while value.name not in made and value.op.type in ("Cast", "Identity") and value.op.inputs:
        value = value.op.inputs[0]
    return value


def _depends_on_film(value: Any) -> bool:
    return value.op.type not in ("Const", "ReadVariableOp", "Placeholder")


@contextmanager
def recording(model: keras.Model) -> Iterator[Recording]:
    """Record every innermost operation that `model` calls inside the block.

    Parameters
    ----------
    model : keras.Model
        Functional, Sequential, nested or subclassed. Not to be called from another thread meanwhile.

    Yields
    ------
    Recording
        Filled as the model runs; eagerly, or while a ``tf.function`` is traced.
    """
    record = Recording()
    leaves = _leaves(model)
    names = _names(leaves)
    patched = []
    try:
        for operation, path in leaves:
            operation.call = _listening(operation.call, operation, names[path], record)
            patched.append(operation)
        yield record
    finally:
        for operation in patched:
            del operation.call


@dataclass(frozen=True, eq=False, kw_only=True)
class Answer:
    """What a classifier computes before its softmax or sigmoid.

    Attributes
    ----------
    logits : tensor, shape (batch, classes)
        Two columns where the model has one output unit: 0, and the logit of the second class.
    certain : bool
        Whether the last operation is one of those that are known: a dense layer, a softmax, a sigmoid. Where it is
        not, `logits` is the output as it is, which may be probabilities.
    """

    logits: Any
    certain: bool


def logits_of(record: Recording, output: Any) -> Answer:
    """Return what a classifier computes before its softmax or sigmoid.

    Operations at the end that change nothing (dropout, identities, linear activations, reshaping) are looked through.

    Parameters
    ----------
    record : Recording
        Of the call that gave `output`.
    output : tensor, shape (batch, classes)
        The model's output: probabilities, or logits already.

    Raises
    ------
    CheckpointError
        If the output is not (batch, classes), the last activation is neither softmax, sigmoid nor none, or several
        sigmoids answer several questions at once.
    """
    if len(output.shape) != 2:
        raise CheckpointError(
            f"The network answers with shape {tuple(output.shape)}; a classifier answers with (batch, classes)."
        )
    answer = _before_activation(record, output)
    if output.shape[-1] == 1:
        zeros = keras.ops.zeros_like(answer.logits)
        return Answer(logits=keras.ops.concatenate([zeros, answer.logits], axis=-1), certain=answer.certain)
    return answer


def from_probabilities(logits: Any) -> Any:
    """Return the logits behind probabilities that stand in `Answer.logits`, shape (batch, classes).

    The logarithm of a probability differs from its logit by a number that is the same for all classes, which no
    softmax can see. Of one output unit the second column is that of its class, the first is zero.
    """
    share = keras.ops.clip(logits, 1e-7, 1.0)
    if logits.shape[-1] != 2:
        return keras.ops.log(share)
    alone = keras.ops.all(keras.ops.equal(logits[:, :1], 0.0))
    rest = keras.ops.where(alone, keras.ops.clip(1.0 - logits[:, 1:], 1e-7, 1.0), share[:, :1])
    return keras.ops.log(keras.ops.concatenate([rest, share[:, 1:]], axis=-1))


def _before_activation(record: Recording, output: Any) -> Answer:
    last = record.maker_of(output)
    while last is not None and _changes_nothing(last):
        inner = record.maker_of(last.inputs[0], before=last)
        if inner is None:
            break
        last = inner
    if last is None:
        return Answer(logits=output, certain=False)
    operation = last.operation
    name = "softmax" if isinstance(operation, keras.layers.Softmax) else _activation_name(operation)
    if name == "linear":
        return Answer(logits=last.output, certain=isinstance(operation, (keras.layers.Dense, keras.layers.Activation)))
    if name not in ("softmax", "sigmoid"):
        raise CheckpointError(f"The network ends in {name!r}; a classifier ends in softmax, sigmoid or plain logits.")
    if name == "sigmoid" and output.shape[-1] > 1:
        raise CheckpointError(
            f"The network ends in {output.shape[-1]} sigmoids, which answer as many questions at once; a classifier "
            "ends in one sigmoid, or in a softmax."
        )
    if not isinstance(operation, keras.layers.Dense):
        return Answer(logits=keras.ops.reshape(last.inputs[0], (-1, output.shape[-1])), certain=True)
    logits = keras.ops.matmul(last.inputs[0], operation.kernel)
    return Answer(logits=logits if operation.bias is None else logits + operation.bias, certain=True)


def _changes_nothing(step: Step) -> bool:
    """Whether an operation gives, at inference, the very numbers it is given."""
    operation = step.operation
    if isinstance(operation, keras.layers.Activation):
        return _activation_name(operation) == "linear"
    nothing = (keras.layers.Dropout, keras.layers.Identity, keras.layers.Reshape, keras.layers.Flatten)
    return isinstance(operation, nothing) or type(operation).__name__.lower() in ("cast", "reshape", "identity")


def _activation_name(operation: Any) -> str:
    activation = getattr(operation, "activation", None)
    if activation is not None:
        return str(getattr(activation, "__name__", activation))
    # A function of keras.ops in a functional graph carries its own name.
    name = type(operation).__name__.lower()
    return name if name in ("softmax", "sigmoid") else "linear"


def _listening(call: Any, operation: Any, name: str, record: Recording) -> Any:
    def listened(*given: Any, **options: Any) -> Any:
        output = call(*given, **options)
        inputs = tuple(value for value in keras.tree.flatten((given, options)) if hasattr(value, "shape"))
        first = keras.tree.flatten(output)[0]
        times = sum(step.operation is operation for step in record.steps)
        numbered = name if not times else f"{name}#{times + 1}"
        record.steps.append(Step(name=numbered, operation=operation, inputs=inputs, output=first))
        return output

    return listened


def _leaves(model: Any, path: str = "") -> list[tuple[Any, str]]:
    """Return the innermost operations with their paths, each operation once."""
    found: dict[int, tuple[Any, str]] = {}
    for operation in _parts(model):
        here = f"{path}{operation.name}"
        inner = _leaves(operation, f"{here}/") if _parts(operation) else [(operation, here)]
        for leaf, where in inner:
            found.setdefault(id(leaf), (leaf, where))
    return list(found.values())


def _parts(operation: Any) -> list[Any]:
    if not isinstance(operation, keras.Model):
        return []
    parts = operation.layers if isinstance(operation, keras.Sequential) else getattr(operation, "operations", None)
    parts = operation.layers if parts is None else parts
    return [part for part in parts if not isinstance(part, keras.layers.InputLayer)]


def _names(leaves: list[tuple[Any, str]]) -> dict[str, str]:
    plain = [leaf.name for leaf, _ in leaves]
    return {path: leaf.name if plain.count(leaf.name) == 1 else path for leaf, path in leaves}
