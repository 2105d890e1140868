"""Which devices train: all GPUs at once where there are several, otherwise the one device that is there."""

from __future__ import annotations

import tensorflow as tf


def training_devices() -> list[str]:
    """Return the names of the devices that share each training step; empty for TensorFlow's own choice of one."""
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    return gpus if len(gpus) > 1 else []


def training_strategy() -> tf.distribute.Strategy:
    """Return how a step is shared: mirrored weights on several devices, or nothing special on one.

    Returns
    -------
    tf.distribute.Strategy
        Its scope is where the network and the optimizer have to be made.
    """
    devices = training_devices()
    return tf.distribute.MirroredStrategy(devices) if devices else tf.distribute.get_strategy()


def shares(count: int, replicas: int) -> list[slice]:
    """Divide a batch evenly among replicas, the first ones getting one more where it does not come out even."""
    sizes = [count // replicas + (k < count % replicas) for k in range(replicas)]
    ends = [sum(sizes[: k + 1]) for k in range(replicas)]
    return [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]
