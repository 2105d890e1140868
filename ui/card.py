"""The model card as a page: whatever the card's JSON holds, in an order a reader can follow."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

CARD = Path(__file__).parent.parent / "model" / "pretrained" / "card.json"

_ACRONYMS = {
    "auroc": "AUROC",
    "auc": "AUROC",
    "mcc": "Matthews correlation",
    "ece": "Calibration error (ECE)",
    "brier": "Brier score",
    "ci": "CI",
    "sha256": "SHA-256",
    "vgg16": "VGG16",
    "url": "URL",
}
_SHORT = 24
_ERRORS = ("brier", "ece")
_RANGES = (("low", "high"), ("lower", "upper"), ("lo", "hi"))
_PAIRS = ("interval", "ci", "ci95", "ci_95", "interval_95", "confidence_interval")
_VALUES = ("value", "estimate", "mean", "point")


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its confidence interval."""

    value: float
    low: float
    high: float


def read_card(path: Path = CARD) -> dict[str, Any] | None:
    """Return the model card, or None where there is none or it is no JSON object."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return card if isinstance(card, dict) else None


def section_html(content: Any) -> str:
    """Return any part of a card as HTML: facts, estimates, tables, lists or text, all of it escaped."""
    if isinstance(content, Mapping):
        return _mapping_html(content)
    if isinstance(content, Sequence) and not isinstance(content, str):
        return _sequence_html(content)
    return f"<p>{escape(text(content))}</p>"


def estimate(content: Any) -> Estimate | None:
    """Return a number with an interval from the common ways of writing one, or None if it is not one."""
    if not isinstance(content, Mapping):
        return None
    value = next((content[key] for key in _VALUES if _is_number(content.get(key))), None)
    pair: Any = next((content[key] for key in _PAIRS if key in content), None)
    for low, high in _RANGES:
        if low in content and high in content:
            pair = (content[low], content[high])
    if isinstance(pair, Mapping):
        pair = next(((pair[a], pair[b]) for a, b in _RANGES if a in pair and b in pair), None)
    if value is None or not isinstance(pair, Sequence) or len(pair) != 2 or not all(map(_is_number, pair)):
        return None
    return Estimate(value=float(value), low=float(pair[0]), high=float(pair[1]))


def label(key: str) -> str:
    """Turn a JSON key into words: ``"split_sizes"`` is "Split sizes", ``"auroc"`` is "AUROC"."""
    words = [_ACRONYMS.get(word.lower(), word) for word in key.replace("_", " ").split()]
    joined = " ".join(words)
    return joined[:1].upper() + joined[1:]


def text(value: Any) -> str:
    """Write a value of the card for a reader."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "not known"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3f}" if 0.0005 <= abs(value) < 10 else f"{value:.4g}"
    if isinstance(value, Mapping | list):
        found = estimate(value)
        return _with_range(found) if found is not None else json.dumps(value, ensure_ascii=False)
    return str(value)


def _mapping_html(content: Mapping[str, Any]) -> str:
    estimates = {key: found for key, value in content.items() if (found := estimate(value)) is not None}
    tables = {
        key: value for key, value in content.items() if key not in estimates and isinstance(value, Mapping | list)
    }
    plain = {key: value for key, value in content.items() if key not in estimates and key not in tables}
    parts = [_facts_html(plain) if plain else "", estimates_html(estimates) if estimates else ""]
    flat = {key: value for key, value in tables.items() if isinstance(value, Mapping) and _is_flat(value)}
    if len(flat) == len(tables) > 1:
        parts.append(_table_html([{"": label(key), **value} for key, value in flat.items()]))
    else:
        parts += [f"<h4>{escape(label(key))}</h4>{section_html(value)}" for key, value in tables.items()]
    return "".join(parts)


def _sequence_html(content: Sequence[Any]) -> str:
    if content and all(isinstance(item, Mapping) for item in content):
        return _table_html(content)
    items = "".join(f"<li>{escape(text(item))}</li>" for item in content)
    return f'<ul class="pn-list">{items}</ul>'


def _facts_html(facts: Mapping[str, Any]) -> str:
    lines = "".join(
        f"<div><dt>{escape(label(key))}</dt><dd>{_value_html(key, value)}</dd></div>" for key, value in facts.items()
    )
    return f'<dl class="pn-facts pn-wide">{lines}</dl>'


def _value_html(key: str, value: Any) -> str:
    shown = escape(text(value)).replace("\n", "<br>")
    return f"<code>{shown}</code>" if "command" in key or "sha" in key else shown


def estimates_html(estimates: Mapping[str, Estimate], *, start: float | None = None) -> str:
    """Return numbers with their intervals as dots with bars.

    Errors, of which less is better, come last and have a scale of their own.

    Parameters
    ----------
    estimates : Mapping of str to Estimate
        By name.
    start : float, optional
        Where the scale begins; by default close below the lowest interval.
    """
    errors = {key: found for key, found in estimates.items() if key in _ERRORS}
    rest = {key: found for key, found in estimates.items() if key not in _ERRORS}
    if errors and rest:
        highest = max(found.high for found in errors.values())
        return _estimates_on_one_scale(rest) + _estimates_on_one_scale(
            errors, start=0.0, stop=min(1.0, math.ceil(10 * highest) / 10), remark="; less is better"
        )
    return _estimates_on_one_scale(estimates, start=start)


def _estimates_on_one_scale(
    estimates: Mapping[str, Estimate], *, start: float | None = None, stop: float = 1.0, remark: str = ""
) -> str:
    if start is None:
        low = min(found.low for found in estimates.values())
        start = max(0.0, min(0.9, int(10 * low) / 10)) if low >= 0 else low
    lines = "".join(_estimate_html(label(key), found, start, stop) for key, found in estimates.items())
    return (
        f'<div class="pn-estimates">{lines}<p class="pn-fine">Dots are the measured values, bars their 95 % '
        f"confidence intervals, on a scale from {start:g} to {stop:g}{remark}.</p></div>"
    )


def _estimate_html(name: str, found: Estimate, start: float, stop: float) -> str:
    def place(value: float) -> float:
        return 100 * min(max((value - start) / max(stop - start, 1e-9), 0.0), 1.0)

    return (
        f'<div class="pn-estimate"><span class="pn-estimate-name">{escape(name)}</span>'
        f'<span class="pn-whisker"><i style="left:{place(found.low):.2f}%;'
        f'width:{max(place(found.high) - place(found.low), 0.4):.2f}%"></i>'
        f'<b style="left:{place(found.value):.2f}%"></b></span>'
        f'<span class="pn-estimate-value"><strong>{found.value:.3f}</strong> '
        f"<small>{found.low:.3f} to {found.high:.3f}</small></span></div>"
    )


def _table_html(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    head = "".join(f"<th>{escape(label(column))}</th>" for column in columns)
    body = "".join(f"<tr>{_cells_html(row, columns)}</tr>" for row in rows)
    table = f'<table class="pn-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="pn-scroll">{table}</div>'


def _cells_html(row: Mapping[str, Any], columns: Sequence[str]) -> str:
    first, *rest = (text(row[column]) if column in row else "" for column in columns)
    return f"<td>{escape(first)}</td>" + "".join(_cell_html(words) for words in rest)


def _cell_html(words: str) -> str:
    kind = ' class="pn-words"' if len(words) > _SHORT else ""
    return f"<td{kind}>{escape(words)}</td>"


def _is_flat(row: Mapping[str, Any]) -> bool:
    return all(estimate(item) is not None or not isinstance(item, Mapping | list) for item in row.values())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _with_range(found: Estimate) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"
