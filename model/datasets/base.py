"""What every data set gives: a frozen list of examples, and the record of where they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from model.datasets.loaders import FROM_FILES, Loader

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle on a film, in pixels of the film as stored.

    Attributes
    ----------
    x, y : float
        The upper left corner, from the film's own.
    width, height : float
        Its size.
    """

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Example:
    """One film with its answer.

    Attributes
    ----------
    path : Path
        Where the film is, and what it is called in lists and messages. Inside an archive: the archive's path and
        then the film's path in it.
    label : int
        0 normal, 1 pneumonia.
    patient : str
        The same string for all films of one person; splits never cut through it.
    split : {"train", "val", "test"} or None
        None while the data set leaves the choice to `model.datasets.splits.split_by_patient`.
    boxes : tuple of Box
        Where the source marks the disease; empty where it marks nothing.
    attributes : Mapping
        What else the source says, for subgroups.
    loader : Loader
        How the film is read from its path.
    """

    path: Path
    label: int
    patient: str
    split: Split | None = None
    boxes: tuple[Box, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    loader: Loader = FROM_FILES

    @property
    def name(self) -> str:
        """The film's path from its folder on, short enough for tables."""
        return f"{self.path.parent.name}/{self.path.name}"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Examples and where they come from.

    Attributes
    ----------
    name : str
        The name on the command line.
    source, licence, citation : str
        Provenance, for the card.
    population : str
        Whose films these are, in a few words.
    people : str
        What its patients are called in sentences with numbers, in the plural.
    not_meant_for : tuple of str
        For whom a model trained on them is not meant, for the card.
    examples : tuple of Example
        Sorted by path.
    labelled : Mapping from str to int
        How many patients or films the source's own lists name, by its own classes; empty if it has no lists.
    missing : tuple of str
        What the lists name and no film was found for.
    notes : tuple of str
        Sentences about what was joined, counted or left out on the way.
    left_out : int
        Films that a split had to leave out to keep each patient on one side.
    """

    name: str
    source: str
    licence: str
    citation: str
    population: str
    people: str = "patients"
    not_meant_for: tuple[str, ...] = ()
    examples: tuple[Example, ...]
    labelled: Mapping[str, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: int = 0

    def of(self, split: Split) -> tuple[Example, ...]:
        """Return the examples of one split."""
        return tuple(e for e in self.examples if e.split == split)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return films, patients and films per class of each split."""
        table: dict[str, dict[str, int]] = {}
        for split in SPLITS:
            chosen = self.of(split)
            table[split] = {
                "films": len(chosen),
                "patients": len({e.patient for e in chosen}),
                "normal": sum(e.label == 0 for e in chosen),
                "pneumonia": sum(e.label == 1 for e in chosen),
            }
        return table

    def fingerprint(self) -> str:
        """Return a SHA-256 over names, sizes, labels, patients and splits; it changes when any film does.

        File contents are not read: a film replaced by another of the same name and the same size goes unseen.
        """
        digest = hashlib.sha256()
        for e in self.examples:
            line = f"{e.name} {e.loader.stamp(e.path)} {e.label} {e.patient} {e.split}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def provenance(self) -> dict[str, Any]:
        """Return where the films come from, how many there are and their fingerprint, ready for JSON."""
        return {
            "name": self.name,
            "source": self.source,
            "licence": self.licence,
            "citation": self.citation,
            "population": self.population,
            "people": self.people,
            "counts": self.counts(),
            "labelled": dict(self.labelled),
            "missing": len(self.missing),
            "notes": list(self.notes),
            "left_out": self.left_out,
            "fingerprint": self.fingerprint(),
        }
