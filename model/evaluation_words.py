"""What the numbers and plots of an evaluation are called, what they show, and how they are misread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Plot = Literal[
    "confusion", "roc", "precision_recall", "prevalence", "calibration", "subgroups", "history", "paper", "numbers"
]

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "auroc": "AUROC",
        "average_precision": "Average precision",
        "accuracy": "Accuracy",
        "balanced_accuracy": "Balanced accuracy",
        "sensitivity": "Sensitivity (recall)",
        "specificity": "Specificity",
        "precision": "Precision",
        "f1": "F1",
        "mcc": "Matthews correlation",
        "brier": "Brier score",
        "ece": "Calibration error (ECE)",
    }
)

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "auroc": "how often a sick film gets a higher score than a normal one",
        "average_precision": "precision, averaged over all recalls",
        "accuracy": "the share of right answers",
        "balanced_accuracy": "the mean of sensitivity and specificity",
        "sensitivity": "the share of the sick that it finds",
        "specificity": "the share of the normal that it clears",
        "precision": "the share of its positives that are sick",
        "f1": "the harmonic mean of precision and recall",
        "mcc": "the correlation of truth and answer, −1 to 1",
        "brier": "the mean squared error of its probabilities; lower is better",
        "ece": "how far its probabilities are from what happens; lower is better",
    }
)


@dataclass(frozen=True, kw_only=True)
class Words:
    """The lines under a plot.

    Attributes
    ----------
    shows : str
        What it shows.
    misreading : str
        How people misread it.
    """

    shows: str
    misreading: str


PLOTS: Mapping[Plot, Words] = MappingProxyType(
    {
        "numbers": Words(
            shows="Each number with its 95 % interval: of 100 such studies, each with other patients of the same "
            "kind, about 95 would have an interval that holds the true number.",
            misreading="The interval does not cover other hospitals, other machines or other ages. It only says how "
            "much luck there is in the choice of these patients.",
        ),
        "confusion": Words(
            shows="Rows are the truth, columns what the network calls the film at this threshold.",
            misreading="The share of right answers in the whole table depends on how many sick films happen to "
            "be in it. "
            "Read along the rows.",
        ),
        "roc": Words(
            shows="For every threshold, how many of the sick are found (up) at the price of how many false "
            "alarms among "
            "the normal (right).",
            misreading="A large area does not mean that any one threshold is good, and it does not say how many "
            "of the "
            "positives are truly sick: that depends on how common the disease is.",
        ),
        "precision_recall": Words(
            shows="For every threshold, which share of the positives is truly sick (up) when this share of the "
            "sick is "
            "found (right).",
            misreading="The height depends on how many of these films are sick. The same network among fewer "
            "sick people "
            "has a lower curve.",
        ),
        "prevalence": Words(
            shows="A thousand people, of whom as many are sick as the slider says, and what the network tells "
            "each one.",
            misreading="A sensitive test is not one whose positive result is certain. Where a disease is rare, most "
            "alarms are false, however good the test.",
        ),
        "calibration": Words(
            shows="Films with about the same score together: what the network said on average, and how many were "
            "sick. "
            "On the dotted line it keeps its word. The plot has 10 bins, the bars count their films.",
            misreading="A well calibrated network need not be a good one: saying the share of the sick to "
            "everybody is "
            "perfectly calibrated. And it only holds where sickness is as common as here.",
        ),
        "subgroups": Words(
            shows="The same number for parts of the films. Hollow gray dots stand on fewer than 30 films of a class.",
            misreading="With many subgroups one of them will look bad by chance. Overlapping intervals are no "
            "proof of "
            "equality either, least of all wide ones.",
        ),
        "history": Words(
            shows="What the run wrote down after each epoch: training dotted, validation solid. The star is the epoch "
            "whose weights were kept; where phase 1 is there too, a dashed line marks when the whole network was set "
            "free.",
            misreading="A falling training loss alone is no progress: only films that were not trained on can tell "
            "whether the network learned or memorized.",
        ),
        "paper": Words(
            shows="The paper's numbers and these, each with the interval its films allow.",
            misreading="A higher number on other films is not a better network. The two answer different questions.",
        ),
    }
)
