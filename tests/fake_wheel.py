"""Small wheels and ONNX models made by hand, so that no test needs the real ones."""

import struct
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def write_wheel(path: Path, members: dict[str, bytes]) -> Path:
    """Write a wheel that pip accepts; its name and version come from the file name."""
    distribution, version = path.name.split("-")[:2]
    info = f"{distribution}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {distribution.replace('_', '-')}\nVersion: {version}\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
        archive.writestr(zipfile.ZipInfo(f"{info}/METADATA"), metadata)
        archive.writestr(
            zipfile.ZipInfo(f"{info}/WHEEL"), "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), "")
    return path


def onnx_chain(layers: list[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> bytes:
    """Encode a chain of padded convolutions as an ONNX model.

    Kernels are given as Keras keeps them, (kh, kw, in, out); ONNX stores (out, in, kh, kw).

    References
    ----------
    onnx.proto3 of the ONNX project for the field numbers, and the protocol buffers encoding guide.
    """
    nodes, initializers = [], []
    for index, (kernel, bias) in enumerate(layers):
        pads = b"".join(_number(8, 1) for _ in range(4))
        attribute = _text(1, "pads") + pads + _number(20, 7)
        nodes.append(
            _text(1, f"x{index}")
            + _text(1, f"w{index}")
            + _text(1, f"b{index}")
            + _text(2, f"x{index + 1}")
            + _text(3, f"conv{index}")
            + _text(4, "Conv")
            + _block(5, attribute)
        )
        initializers += [_tensor(f"w{index}", kernel.transpose(3, 2, 0, 1)), _tensor(f"b{index}", bias)]
    graph = b"".join(_block(1, node) for node in nodes) + _text(2, "graph")
    graph += b"".join(_block(5, tensor) for tensor in initializers)
    graph += _block(11, _value("x0", (1, layers[0][0].shape[2], 8, 8)))
    graph += _block(12, _value(f"x{len(layers)}", (1, layers[-1][0].shape[3], 8, 8)))
    return _number(1, 8) + _block(7, graph) + _block(8, _number(2, 13))


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _block(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, content: str) -> bytes:
    return _block(field, content.encode())


def _tensor(name: str, values: NDArray[np.float32]) -> bytes:
    raw = struct.pack(f"<{values.size}f", *values.ravel())
    return b"".join(_number(1, size) for size in values.shape) + _number(2, 1) + _text(8, name) + _block(9, raw)


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    dimensions = b"".join(_block(1, _number(1, size)) for size in shape)
    return _text(1, name) + _block(2, _block(1, _number(1, 1) + _block(2, dimensions)))
