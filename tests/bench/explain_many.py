"""Explain many different films in one process, and print its memory as JSON after each stretch.

python -m tests.bench.explain_many LAST STEP
"""

from __future__ import annotations

import json
import sys

import psutil

from model.images import read_radiograph
from tests.bench.films import jpeg
from ui.network import Desk, _shipped


def main(last: int, step: int) -> None:
    desk = Desk(_shipped)
    process = psutil.Process()
    for number in range(1, last + 1):
        film = read_radiograph(jpeg(number))
        sight = desk.ask("explain", film).answer.result()
        assert len(sight.maps) >= 18
        if number % step == 0:
            print(json.dumps({"films": number, "resident": process.memory_info().rss}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
