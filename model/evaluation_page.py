"""A report as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from model.bootstrap import Band, Interval
from model.calibration import Bin
from model.evaluation import Curve, most_wrong_first
from model.evaluation_words import NAMES, PLOTS, Plot
from model.paper import FILMS, on_its_films, reported
from model.plots import as_bytes, calibration_plot, precision_recall_plot, roc_plot, subgroup_plot, with_range
from model.scores import ScoreTable
from model.thresholds import AIMS

_STYLE = Path(__file__).resolve().parent.parent / "assets" / "report.css"
_MOST_WRONG = 15
_NOT_CLINICAL = "For learning only. Not a medical device, not for clinical use."
_CELLS = MappingProxyType(
    {
        "fn": ("Sick, called normal", 1, 0),
        "fp": ("Normal, called sick", 0, 1),
    }
)


def html_page(report: Mapping[str, Any], table: ScoreTable) -> str:
    """Return a report for reading.

    Parameters
    ----------
    report : Mapping
        As `model.evaluate.evaluate` makes it.
    table : ScoreTable
        The films it was made from, for the list of the most wrong ones.
    """
    data, threshold = report["data"], report["threshold"]
    dot = {name: report["numbers"][name]["value"] for name in ("sensitivity", "specificity", "precision")}
    parts = [
        f"<h1>How good is it? {escape(data['name'])}, {escape(data['split'])}</h1>",
        f'<p class="notice">{_NOT_CLINICAL}</p>',
        _first_words(report),
        "<h2>The numbers</h2>",
        _numbers(report),
        f"<p>{escape(report['interval'])}.</p>",
        "<h2>Right and wrong</h2>",
        _confusion(report),
        _figure("confusion", ""),
        "<h2>Every threshold at once</h2>",
        '<div class="two">',
        _figure("roc", _svg_roc(report, dot)),
        _figure("precision_recall", _svg_pr(report, dot)),
        "</div>",
        _aims(report["aims"]),
        "<h2>Are its probabilities kept?</h2>",
        _figure("calibration", _svg(calibration_plot({"this network": _bins(report["calibration"])}))),
        *_subgroups(report["subgroups"]),
        "<h2>The paper beside it</h2>",
        paper_table(
            {name: _interval(report["numbers"][name]) for name in ("accuracy", "sensitivity", "precision")},
            name="This network",
            by_patient=data["trained_on"] == data["used_for_choices"] == 0,
        ),
        _strangers(report["refused"], report["films"]),
        *(_most_wrong(table, threshold, cell) for cell in _CELLS),
    ]
    style = _STYLE.read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Evaluation · Pneumoscope</title><style>{style}</style></head><body>"
        + "\n".join(parts)
        + f"<footer><p>{_NOT_CLINICAL} Network {escape(report['checkpoint']['sha256'][:12])}, data "
        f"{escape(data['fingerprint'][:12])}.</p></footer></body></html>\n"
    )


def warnings(report: Mapping[str, Any]) -> list[str]:
    """Return what must be said before anyone believes a report's numbers, one sentence each."""
    data = report["data"]
    found = []
    if data["trained_on"] is None:
        found.append(
            "Whether the network was trained on films of these people is not known: its card was made with other "
            "films, or another selection of them."
        )
    elif data["trained_on"]:
        found.append(
            f"{data['trained_on']:,} of these films are of people the network was trained on; these numbers say "
            "nothing about new ones."
        )
    if data["used_for_choices"]:
        found.append(
            f"{data['used_for_choices']:,} of these films are of people whose films chose the threshold and the "
            "temperature, so these numbers are a little too good."
        )
    if report["few"]:
        found.append("There are fewer than 30 films of a class, so these numbers say little.")
    return found


def paper_table(ours: Mapping[str, Interval], *, name: str, by_patient: bool) -> str:
    """Return the paper's numbers beside ours, each with its interval, as an HTML table."""
    paper, same_footing = reported(), on_its_films(ours)
    rows = "".join(
        f"<tr><td>{escape(NAMES[name])}</td><td>{with_range(paper.numbers[name])}</td>"
        f"<td>{with_range(ours[name])}</td><td>{with_range(same_footing[name])}</td></tr>"
        for name in ("accuracy", "sensitivity", "precision")
    )
    return (
        f'<div class="scroll"><table><thead><tr><th></th><th>The paper</th><th>{escape(name)}</th><th>The same, '
        "if it stood on as many films</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div><p>{escape(paper_words(by_patient=by_patient))}</p>"
    )


def paper_words(*, by_patient: bool) -> str:
    """Return what must be known before the paper's numbers and others are compared.

    Parameters
    ----------
    by_patient : bool
        Whether the other numbers are known to be of films of people who were not trained on.
    """
    paper = reported()
    theirs = (
        "here the films are those named above, and none is of a patient who was trained on."
        if by_patient
        else "here the films are those of the table, whatever they are."
    )
    return (
        f"The paper's intervals are those that {FILMS} films allow. It does not say how many of them were infected; "
        f"its four numbers fit about {paper.infected}, and about {paper.called} called infected. The questions "
        "differ: "
        "the paper asks whether an adult's film from the RSNA challenge is normal or infected, and does not say "
        f"whether films of one patient were kept on one side; {theirs} Neither number says anything about the other's "
        "patients."
    )


def _first_words(report: Mapping[str, Any]) -> str:
    data = report["data"]
    lines = [
        f"<p>{report['films']:,} films of {report['patients']:,} {escape(data['people'])} "
        f"({report['normal']:,} normal, {report['pneumonia']:,} pneumonia): {escape(data['population'])}. "
        f"Called positive from a score of {report['threshold']:.2f} on, a threshold that validation films of the "
        "network's own data chose.</p>"
    ]
    lines += [f'<p class="notice">{escape(warning)}</p>' for warning in warnings(report)]
    if data["unreadable"]:
        lines.append(f"<p>{data['unreadable']:,} more films could not be read and are not counted.</p>")
    lines += [f"<p>{escape(note[:1].upper() + note[1:])}.</p>" for note in data["notes"]]
    lines += [f"<p>{escape(note)}</p>" for note in report["notes"]]
    return "".join(lines)


def _numbers(report: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(label)}</td><td>{_digits(number['value'])}</td><td>{_span(number)}</td></tr>"
        for name, label in NAMES.items()
        for number in (report["numbers"][name],)
    )
    return f"<table><thead><tr><th></th><th>Value</th><th>95 % interval</th></tr></thead><tbody>{rows}</tbody></table>"


def _confusion(report: Mapping[str, Any]) -> str:
    cells = report["confusion"]
    return (
        '<table class="matrix"><thead><tr><th></th><th>Called normal</th><th>Called pneumonia</th></tr></thead><tbody>'
        f'<tr><th>Truly normal</th><td class="right">{cells["tn"]:,}</td><td class="wrong">{cells["fp"]:,}</td></tr>'
        f'<tr><th>Truly pneumonia</th><td class="wrong">{cells["fn"]:,}</td><td class="right">{cells["tp"]:,}</td>'
        "</tr></tbody></table>"
    )


def _aims(aims: Mapping[str, Any]) -> str:
    if not aims:
        return ""
    rows = "".join(
        f"<tr><td>{escape(AIMS.get(aim, aim))}</td><td>{entry['threshold']:.2f}</td>"
        + "".join(f"<td>{with_range(_interval(entry[name]))}</td>" for name in ("sensitivity", "specificity"))
        + "</tr>"
        for aim, entry in aims.items()
    )
    return (
        "<p>Thresholds that validation films chose, each for an aim, and what they give on these films:</p>"
        '<div class="scroll"><table><thead><tr><th>Aim</th><th>Threshold</th><th>Sensitivity</th><th>Specificity</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _subgroups(parts: Sequence[Mapping[str, Any]]) -> list[str]:
    if not parts:
        return []
    rows = "".join(
        f"<tr><td>{escape(part['attribute'])}: {escape(part['value'])}</td><td>{part['films']:,}</td>"
        f"<td>{part['patients']:,}</td><td>{part['positives']:,}</td>"
        + "".join(
            f"<td>{with_range(_interval(part['numbers'][name]))}</td>"
            for name in ("auroc", "sensitivity", "specificity")
        )
        + f"<td>{'few films' if part['few'] else ''}</td></tr>"
        for part in parts
    )
    dots = [
        (f"{part['attribute']}: {part['value']} ({part['films']:,})", _interval(part["numbers"]["auroc"]), part["few"])
        for part in parts
        if part["numbers"]["auroc"]["value"] is not None
    ]
    picture = _svg(subgroup_plot(dots, label="AUROC")) if dots else ""
    return [
        "<h2>For whom?</h2>",
        _figure("subgroups", picture),
        '<div class="scroll"><table><thead><tr><th>Subgroup</th><th>Films</th><th>Patients</th><th>Sick</th>'
        ""
        ""
        ""
        f"<th>AUROC</th><th>Sensitivity</th><th>Specificity</th><th></th></tr></thead><tbody>{rows}</tbody></table></div>",
    ]


def _strangers(refused: Mapping[str, Any], films: int) -> str:
    why = ", ".join(f"{count:,} × {escape(kind)}" for kind, count in refused["why"].items())
    return (
        "<h2>Strangers at the door</h2>"
        f"<p>The network would not trust itself on {refused['films']:,} of these {films:,} films "
        f"({100 * refused['share']:.1f} %){': ' + why if why else ''}. They are counted above all the same.</p>"
    )


def _most_wrong(table: ScoreTable, threshold: float, cell: str) -> str:
    name, label, called = _CELLS[cell]
    places = most_wrong_first(table, threshold=threshold, label=label, called=called)[:_MOST_WRONG]
    if not len(places):
        return ""
    rows = "".join(
        f"<tr><td>{escape(str(table.ids[k]))}</td><td>{table.scores[k]:.3f}</td></tr>" for k in places.tolist()
    )
    return (
        f"<h2>{escape(name)}, most wrong first</h2>"
        f"<table><thead><tr><th>Film</th><th>Score</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def _figure(name: Plot, picture: str) -> str:
    words = PLOTS[name]
    return (
        f"<figure>{picture}<figcaption><p>{escape(words.shows)}</p><p><b>A common misreading.</b> "
        f"{escape(words.misreading)}</p></figcaption></figure>"
    )


def _svg_roc(report: Mapping[str, Any], dot: Mapping[str, float | None]) -> str:
    sensitivity, specificity = dot["sensitivity"], dot["specificity"]
    here = None if sensitivity is None or specificity is None else (1 - specificity, sensitivity)
    return _svg(
        roc_plot(
            _curve(report["roc"]),
            _band(report["roc"]["band"]),
            dot=here,
            area=_interval(report["numbers"]["auroc"]),
        )
    )


def _svg_pr(report: Mapping[str, Any], dot: Mapping[str, float | None]) -> str:
    recall, precision = dot["sensitivity"], dot["precision"]
    return _svg(
        precision_recall_plot(
            _curve(report["precision_recall"]),
            _band(report["precision_recall"]["band"]),
            dot=None if recall is None or precision is None else (recall, precision),
            area=_interval(report["numbers"]["average_precision"]),
            prevalence=report["pneumonia"] / report["films"],
        )
    )


def _svg(figure: Any) -> str:
    text = as_bytes(figure, "svg").decode("utf-8")
    return text[text.index("<svg") :]


def _curve(entry: Mapping[str, Any]) -> Curve:
    return Curve(x=np.array(entry["x"]), y=np.array(entry["y"]), thresholds=np.array(entry["thresholds"]))


def _band(entry: Mapping[str, Sequence[float | None]]) -> Band | None:
    if not entry["low"] or entry["low"][0] is None:
        return None
    along, low, high = (np.array(entry[name], dtype=np.float64) for name in ("along", "low", "high"))
    return Band(along=along, low=low, high=high)


def _bins(entries: Sequence[Mapping[str, Any]]) -> tuple[Bin, ...]:
    return tuple(Bin(**entry) for entry in entries)


def _interval(entry: Mapping[str, float | None]) -> Interval:
    value, low, high = (np.nan if entry[key] is None else float(entry[key] or 0) for key in ("value", "low", "high"))
    return Interval(value=value, low=low, high=high)


def _span(number: Mapping[str, float | None]) -> str:
    return "none" if number["low"] is None else f"{_digits(number['low'])} to {_digits(number['high'])}"


def _digits(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
