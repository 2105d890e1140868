"""Where a person is inside the network: layer, channel, cell, method. All of it lives in the address.

A value is a string as the address holds it. The address wins when it was changed from outside: by a link, or by the
browser's way back.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

import streamlit as st

KEYS = (
    "layer",
    "channel",
    "cell",
    "order",
    "page",
    "beside",
    "method",
    "side",
    "colors",
    "scale",
    "threshold",
    "films",
    "prevalence",
    "group",
    "measure",
)
_LONGEST = 120
_SHOWN = 40


@dataclass(kw_only=True, eq=False)
class Place:
    """The values, and what is needed to tell a change of the address from one of ours.

    Attributes
    ----------
    values : dict of str to str
        Where the person is.
    written : dict of str to str
        What was last written to the address.
    page : str
        On which page.
    touched : bool
        Whether a value was set since then. Until it is written the browser still sends the address of before.
    """

    values: dict[str, str] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    page: str = ""
    touched: bool = False

    def follow_address(self, page: str) -> None:
        """Take over what the address says if it was changed from outside: by a link, or by the browser's way back.

        An address that comes to another page without a value keeps that value; on the same page it was taken away.
        """
        said = {key: st.query_params[key][:_LONGEST] for key in KEYS if key in st.query_params}
        if said != self.written and not self.touched:
            self.values = said if page == self.page else {**self.values, **said}
        self.page = page
        self.write()

    def get(self, key: str) -> str | None:
        """Return a value, or None."""
        return self.values.get(key)

    def set(self, key: str, value: str | int | None) -> None:
        """Change a value; None removes it. `write` brings it to the address."""
        self.touched = True
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = str(value)

    def write(self) -> None:
        """Bring the address up to date, in one step: each step is one more for the browser's way back."""
        now = st.query_params.to_dict()
        wanted = {**{key: value for key, value in now.items() if key not in KEYS}, **self.values}
        if now != wanted:
            st.query_params.from_dict(wanted)
        self.written = dict(self.values)
        self.touched = False

    def one_of(self, key: str, options: Collection[str]) -> tuple[str | None, str]:
        """Return a value if it is one of several, or None and the sentence that says so; a wrong one is removed."""
        value = self.values.get(key)
        if value is None or value in options:
            return value, ""
        self.set(key, None)
        shown = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
        return None, f"The address asks for the {key} “{shown}”; there are {', '.join(options)}."

    def number(self, key: str, *, below: int) -> int | None:
        """Return a value as a number in 0..below - 1, or None if it is not one."""
        value = self.values.get(key)
        if value is None or not value.isascii() or not value.isdigit() or int(value) >= below:
            return None
        return int(value)

    def decimal(self, key: str, *, low: float, high: float) -> float | None:
        """Return a value as a number in low..high, or None if it is not one; a wrong one is removed."""
        value = self.values.get(key)
        try:
            found = float(value) if value is not None else math.nan
        except ValueError:
            found = math.nan
        if low <= found <= high:
            return found
        if value is not None:
            self.set(key, None)
        return None

    def cell(self, size: tuple[int, int]) -> tuple[int, int] | None:
        """Return the pinned cell, written ``row.column``, or None if there is none or it lies outside."""
        parts = (self.values.get("cell") or "").split(".")
        if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
            return None
        row, column = int(parts[0]), int(parts[1])
        return (row, column) if row < size[0] and column < size[1] else None
