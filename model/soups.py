"""The mean of the weights of several networks that grew from one: a network of its own, of the size of each.

Networks fine-tuned from the same weights lie in one valley of the loss, where the mean of their weights often ranks
unseen films better than any of them (Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better
Generalization", arXiv:1803.05407; Wortsman et al. 2022, "Model soups", arXiv:2203.05482).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import RunError
from model.runs import Run
from model.trained import Trained, trained_in

_OF_ITS_TRAINING = ("environment", "start", "started_from", "teachers", "taught_by", "more")


def mean_run(folder: Path, places: Sequence[Path]) -> Run:
    """Make a run whose weights are the mean of those of trained networks, each counting alike.

    Parameters
    ----------
    folder : Path
        The new run's.
    places : sequence of Path
        At least two checkpoints or runs of one architecture, trained on the same films and split. The last is a run:
        its settings name the films.

    Raises
    ------
    RunError
        If there are fewer, the last is no run, or their architectures differ.
    CheckpointError, RunError, DatasetError
        As `model.trained.trained_in` does.
    """
    if len(places) < 2:
        raise RunError(f"A mean needs at least two networks, --mean names {len(places)}; name the others too.")
    last = Run(places[-1])
    data = last.config["data"]
    networks = [trained_in(place, fingerprint=data["fingerprint"]) for place in places]
    for network in networks[1:]:
        if network.architecture != networks[0].architecture:
            raise RunError(
                f"The networks in {networks[0].folder} and {network.folder} are built differently "
                f"({dict(networks[0].architecture)}, {dict(network.architecture)}); their weights have no mean."
            )
    total = {name: value.astype(np.float64) for name, value in networks[0].weights().items()}
    for network in networks[1:]:
        for name, value in network.weights().items():
            total[name] += value
    run = Run.create(
        folder,
        {
            **{name: value for name, value in last.config.items() if name not in _OF_ITS_TRAINING},
            "mean_of": [{"sha256": network.sha256, "command": network.command} for network in networks],
            "started_from": _history(networks),
        },
    )
    run.save_best(
        {name: (value / len(networks)).astype(np.float32) for name, value in total.items()}, {"mean_of": len(networks)}
    )
    return run


def _history(networks: Sequence[Trained]) -> dict[str, Any]:
    """Return every epoch that led to the networks, those they share once."""
    epochs: list[Any] = []
    for network in networks:
        epochs += [epoch for epoch in network.epochs if epoch not in epochs]
    looks = [network.look_split for network in networks if network.look_split]
    return {
        "epochs": epochs,
        "head_epochs": max(network.head_epochs for network in networks),
        **({"look_split": looks[0]} if looks else {}),
    }
