"""How fast films come from their files and from the cache, and what a pass over RSNA's number of them needs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from model.batches import film_batch
from model.datasets import Example
from model.datasets.rsna import CLASSES, IMAGES, LABELS, NEITHER, NORMAL, OPACITY, joined, load
from model.film_cache import FilmCache, StoredGrids
from model.films import Films, read_films
from model.preprocess import INPUT_SIZE, standardize
from tests.app_server import ROOT
from tests.bench.conftest import Record
from tests.bench.films import jpeg_dicom
from tests.bench.report import Measurement
from tests.bench.timing import interleaved

FILES = 40
STORED = 3000
PATIENTS = 27_000
_COUNTS = {OPACITY: 6012, NORMAL: 8851, NEITHER: PATIENTS - 6012 - 8851}


@pytest.fixture(scope="module")
def dicoms(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return 1024 x 1024 JPEG DICOMs that all differ."""
    folder = tmp_path_factory.mktemp("dicoms")
    paths = [folder / f"{k}.dcm" for k in range(FILES)]
    for k, path in enumerate(paths):
        path.write_bytes(jpeg_dicom(k))
    return paths


def _ours(paths: list[Path]) -> np.ndarray:
    films = read_films([Example(path=p, label=0, patient=p.stem, split="train") for p in paths])
    return _inputs(films, np.arange(len(paths)))


def _inputs(films: Films, chosen: np.ndarray) -> np.ndarray:
    return film_batch(films, chosen, size=INPUT_SIZE, hows=[None] * len(chosen), seeds=[()] * len(chosen))


def _plain(paths: list[Path]) -> np.ndarray:
    inputs = []
    for path in paths:
        stored = pydicom.dcmread(path).pixel_array.astype(np.float32)
        gray = (stored - stored.min()) / (stored.max() - stored.min())
        small = Image.fromarray(gray).resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BILINEAR)
        inputs.append(standardize(np.asarray(small))[:, :, None])
    return np.stack(inputs)


def test_from_dicoms_to_network_inputs(dicoms: list[Path], record: Record) -> None:
    np.testing.assert_allclose(_ours(dicoms[:3]), _plain(dicoms[:3]), atol=0.02)
    times = interleaved({"ours": lambda: _ours(dicoms), "plain": lambda: _plain(dicoms)}, rounds=7)
    ours, plain = times["ours"], times["plain"]
    record(
        Measurement(
            bar="decoding",
            what="From 1024 x 1024 JPEG DICOMs to network inputs, four threads",
            figure=FILES / ours.median,
            rule="at least",
            limit=60,
            unit="films/s",
            numbers=f"{FILES} different films in {ours}, median of 7",
        ),
        Measurement(
            bar="plain loop",
            what="The same, against pydicom, Pillow and the same standardization in a plain loop",
            figure=ours.median / plain.median,
            rule="below",
            limit=1.0,
            numbers=f"{ours} against {plain}, median of 7",
        ),
    )


def test_from_the_cache(tmp_path: Path, record: Record) -> None:
    cache = FilmCache(tmp_path)
    rng = np.random.default_rng(0)
    films = rng.integers(0, 256, (STORED, INPUT_SIZE, INPUT_SIZE), dtype=np.uint8)
    numbers = [cache.store(f"{k}", digest=f"{k}", grid=film, facts={}) for k, film in enumerate(films)]
    order = rng.permutation(STORED)
    grids = StoredGrids(cache, np.array(numbers)[order])

    def every() -> int:
        return sum(int(grids[k][0, 0]) for k in range(STORED))

    times = interleaved({"cache": every}, rounds=7)["cache"]
    record(
        Measurement(
            bar="cache",
            what="Films from the cache, in random order, one thread",
            figure=STORED / times.median,
            rule="at least",
            limit=1500,
            unit="films/s",
            numbers=f"{STORED:,} different films in {times}, median of 7",
        )
    )


@pytest.fixture(scope="module")
def rsna_folder(tmp_path_factory: pytest.TempPathFactory, dicoms: list[Path]) -> Path:
    """Return a folder like RSNA's with 27,000 patients, whose films are links to five."""
    root = tmp_path_factory.mktemp("rsna")
    (root / IMAGES).mkdir()
    labels, classes = ["patientId,x,y,width,height,Target"], ["patientId,class"]
    names = [name for name, count in _COUNTS.items() for _ in range(count)]
    for k, name in enumerate(names):
        patient = f"{k:08x}-95e6-4ec2-b15b-2e2c8f3d6c5a"
        sick = name == OPACITY
        for box in range(1 + (sick and k % 2)):
            labels.append(f"{patient},{200.0 + box},300.0,150.0,250.0,1" if sick else f"{patient},,,,,0")
            classes.append(f"{patient},{name}")
        (root / IMAGES / f"{patient}.dcm").symlink_to(dicoms[k % 5])
    (root / LABELS).write_text("\n".join(labels) + "\n")
    (root / CLASSES).write_text("\n".join(classes) + "\n")
    return root


def test_parsing_and_joining_the_tables(rsna_folder: Path, record: Record) -> None:
    assert len(joined(rsna_folder).patients) == PATIENTS
    times = interleaved({"tables": lambda: joined(rsna_folder)}, rounds=5)["tables"]
    record(
        Measurement(
            bar="tables",
            what=f"Tables of RSNA's form with {PATIENTS:,} patients, parsed and joined",
            figure=times.median,
            rule="below",
            limit=1.0,
            unit="s",
            numbers=f"{times}, median of 5",
        )
    )


_PASS = """
import json, resource, sys, time
from pathlib import Path
import numpy as np
from model.datasets.rsna import load
from model.film_cache import FilmCache
from model.films import read_films
dataset = load(Path(sys.argv[1]), negatives="all")
cache = FilmCache(Path(sys.argv[2]))
began = time.perf_counter()
films = read_films(dataset.examples, cache=cache)
read = time.perf_counter()
mean = np.mean([films.gray(k).mean() for k in range(len(films))])
print(json.dumps({
    "films": len(films), "mean": float(mean), "first": read - began, "second": time.perf_counter() - read,
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
}))
"""


def test_memory_of_a_pass_over_all(rsna_folder: Path, tmp_path: Path, record: Record) -> None:
    command = [sys.executable, "-c", _PASS, str(rsna_folder), str(tmp_path / "cache")]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=3600)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["films"] == PATIENTS and found["mean"] > 0.1
    record(
        Measurement(
            bar="pass",
            what=f"Largest memory of a process that reads {PATIENTS:,} films into the cache and then each from it",
            figure=found["peak"] / 1e9,
            rule="below",
            limit=1.5,
            unit="GB",
            numbers=f"links to five films; decoding {found['first']:.0f} s, from the cache {found['second']:.0f} s, "
            f"in all {time.perf_counter() - began:.0f} s",
        )
    )
    assert len(load(rsna_folder).examples) == _COUNTS[OPACITY] + _COUNTS[NORMAL]
