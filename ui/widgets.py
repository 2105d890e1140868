"""Widgets whose value lives elsewhere: drawn from a value, and reporting a choice.

Streamlit keeps a widget's value under its key and forgets it on another page. Here the key is set from the value
before the widget is drawn, so that an address, a component or another widget can change it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

import streamlit as st


def choose(
    label: str,
    options: Sequence[str],
    *,
    value: str,
    key: str,
    on_choice: Callable[[str], None],
    names: Mapping[str, str] | None = None,
    pills: bool = False,
    width: int | None = None,
) -> None:
    """Draw a choice of one of several texts, as a list or, with `pills`, side by side.

    Parameters
    ----------
    label : str
        What is chosen.
    options : sequence of str
        The values.
    value : str
        The one that is chosen now.
    key : str
        Of the widget.
    on_choice : callable
        Called with another value before the page is drawn again.
    names : Mapping, optional
        What the values are called.
    pills : bool
        Show all of them.
    width : int, optional
        In pixels.
    """
    widget = f"choose-{key}"
    _prepare(widget, value)

    def report() -> None:
        chosen = st.session_state[widget]
        if chosen is not None:
            on_choice(chosen)

    def name(option: str) -> str:
        return names.get(option, option) if names is not None else option

    if pills:
        st.segmented_control(
            label, options, format_func=name, key=widget, on_change=report, required=True, width="content", wrap=True
        )
    else:
        st.selectbox(label, options, format_func=name, key=widget, on_change=report, width=width or "stretch")


def choose_step(label: str, options: Sequence[str], *, value: str, key: str, on_choice: Callable[[str], None]) -> None:
    """Draw a slider over texts; see `choose`."""
    widget = f"choose-{key}"
    _prepare(widget, value)
    st.select_slider(label, options, key=widget, on_change=lambda: on_choice(st.session_state[widget]))


def choose_number(label: str, *, value: int, most: int, key: str, on_choice: Callable[[int], None]) -> None:
    """Draw a choice of a number from 1 to `most`; see `choose`."""
    widget = f"choose-{key}"
    _prepare(widget, value)
    st.number_input(
        f"{label} (1 to {most})",
        min_value=1,
        max_value=most,
        step=1,
        key=widget,
        on_change=lambda: on_choice(int(st.session_state[widget])),
        width=150,
    )


def offer(
    label: str, options: Mapping[str, str], *, chosen: str | None, key: str, on_choice: Callable[[str], None]
) -> None:
    """Draw shortcuts to some values of another widget, as buttons.

    They hold no value of their own. Two widgets that held one value between them would answer for each other: what the
    browser still says of the one undoes what was just done to the other.

    Parameters
    ----------
    label : str
        What they are for.
    options : Mapping of str to str
        The values, and what they are called.
    chosen : str or None
        The one that is chosen now.
    key : str
        Of the buttons.
    on_choice : callable
        Called with the value before the page is drawn again.
    """
    st.html(f'<p class="pn-offer">{escape(label)}</p>')
    with st.container(horizontal=True, gap="xsmall", key=f"offer-{key}"):
        for number, (option, name) in enumerate(options.items()):
            st.button(
                name,
                key=f"offer-{key}-{number}",
                on_click=on_choice,
                args=(option,),
                type="primary" if option == chosen else "secondary",
            )


def slide(
    label: str,
    *,
    value: float,
    low: float,
    high: float,
    step: float,
    key: str,
    on_choice: Callable[[float], None],
    format: str | None = None,
    help: str | None = None,
) -> None:
    """Draw a slider over numbers; see `choose`."""
    widget = f"choose-{key}"
    _prepare(widget, value)
    st.slider(
        label,
        min_value=low,
        max_value=high,
        step=step,
        key=widget,
        format=format,
        help=help,
        on_change=lambda: on_choice(float(st.session_state[widget])),
    )


def switch(label: str, *, value: bool, key: str, on_choice: Callable[[bool], None], help: str | None = None) -> bool:
    """Draw a switch and return its value; see `choose`."""
    widget = f"choose-{key}"
    _prepare(widget, value)
    return st.toggle(label, key=widget, on_change=lambda: on_choice(bool(st.session_state[widget])), help=help)


def _prepare(widget: str, value: str | int | float | bool) -> None:
    if st.session_state.get(widget) != value:
        st.session_state[widget] = value
