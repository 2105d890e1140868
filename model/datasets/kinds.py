"""What a data set's file tells the command line: its name, one line about it, its options and its function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from model.datasets.base import Dataset
from model.errors import DatasetError


@dataclass(frozen=True, kw_only=True)
class Option:
    """A choice that only one kind of data set offers.

    Attributes
    ----------
    about : str
        One line for ``train.py --help``.
    choices : tuple of str
        What it may be; the first is the default. Empty if any text may be given, the default being none.
    """

    about: str
    choices: tuple[str, ...] = ()

    @property
    def default(self) -> str:
        """What it is when left out."""
        return self.choices[0] if self.choices else ""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of data set.

    Attributes
    ----------
    name : str
        What ``--dataset`` takes.
    about : str
        One line for ``train.py --help``.
    load : callable
        ``load(folder, *, split, val_fraction, test_fraction, seed, **options)`` returns a `Dataset` whose examples
        all have a split. `split` is "official" (the source's own, and by patient where it has none) or "patient".
    options : Mapping from str to Option
        What else `load` takes.
    """

    name: str
    about: str
    load: Callable[..., Dataset]
    options: Mapping[str, Option] = field(default_factory=dict)

    def checked(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return all options, defaults filled in.

        Raises
        ------
        DatasetError
            If one is unknown or has a value that is not offered.
        """
        for name, value in given.items():
            if name not in self.options:
                known = ", ".join(f"--{n}" for n in self.options) or "none"
                raise DatasetError(f"The data set {self.name} has no option --{name}; it has {known}.")
            choices = self.options[name].choices
            if choices and value not in choices:
                raise DatasetError(f"--{name} is {value!r}; choose one of {', '.join(choices)}.")
        return {name: given.get(name, option.default) for name, option in self.options.items()}
