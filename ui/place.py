"""Where a person is inside the network: layer, channel, cell, method. All of it lives in the address.

A value is a string as the address holds it. The address wins when it was changed from outside: by a link, or by the
browser's way back.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

KEYS = ("layer", "channel", "cell", "order", "page", "beside", "method", "side", "colors", "scale")
_LONGEST = 120


@dataclass(kw_only=True, eq=False)
class Place:
    """The values, and those that were last written to the address."""

    values: dict[str, str] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)

    def follow_address(self) -> None:
        """Take over what the address says, and put back what a page change took from it."""
        for key in KEYS:
            said = st.query_params.get(key)
            if said is not None and said != self.written.get(key):
                self.values[key] = said[:_LONGEST]
        self.write()

    def get(self, key: str) -> str | None:
        """Return a value, or None."""
        return self.values.get(key)

    def set(self, key: str, value: str | int | None) -> None:
        """Change a value; None removes it. `write` brings it to the address."""
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = str(value)

    def write(self) -> None:
        """Bring the address up to date."""
        for key in KEYS:
            value = self.values.get(key)
            if value is None:
                if key in st.query_params:
                    del st.query_params[key]
            elif st.query_params.get(key) != value:
                st.query_params[key] = value
        self.written = dict(self.values)

    def number(self, key: str, *, below: int) -> int | None:
        """Return a value as a number in 0..below - 1, or None if it is not one."""
        value = self.values.get(key)
        if value is None or not value.isascii() or not value.isdigit() or int(value) >= below:
            return None
        return int(value)

    def cell(self, size: tuple[int, int]) -> tuple[int, int] | None:
        """Return the pinned cell, written ``row.column``, or None if there is none or it lies outside."""
        parts = (self.values.get("cell") or "").split(".")
        if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
            return None
        row, column = int(parts[0]), int(parts[1])
        return (row, column) if row < size[0] and column < size[1] else None
