"""What was measured against which bar, on which machine, as the page docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal, get_args

import psutil

from model.checkpoint import SHIPPED, read_card
from model.runs import git_revision

Rule = Literal["at most", "below", "at least"]
Bar = Literal[
    "predictor",
    "keras",
    "reading",
    "phase one",
    "memory",
    "decoding",
    "plain loop",
    "cache",
    "tables",
    "pass",
    "usual recipe",
    "tf-keras-vis",
    "changes",
    "many films",
    "intervals",
    "intervals against a loop",
    "threshold",
    "long table",
]
BARS: tuple[Bar, ...] = get_args(Bar)

_LIBRARIES = ("tensorflow", "keras", "numpy", "opencv-python", "pillow", "pydicom", "streamlit", "playwright")
_VECTOR_FLAGS = ("avx512f", "avx2", "avx", "sse4_2", "asimd")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One line of the table.

    Attributes
    ----------
    bar : str
        Which of `BARS` it belongs to.
    what : str
        What was measured, for a reader.
    figure : float
        The ratio that is judged.
    rule, limit : str, float
        What the figure has to be.
    percent : bool
        Whether ratio and limit are written as percentages.
    unit : str
        What figure and limit are counted in where they are no ratio.
    numbers : str
        The absolute numbers behind the ratio.
    """

    bar: Bar
    what: str
    figure: float
    rule: Rule
    limit: float
    percent: bool = False
    unit: str = ""
    numbers: str

    @property
    def passed(self) -> bool:
        """Whether the figure keeps to the bar; one that is not a number does not."""
        if self.rule == "at least":
            return self.figure >= self.limit
        return self.figure < self.limit if self.rule == "below" else self.figure <= self.limit

    def __str__(self) -> str:
        """Say what was measured in one line."""
        verdict = "pass" if self.passed else "FAIL"
        return f"{verdict}: {self.what}: {self.shown(self.figure)}, {self.bar_words}. {self.numbers}"

    @property
    def bar_words(self) -> str:
        """The rule and its limit in words."""
        return f"{self.rule} {self.shown(self.limit)}"

    def shown(self, ratio: float) -> str:
        """Write a figure of this measurement."""
        if self.unit:
            return f"{ratio:,.0f} {self.unit}" if ratio >= 100 else f"{ratio:.3g} {self.unit}"
        if self.percent:
            return f"{100 * ratio:.1f} %"
        return f"{ratio:,.0f} ×" if ratio >= 100 else f"{ratio:.3f} ×"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where and when it was measured."""

    cores: int
    instructions: str
    memory_gb: float
    load: float
    system: str
    date: str

    @classmethod
    def now(cls) -> Machine:
        """Describe this machine at this moment; the load counts the bench itself if it runs already."""
        return cls(
            cores=_cores(),
            instructions=f"{platform.machine()}, {_vector_instructions()}",
            memory_gb=psutil.virtual_memory().total / 2**30,
            load=os.getloadavg()[0],
            system=f"{platform.system()}, Python {platform.python_version()}",
            date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        )


def page(measurements: Sequence[Measurement], *, machine: Machine) -> str:
    """Return the page as Markdown."""
    rows = "\n".join(
        f"| {m.what} | {m.shown(m.figure)} | {m.bar_words} | {'pass' if m.passed else '**fail**'} | {m.numbers} |"
        for m in sorted(measurements, key=lambda m: BARS.index(m.bar))
    )
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return (
        "# Speed and memory\n\n"
        "`make bench` measured this and wrote this page; no number in it was typed. What is compared was timed in "
        "turn in one run, A, B, A, B, so that a busy machine slows both sides, and the ratio is that of the "
        "medians.\n\n"
        "| What | Measured | Bar | Result | In absolute numbers |\n"
        "|---|---|---|---|---|\n"
        f"{rows}\n\n"
        "| Where and when | |\n"
        "|---|---|\n"
        f"| Date | {machine.date} |\n"
        f"| Processor | {machine.cores} cores, {machine.instructions} |\n"
        f"| Memory | {machine.memory_gb:.0f} GB |\n"
        f"| Load before the start | {machine.load:.1f} (a quiet machine has about 0) |\n"
        f"| System | {machine.system} |\n"
        f"| Libraries | {libraries} |\n"
        f"| Weights | SHA-256 {read_card(SHIPPED)['weights']['sha256'][:12]} |\n"
        f"| Commit | {git_revision()} |\n"
    )


def _cores() -> int:
    """Return the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _vector_instructions() -> str:
    """Return the widest vector instructions the processor names, which decide what a convolution costs."""
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return "vector instructions not known"
    lines = [line for line in info.read_text().splitlines() if line.lower().startswith(("flags", "features"))]
    flags = set(lines[0].split()) if lines else set()
    return next((flag.upper().replace("_", ".") for flag in _VECTOR_FLAGS if flag in flags), "no vector instructions")
