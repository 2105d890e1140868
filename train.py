"""Build and fine-tune the classifier by transfer learning.

A first try, about a minute, on films it makes itself:

    python train.py --smoke

The real thing, on Kermany's folder of train/ val/ test/ with NORMAL/ and PNEUMONIA/ in each:

    python train.py --dataset chest_xray --data-dir DIR

Go on after an interruption, a crash or a power cut:

    python train.py --resume runs/2026-11-22-chest_xray

Train a finished run for longer:

    python train.py --resume runs/2026-11-22-chest_xray --more 224:1

Go on from a checkpoint or a run, with the data, split and seed it was trained with:

    python train.py --data-dir DIR --split patient --seed 1 --start model/pretrained --stages 224:1 --rate 2e-5

Let one network learn what two answer together:

    python train.py --data-dir DIR --split patient --seed 1 --teachers model/pretrained runs/NAME

Take the mean of the weights of networks that grew from one:

    python train.py --mean runs/ONE runs/TWO runs/THREE --run runs/MEAN

Train its head anew and leave its base as it is:

    python train.py --data-dir DIR --split patient --seed 1 --start model/pretrained --stages none
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from model.augment import PRESETS
from model.datasets import REGISTRY
from model.errors import DatasetError, PneumoscopeError
from model.planning import start_run, train_more
from model.runs import BEST, Run
from model.settings import TrainingConfig
from model.smoke import SMOKE_SETTINGS, write_smoke_films
from model.soups import mean_run
from model.training import train

_DATA_OPTIONS = {name: option for kind in REGISTRY.values() for name, option in kind.options.items()}
_MODES = ("resume", "mean", "smoke")
_MORE = ("more", "more_rate", "more_augmentation")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 done, 1 an error, 130 stopped by Ctrl-C."""
    parser = _parser()
    options = parser.parse_args(arguments)
    _refuse_what_would_be_ignored(parser, options)
    stop = _CtrlC()
    try:
        if options.resume:
            run = Run(options.resume)
            if options.more:
                train_more(run, options.more, rate=options.more_rate, augmentation=options.more_augmentation)
        elif options.smoke:
            return _smoke(stop)
        elif options.mean:
            run = mean_run(options.run or _new_folder("mean"), options.mean)
            print(f"the mean of {len(options.mean)} networks is in {run.folder}")
            return 0
        else:
            run = start_run(options.run or _new_folder(options.dataset), _config(options))
            for note in run.config["data"]["notes"]:
                print(f"note: {note}", flush=True)
        return _train(run, stop)
    except PneumoscopeError as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("train.py: ended at once; the last saved state is whole, go on with --resume", file=sys.stderr)
        return 130


def _train(run: Run, stop: _CtrlC) -> int:
    print(f"run folder: {run.folder}", flush=True)
    kept = run.config.get("keep", "best")
    if train(run, stop=stop):
        print(f"done; the {kept} weights are in {run.folder / BEST}")
        return 0
    trained = f"the {kept} weights so far are saved" if (run.folder / BEST).exists() else "nothing was trained yet"
    print(f"stopped; {trained}, go on with: python train.py --resume {run.folder}")
    return 130


def _smoke(stop: _CtrlC) -> int:
    print("a smoke run; its films and its folder are removed at the end", flush=True)
    with tempfile.TemporaryDirectory(prefix="pneumoscope-smoke-") as place:
        films = Path(place) / "films"
        write_smoke_films(films)
        config = TrainingConfig(dataset="chest_xray", data_dir=str(films), **SMOKE_SETTINGS)
        return _train(start_run(Path(place) / "run", config), stop)


class _CtrlC:
    """Remember the first Ctrl-C so that training can end cleanly; a second one ends at once."""

    def __init__(self) -> None:
        self.pressed = False
        signal.signal(signal.SIGINT, self._press)
        signal.signal(signal.SIGTERM, self._press)

    def _press(self, number: int, frame: FrameType | None) -> None:
        self.pressed = True
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        # Not print: a signal may arrive while the progress bar is writing to the same buffer.
        os.write(2, b"\nstopping after this step and saving; press Ctrl-C again to end at once\n")

    def __call__(self) -> bool:
        return self.pressed


def _refuse_what_would_be_ignored(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    mode = next((f"--{name}" for name in _MODES if getattr(options, name)), None)
    given = [name for name, value in vars(options).items() if value != parser.get_default(name)]
    used = {*_MODES, *(_MORE if options.resume and options.more else ()), *(["run"] if mode == "--mean" else [])}
    ignored = [f"--{name.replace('_', '-')}" for name in given if name not in used]
    if options.more and not options.resume:
        parser.error("--more goes with --resume; give a new run all its --stages at once")
    if sum(bool(getattr(options, name)) for name in _MODES) > 1:
        parser.error("give one of --resume, --mean and --smoke")
    if mode and ignored:
        parser.error(f"{mode} brings its own settings; leave out {', '.join(ignored)}")


def _new_folder(dataset: str) -> Path:
    return Path("runs") / f"{datetime.now(UTC).astimezone():%Y-%m-%d-%H%M%S}-{dataset}"


def _stages(text: str) -> tuple[tuple[int, float], ...]:
    if text in ("", "none"):
        return ()
    try:
        pairs = [part.split(":") for part in text.split(",")]
        return tuple((int(size), float(epochs)) for size, epochs in pairs)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 112:3,224:0.5 (pixels:epochs, ...)") from error


def _as_given(stages: tuple[tuple[int, float], ...]) -> str:
    return ",".join(f"{size}:{epochs:g}" for size, epochs in stages)


def _config(options: argparse.Namespace) -> TrainingConfig:
    values = {
        f.name: getattr(options, f.name)
        for f in fields(TrainingConfig)
        if f.name not in ("more", "options", "without")
    }
    values["options"] = {name: getattr(options, name) for name in _DATA_OPTIONS if getattr(options, name) is not None}
    if options.without:
        values["without"] = _names_in(options.without)
    values["data_dir"] = str(options.data_dir.expanduser().resolve())
    if options.cache:
        values["cache"] = str(Path(options.cache).expanduser().resolve())
    if options.start:
        values["start"] = str(Path(options.start).expanduser().resolve())
    values["teachers"] = tuple(str(folder.expanduser().resolve()) for folder in options.teachers)
    return TrainingConfig(**values)


def _told(about: str, default: object) -> str:
    return about if default == "" else f"{about} (default: {default})"


def _names_in(file: Path) -> tuple[str, ...]:
    try:
        return tuple(line for line in file.read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"The list of films to leave out, {file}, cannot be read ({error}).") from error


def _parser() -> argparse.ArgumentParser:
    defaults = {f.name: f.default for f in fields(TrainingConfig)}
    parser = argparse.ArgumentParser(
        prog="train.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )

    def add(flag: str, about: str, **extra: object) -> None:
        name = flag.removeprefix("--").replace("-", "_")
        default = defaults[name]
        extra.setdefault("type", type(default))
        shown = _as_given(default) if isinstance(default, tuple) else default
        parser.add_argument(flag, default=default, help=_told(about, shown), **extra)  # type: ignore[arg-type]

    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with this run folder")
    parser.add_argument("--more", type=_stages, metavar="STAGES", help="with --resume of a finished run: add stages")
    parser.add_argument(
        "--more-rate",
        type=float,
        metavar="RATE",
        help="with --more: their peak learning rate (default: half of --rate)",
    )
    parser.add_argument(
        "--more-augmentation",
        choices=sorted(PRESETS),
        help="with --more: how far their films are changed (default: as before)",
    )
    parser.add_argument(
        "--mean",
        type=Path,
        nargs="+",
        default=(),
        metavar="FOLDER",
        help="no training: a run whose weights are the mean of those of these checkpoints and runs, the last a run",
    )
    parser.add_argument("--smoke", action="store_true", help="the whole thing, tiny, on synthetic films")
    parser.add_argument("--run", type=Path, metavar="DIR", help="the new run's folder (default: runs/DATE-NAME)")
    kinds = "; ".join(f"{kind.name}: {kind.about}" for kind in REGISTRY.values())
    parser.add_argument("--dataset", choices=list(REGISTRY), default="chest_xray", help=f"which data set ({kinds})")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), metavar="DIR", help="where it is")
    add(
        "--split",
        "keep the source's own splits, or divide anew by patient, or hold out a look",
        choices=["official", "patient", "look"],
    )
    for name, option in _DATA_OPTIONS.items():
        takers = ", ".join(kind.name for kind in REGISTRY.values() if name in kind.options)
        parser.add_argument(
            f"--{name}", choices=option.choices or None, help=_told(f"{takers}: {option.about}", option.default)
        )
    parser.add_argument(
        "--without",
        type=Path,
        metavar="LIST",
        help="leave these films out, see python -m model.datasets inspect --drop",
    )
    add("--cache", "where decoded films are kept; without it, in memory up to 10,000 films", metavar="DIR")
    add("--val-fraction", "share of films for a validation split made here")
    add("--test-fraction", "share of films for a test split made here")
    add("--limit", "use at most this many films of each split, 0 for all")
    add("--seed", "fixes everything random")
    add("--weights", "'imagenet', 'random', or a weight file", metavar="SOURCE")
    add(
        "--start",
        "a checkpoint or run to go on from: with its own head in phase 2; with another --head or --width, or with "
        "--stages none, in phase 1, where a head is trained anew on its base",
        metavar="FOLDER",
    )
    parser.add_argument(
        "--teachers",
        type=Path,
        nargs="+",
        default=(),
        metavar="FOLDER",
        help="phase 2: checkpoints or runs whose mean answer to each film is learned besides its label",
    )
    add("--teaching", "the share of the teachers' answer in what is learned")
    add("--head", "what follows block 5", choices=["average", "flatten"])
    add("--width", "units of the hidden dense layer")
    add("--dropout", "share of hidden units dropped")
    add("--base-width", "channel multiplier, below 1 only with random weights")
    add("--augmentation", "how far training films are changed", choices=sorted(PRESETS))
    add("--vertical-flip", "probability of an upside-down film")
    add("--balance", "how unequal classes are handled", choices=["none", "weights", "sampling", "look"])
    add("--copies", "phase 1: augmented copies per film")
    add("--head-epochs", "phase 1: longest duration")
    add("--head-batch", "phase 1: films per step")
    add("--head-rate", "phase 1: peak learning rate")
    add("--stages", "phase 2: pixels:epochs, ...; 'none' for phase 1 only", type=_stages)
    add("--batch", "phase 2: films per step")
    add("--rate", "phase 2: peak learning rate")
    add("--head-pace", "phase 2: how many times as fast as the convolutions the head learns")
    add(
        "--precision",
        "what the convolutions multiply while training; bfloat16 is several times as fast on processors made for it "
        "(AMX, AVX-512 BF16) and no faster on others",
        choices=["float32", "bfloat16"],
    )
    add("--weight-decay", "decoupled weight decay")
    add("--smoothing", "label smoothing")
    add("--averaging", "decay of the moving average of the weights, 0 for none")
    add("--patience", "epochs without a lower validation loss before a phase ends")
    add("--keep", "phase 2: the weights of the lowest validation loss, or the last ones", choices=["best", "last"])
    add("--save-minutes", "longest time between two saved states")
    return parser


if __name__ == "__main__":
    sys.exit(main())
