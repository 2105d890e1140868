"""The components of our own, made from the files in ``assets``."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_ASSETS = Path(__file__).parent.parent / "assets"


@st.cache_resource(show_spinner=False)
def component(name: str, *helpers: str) -> st.components.v2.types.ComponentRenderer:
    """Register a component once and return what mounts it.

    Parameters
    ----------
    name : str
        Of the files ``name.html``, ``name.css`` and ``name.js``.
    helpers : str
        Further scripts whose functions ``name.js`` uses.
    """
    script = "\n".join(read(f"{part}.js") for part in (*helpers, name))
    return st.components.v2.component(
        f"pneumoscope_{name}", html=read(f"{name}.html"), css=read(f"{name}.css"), js=script
    )


def read(name: str) -> str:
    """Return the text of a file in ``assets``."""
    return (_ASSETS / name).read_text(encoding="utf-8")
