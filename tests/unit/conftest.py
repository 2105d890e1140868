"""What several tests share: one tiny training run from beginning to end, and a web server that can misbehave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model.runs import Run
from model.smoke import write_smoke_films
from tests.local_server import LocalServer, start
from tests.unit.tiny import PATIENTS, SETTINGS, Arrays


@dataclass(frozen=True)
class Recorded:
    """A finished run and every state it saved on the way."""

    run: Run
    states: list[tuple[Arrays, dict[str, Any]]] = field(default_factory=list)


@pytest.fixture(scope="session")
def tiny_films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of synthetic films."""
    folder = tmp_path_factory.mktemp("films")
    write_smoke_films(folder, patients=PATIENTS)
    return folder


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path, dict[str, Any]]:
    """Return a run, the folder of its checkpoint, and its card."""
    from model.card import make_card
    from model.planning import start_run
    from model.settings import TrainingConfig
    from model.smoke import SMOKE_SETTINGS
    from model.training import train

    place = tmp_path_factory.mktemp("card")
    write_smoke_films(place / "films", patients=15)
    config = TrainingConfig(dataset="chest_xray", data_dir=str(place / "films"), **SMOKE_SETTINGS)
    run = start_run(place / "run", config)
    assert train(run)
    return run, place / "out", make_card(run, place / "out")


@pytest.fixture(scope="session")
def uninterrupted(tiny_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Return a run that nothing disturbed."""
    from model.planning import start_run
    from model.settings import TrainingConfig
    from model.training import train

    config = TrainingConfig(dataset="chest_xray", data_dir=str(tiny_films), **SETTINGS)
    recorded = Recorded(start_run(tmp_path_factory.mktemp("runs") / "uninterrupted", config))
    plain = Run.save_state

    def save_state(run: Run, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        recorded.states.append(({key: np.array(value) for key, value in arrays.items()}, dict(meta)))
        plain(run, arrays, meta)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "save_state", save_state)
        assert train(recorded.run)
    return recorded


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """Return a web server on this machine, without pages yet."""
    state = LocalServer()
    running = start(state)
    yield state
    running.shutdown()
    running.server_close()
