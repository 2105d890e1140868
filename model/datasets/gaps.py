"""Where a source's lists and its films do not fit together: counted, named, and told in the same words everywhere."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from model.datasets.base import Box
from model.datasets.tables import shortened


def gap_notes(
    *,
    missing: Sequence[str] = (),
    listed: int = 0,
    unlabelled: Collection[str] = (),
    clipped: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return one sentence for each kind of gap that there is.

    Parameters
    ----------
    missing : sequence of str
        Labelled films that are not there.
    listed : int
        Labelled films in all.
    unlabelled : collection of str
        Films that are there and have no label.
    clipped : sequence of str
        The film of every box that reached outside it.

    Returns
    -------
    tuple of str
        Empty if everything fits.
    """
    notes = []
    if missing:
        notes.append(f"{len(missing):,} of {listed:,} labelled films are not there: {shortened(missing)}")
    if unlabelled:
        notes.append(f"{len(unlabelled):,} film(s) have no label and are left out: {shortened(sorted(unlabelled))}")
    if clipped:
        notes.append(f"{len(clipped):,} box(es) reach outside their film and were cut: {shortened(clipped)}")
    return tuple(notes)


def clipped_box(box: Box, *, side: float) -> Box | None:
    """Return the part of a box that lies on a square film, None if there is none.

    Parameters
    ----------
    box : Box
        In pixels of the film.
    side : float
        Side of the film in pixels.
    """
    if box.x >= 0 and box.y >= 0 and box.x + box.width <= side and box.y + box.height <= side:
        return box
    left, top = max(box.x, 0.0), max(box.y, 0.0)
    right, bottom = min(box.x + box.width, side), min(box.y + box.height, side)
    if not (right > left and bottom > top):
        return None
    return Box(x=left, y=top, width=right - left, height=bottom - top)
