"""The words around a card's numbers; nothing is measured here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LABELS = {
    "auroc": "AUROC",
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity (recall)",
    "specificity": "Specificity",
    "precision": "Precision",
}


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
            *_number_table(test["numbers"]),
            "",
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
        f"Intervals: {card['test']['interval']}. Threshold: {card['threshold_rule']}.",
        "",
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
        *_number_table(test["numbers"]),
        "",
        *(f"    {line}" for line in look["command"].splitlines()),
        "",
    ]


def _number_table(numbers: Mapping[str, Any]) -> list[str]:
    return [
        "| | value | 95 % interval |",
        "|---|---|---|",
        *(
            f"| {label} | {_digits(numbers[name]['value'], 4)} "
            f"| {_digits(numbers[name]['low'], 4)} to {_digits(numbers[name]['high'], 4)} |"
            for name, label in _LABELS.items()
        ),
    ]


def _digits(value: float | None, digits: int = 3) -> str:
    return "undefined" if value is None else f"{value:.{digits}f}"
