"""Look into a data set before training on it.

python -m model.datasets inspect rsna --data-dir DIR              counts, sizes, unreadable films, duplicates
python -m model.datasets inspect rsna --data-dir DIR --sheet A.png   and a picture of some films
python -m model.datasets inspect rsna --data-dir DIR --drop LIST  and a list for train.py --without, so that no film
                                                                  is in two splits
python -m model.datasets pack rsna --data-dir DIR --out SHARDS    TFRecord shards, for training elsewhere
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from model.cache import atomic_path
from model.datasets import REGISTRY, Dataset
from model.duplicates import to_leave_out
from model.errors import PneumoscopeError
from model.inspection import contact_sheet, inspect, report, write_sheet
from model.pack import pack


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        kind = REGISTRY[options.name]
        given = {name: getattr(options, name) for name in _options() if getattr(options, name) is not None}
        root = options.data_dir.expanduser().resolve()
        dataset = kind.load(root, split=options.split, seed=options.seed, **kind.checked(given))
        options.run(dataset, root, options)
    except PneumoscopeError as error:
        print(f"model.datasets: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"model.datasets: {error.filename or 'a file'} cannot be written ({error.strerror}).", file=sys.stderr)
        return 1
    return 0


def _inspect(dataset: Dataset, root: Path, options: argparse.Namespace) -> None:
    with _bar(dataset, "reading films") as tick:
        found = inspect(dataset, progress=tick)
    print(report(found, most=options.most))
    if options.sheet:
        title = f"{dataset.name}: {dataset.population}"
        write_sheet(contact_sheet(found.examples, title=title), options.sheet)
        print(f"\ncontact sheet: {options.sheet}")
    if options.drop:
        names = to_leave_out(found.pairs, root)
        with atomic_path(options.drop) as temporary:
            temporary.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
        print(f"\n{len(names):,} film(s) to leave out: train.py --without {options.drop}")


def _pack(dataset: Dataset, root: Path, options: argparse.Namespace) -> None:
    for note in dataset.notes:
        print(f"note: {note}")
    with _bar(dataset, "packing films") as tick:
        index = pack(dataset, options.out, per_shard=options.per_shard, progress=tick)
    count = sum(len(names) for names in index["shards"].values())
    print(f"{count:,} shard(s) and {dataset.name}.json in {options.out}; left out: {len(index['unreadable']):,}")


@contextmanager
def _bar(dataset: Dataset, title: str) -> Iterator[Callable[[int, int], None]]:
    with tqdm(total=len(dataset.examples), desc=title, unit="film", mininterval=0.5) as bar:

        def tick(done: int, total: int) -> None:
            bar.update(done - bar.n)

        yield tick


def _options() -> dict[str, str]:
    return {name: option.about for kind in REGISTRY.values() for name, option in kind.options.items()}


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model.datasets", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("inspect", help="read every film once and say what is there")
    one.add_argument("--most", type=int, default=10, metavar="N", help="names of a kind to list (%(default)s)")
    one.add_argument("--sheet", type=Path, metavar="PNG", help="write a contact sheet")
    one.add_argument("--drop", type=Path, metavar="LIST", help="write the films to leave out, one a line")
    one.set_defaults(run=_inspect)
    other = commands.add_parser("pack", help="write TFRecord shards")
    other.add_argument("--out", type=Path, required=True, metavar="DIR", help="where they go")
    other.add_argument("--per-shard", type=_positive, default=1000, metavar="N", help="films in each (%(default)s)")
    other.set_defaults(run=_pack)
    for command in (one, other):
        command.add_argument("name", choices=list(REGISTRY), help="which data set")
        command.add_argument("--data-dir", type=Path, default=Path("data"), metavar="DIR", help="where it is")
        command.add_argument("--split", choices=["official", "patient"], default="official", help="whose splits")
        command.add_argument("--seed", type=int, default=0, help="seeds a split made here")
        for name, about in _options().items():
            command.add_argument(f"--{name}", help=about)
    return parser


if __name__ == "__main__":
    sys.exit(main())
