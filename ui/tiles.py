"""A sheet of small pictures to choose from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ui.components import component


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One picture of a sheet.

    Attributes
    ----------
    number : int
        What choosing it reports.
    label, note : str
        Below it, left and right.
    words : str
        The whole of it in words, for those who point at it or cannot see it.
    direction : {"", "up", "down"}
        Colors the note.
    empty : bool
        There is nothing to see; a hatched square stands in its place.
    """

    number: int
    label: str
    words: str
    note: str = ""
    direction: Literal["", "up", "down"] = ""
    empty: bool = False


def show_tiles(
    key: str,
    picture: str,
    tiles: Sequence[Tile],
    *,
    columns: int,
    chosen: int | None,
    label: str,
    empty: str,
    on_choice: Callable[[], None],
    least: int = 78,
) -> None:
    """Draw the sheet.

    Parameters
    ----------
    key : str
        Of the component; ``st.session_state[key].choice`` is the number of the tile that was chosen.
    picture : str
        ``data:`` address of all pictures in rows, as `model.explain.maps.sheet` lays them out.
    tiles : sequence of Tile
        In the order of the sheet.
    columns : int
        Pictures in a row of `picture`.
    chosen : int or None
        Number of the tile that is open.
    label : str
        What the sheet shows.
    empty : str
        What is written on empty tiles.
    on_choice : callable
        Called when a tile is chosen.
    least : int
        Least width of a tile on the page, in pixels.
    """
    data = {
        "sheet": picture,
        "columns": columns,
        "chosen": chosen,
        "label": label,
        "empty": empty,
        "least": least,
        "tiles": [
            {
                "channel": tile.number,
                "label": tile.label,
                "note": tile.note,
                "direction": tile.direction,
                "dead": tile.empty,
                "words": tile.words,
            }
            for tile in tiles
        ],
    }
    component("mosaic")(key=key, data=data, on_choice_change=on_choice)
