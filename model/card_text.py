"""The words around a card's numbers; nothing is measured here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from model.evaluation_words import NAMES

_SUMMARY = ("auroc", "accuracy", "sensitivity", "specificity", "precision", "ece")


def card_summary(card: Mapping[str, Any]) -> str:
    """Return the card's numbers as Markdown, for the README."""
    test, people = card["test"], _people(card)
    changed = card["stress"][1:]
    worst = min(changed, key=lambda row: row["accuracy"])
    return "\n".join(
        [
            f"Measured on {test['films']:,} films of {test['patients']:,} {people} that were never trained on "
            f"({test['normal']:,} normal, {test['pneumonia']:,} pneumonia), at its threshold of "
            f"{card['threshold']:.2f}:",
            "",
            *_number_table(test["numbers"], _SUMMARY),
            "",
            *_refusal_words(card.get("refusals"), card.get("views")),
            f"Under the hardest of {len(changed)} changes that have nothing to do with lungs "
            f"({worst['condition']}) the accuracy is {worst['accuracy']:.3f}. "
            "The whole table is on [the model's card](model/pretrained/CARD.md).",
        ]
    )


def card_page(card: Mapping[str, Any]) -> str:
    """Return the whole card as a Markdown page."""
    data, training = card["data"], card["training"]
    lines = [
        "# Model card",
        "",
        "Made by `python -m model.card`; every number is measured by that command.",
        "",
        "**For teaching. Not for diagnosis.** It is not meant for:",
        "",
        *(f"- {item}" for item in card["not_meant_for"]),
        "",
        "## How good it is",
        "",
        card_summary(card).replace("(model/pretrained/CARD.md)", "(#under-stress)"),
        "",
        "Every number:",
        "",
        *_number_table(card["test"]["numbers"], NAMES),
        "",
        f"Intervals: {card['test']['interval']}. Threshold: {card['threshold_rule']}.",
        "",
        *_aims_section(card.get("thresholds")),
        *_calibration_section(card),
        *_refusals_section(card.get("refusals")),
        *_views_section(card.get("views")),
        "## Under stress",
        "",
        f"{card['stress_films']:,} of the test films, changed in ways that say nothing about lungs.",
        "",
        "| Condition | AUROC | Accuracy | Sensitivity | Specificity |",
        "|---|---|---|---|---|",
        *(
            f"| {row['condition']} | {_digits(row['auroc'], 4)} | {_digits(row['accuracy'])} "
            f"| {_digits(row['sensitivity'])} | {_digits(row['specificity'])} |"
            for row in card["stress"]
        ),
        "",
        *_look_section(card.get("look_split"), _people(card)),
        "## Data",
        "",
        f"{data['name']}: {data['population']}. Source: {data['source']}. Licence: {data['licence']}. "
        f"Citation: {data['citation']}.",
        "",
        "| Split | Films | Patients | Normal | Pneumonia |",
        "|---|---|---|---|---|",
        *(
            f"| {split} | {c['films']:,} | {c['patients']:,} | {c['normal']:,} | {c['pneumonia']:,} |"
            for split, c in data["counts"].items()
        ),
        "",
        f"No patient is in two splits. Fingerprint of the data: `{data['fingerprint']}`.",
        "",
        "## Training",
        "",
        *(f"    {line}" for line in card["command"].splitlines()),
        "",
        *_names_remark(card["command"]),
        *_mean_remark(training["best"].get("mean_of", 1)),
        f"Phase 1 (base frozen): {training['head_epochs']} epochs on cached features. Phase 2 (all layers):",
        "",
        "| Epoch | Size | Loss | Accuracy | Validation loss | Validation accuracy | Validation AUROC |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {k} | {e['size']} px | {e['loss']:.4f} | {e['accuracy']:.4f} | {e['val_loss']:.4f} "
            f"| {e['val_accuracy']:.4f} | {_digits(e['val_auroc'], 4)} |"
            for k, e in enumerate(training["epochs"], start=1)
        ),
        "",
        f"Git revision `{training['environment']['git']}`; "
        + ", ".join(f"{name} {version}" for name, version in training["environment"]["libraries"].items())
        + f"; Python {training['environment']['python']}.",
        "",
        "## Files",
        "",
        f"`{card['weights']['file']}`: {card['weights']['bytes'] / 1e6:.1f} MB, {card['weights']['dtype']}, SHA-256 "
        f"`{card['weights']['sha256']}`. Probabilities differ from the float32 original by at most "
        f"{card['float16']['largest_difference_in_probability']:.1e}.",
        "",
    ]
    return "\n".join(lines)


def _people(card: Mapping[str, Any]) -> str:
    return str(card["data"].get("people", "patients"))


def _names_remark(commands: str) -> list[str]:
    if "NETWORK1" not in commands:
        return []
    return ["NETWORK1 stands for the run of the commands under that title, RUN for that of the commands above.", ""]


def _mean_remark(networks: int) -> list[str]:
    if networks == 1:
        return []
    return [f"The weights are the mean of those of {networks} networks; these are the epochs of all of them.", ""]


def _look_section(look: Mapping[str, Any] | None, people: str) -> list[str]:
    if look is None:
        return []
    test = look["test"]
    return [
        "## On a look never seen",
        "",
        "The films were clustered by how they look (blackest and whitest gray, sharpness, edges), and one whole look "
        f"was held out: {test['films']:,} films of {test['patients']:,} {people} ({test['normal']:,} normal, "
        f"{test['pneumonia']:,} pneumonia). Another network was trained by the command below on {look['train']:,} "
        f"films of the other looks ({look['left_out']:,} more were left out because their {people} have films in the "
        f"held-out look). At the threshold of its own validation films, {look['threshold']:.2f}:",
        "",
        *_number_table(test["numbers"], _SUMMARY),
        "",
        *(f"    {line}" for line in look["command"].splitlines()),
        "",
    ]


def _aims_section(thresholds: Mapping[str, Any] | None) -> list[str]:
    if not thresholds:
        return []
    return [
        "Thresholds that the validation films chose, and what they give on the test films:",
        "",
        "| Aim | Threshold | Sensitivity | Specificity | Precision |",
        "|---|---|---|---|---|",
        *(
            f"| {entry['rule']} | {entry['threshold']:.2f} | {_digits(entry['sensitivity'])} "
            f"| {_digits(entry['specificity'])} | {_digits(entry['precision'])} |"
            for entry in thresholds.values()
        ),
        "",
    ]


def _calibration_section(card: Mapping[str, Any]) -> list[str]:
    found = card.get("calibration")
    if not found:
        return []
    return [
        "## Calibration",
        "",
        f"The logits are divided by a temperature of {card['temperature']:.4f}, fitted to "
        f"{found['films_it_was_fitted_to']:,} validation films; the app does so everywhere. The {found['error']}: "
        f"{_digits(found['before'], 4)} before, {_digits(found['after'], 4)} after.",
        "",
    ]


def _refusal_words(rates: Mapping[str, Any] | None, views: Mapping[str, Any] | None) -> list[str]:
    if not rates:
        return []
    strangers = [rate for name, rate in rates.items() if not name.startswith("test films")]
    pictures, refused = (sum(rate[key] for rate in strangers) for key in ("pictures", "refused"))
    wrong_way = [rate for name, rate in rates.items() if name.startswith("test films,")]
    turned, caught = (sum(rate[key] for rate in wrong_way) for key in ("pictures", "refused"))
    own = rates["test films as they are"]
    return [
        f"It would not trust itself on {own['refused']:,} of these {own['pictures']:,} films, on {caught:,} of "
        f"{turned:,} that were inverted or turned, and on {refused:,} of {pictures:,} pictures that are no "
        f"frontal chest films.{_views_words(views)}",
        "",
    ]


def _views_words(views: Mapping[str, Any] | None) -> str:
    if not views:
        return ""
    *most, last = (f"{rate['refused']:,} of {rate['pictures']:,} {name}" for name, rate in views["rates"].items())
    return (
        f" Of {views['what']}, each judged by what was learned without the person it shows, {', '.join(most)} and "
        f"{last} were refused."
    )


def _refusals_section(rates: Mapping[str, Any] | None) -> list[str]:
    if not rates:
        return []
    return [
        "## Strangers at the door",
        "",
        "How often the network's features alone said that a picture is no upright frontal chest film. The "
        "drawings were made by a program; the photographs are those that come with scikit-learn and scikit-image. How "
        "much room the limit leaves for other hospitals' films was chosen with such photographs in view. Other rows "
        "are pictures that were given to the command, judged by their pixels alone, whatever their files say. Kinds "
        "of pictures without a row were not at hand.",
        "",
        *_rate_table(rates),
        "",
    ]


def _views_section(views: Mapping[str, Any] | None) -> list[str]:
    if not views:
        return []
    told = f"{views['about']} " if views["about"] else ""
    return [
        f"A boundary between frontal chests and others was learned from {views['what']}: {views['chests']} chests and "
        f"{views['other_parts']} other parts of the body. {told}Below, a person's views are judged by another "
        "boundary, learned without that person, and by the distances as above. How much the boundary may bend, how "
        "far beyond it a picture must lie, and how much nearer to turned films than to upright ones, were chosen with "
        "these very counts in view: they flatter.",
        "",
        *_rate_table(views["rates"]),
        "",
    ]


def _rate_table(rates: Mapping[str, Any]) -> list[str]:
    return [
        "| Pictures | How many | Refused | Share |",
        "|---|---|---|---|",
        *(
            f"| {name} | {rate['pictures']:,} | {rate['refused']:,} | {100 * rate['share']:.1f} % |"
            for name, rate in rates.items()
        ),
    ]


def _number_table(numbers: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    return [
        "| | value | 95 % interval |",
        "|---|---|---|",
        *(
            f"| {NAMES[name]} | {_digits(numbers[name]['value'], 4)} "
            f"| {_digits(numbers[name]['low'], 4)} to {_digits(numbers[name]['high'], 4)} |"
            for name in names
            if name in numbers
        ),
    ]


def _digits(value: float | None, digits: int = 3) -> str:
    return "undefined" if value is None else f"{value:.{digits}f}"
