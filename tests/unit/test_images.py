"""A film is what was in the file, from wherever it was read, and nothing can change it afterwards."""

import copy
import dataclasses
import hashlib
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from model.images import Radiograph, read_radiograph
from tests.unit.films import dicom, ramp, saved


def test_bytes_decide_and_not_the_name(tmp_path: Path) -> None:
    disguised = tmp_path / "film.dcm"
    disguised.write_bytes(saved(ramp(), "PNG"))
    assert read_radiograph(disguised).format == "PNG"


def test_path_text_and_bytes_give_the_same_film(tmp_path: Path) -> None:
    data = saved(ramp(), "PNG")
    path = tmp_path / "film.png"
    path.write_bytes(data)
    for source in (path, str(path), data):
        film = read_radiograph(source)
        assert film.sha256 == hashlib.sha256(data).hexdigest()
        assert_array_equal(film.pixels, read_radiograph(data).pixels)


def test_several_threads_may_read_at_once() -> None:
    files = [saved(ramp(64, 64 + number), "PNG") for number in range(4)] + [dicom(ramp(top=999, dtype="u2"))]
    alone = [read_radiograph(data).pixels for data in files]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(read_radiograph, files * 20))
    for number, film in enumerate(together):
        assert_array_equal(film.pixels, alone[number % len(files)])


def test_a_film_cannot_be_changed() -> None:
    film = read_radiograph(saved(ramp(), "PNG"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        film.format = "JPEG"  # type: ignore[misc]
    with pytest.raises(TypeError):
        film.metadata["Sex"] = "F"  # type: ignore[index]
    with pytest.raises(ValueError, match="read-only"):
        film.pixels[0, 0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        film.pixels.setflags(write=True)
    base: object = film.pixels
    while isinstance(base, np.ndarray):
        assert not base.flags.writeable
        base = base.base
    assert isinstance(base, bytes)


def test_a_film_does_not_follow_what_it_was_made_from() -> None:
    pixels = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    metadata = {"Sex": "F"}
    film = Radiograph(pixels=pixels, original_size=(64, 64), format="PNG", metadata=metadata, sha256="0" * 64)
    pixels[:], metadata["Sex"] = 0, "M"
    assert film.pixels[-1, -1] == 1
    assert film.metadata["Sex"] == "F"


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda film: pickle.loads(pickle.dumps(film))])
def test_copies_and_pickles_are_equal_and_as_frozen(again: Callable[[Radiograph], Radiograph]) -> None:
    film = read_radiograph(saved(np.dstack([ramp()] * 3 + [ramp()[::-1]]), "PNG"))
    twin = again(film)
    assert_array_equal(twin.pixels, film.pixels)
    for name in ("original_size", "format", "metadata", "sha256", "notes"):
        assert getattr(twin, name) == getattr(film, name)
    with pytest.raises(ValueError, match="WRITEABLE"):
        twin.pixels.setflags(write=True)


@pytest.mark.parametrize("wrong", [np.zeros((4, 4)), np.zeros((4, 4, 1), np.float32), np.zeros(4, np.float32)])
def test_a_film_of_another_shape_or_type_is_a_programming_error(wrong: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="float32"):
        Radiograph(pixels=wrong, original_size=(4, 4), format="PNG", sha256="")
