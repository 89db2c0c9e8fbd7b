"""Rows of `factory-sim bench`: the plain standard line in other simulators (extra `[peers]`), turn by turn with SimPy.

`standard_line_ratio` is the row of our engine on the same line. The parts out say that all simulate the same line.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import peers
import pytest
import textbook_simpy
from standard_line import MACHINES
from stretch import QUICK
from table import noted
from test_calendar import OUT_HIGH, OUT_LOW, cpu_s

if TYPE_CHECKING:
    from collections.abc import Callable

SHIFT_S = 28_800.0
TURNS = 1 if QUICK else 2  # one turn of ciw takes 20 s


def timed(run: Callable[[float, int], int]) -> Callable[[int], tuple[float, int]]:
    """(processor seconds, parts out) of one shift by seed."""

    def shift(seed: int) -> tuple[float, int]:
        out: list[int] = []
        seconds = cpu_s(lambda: out.append(run(SHIFT_S, seed)))
        return seconds, out[0]

    return shift


def measured(benchmark: Any, shift: Callable[[int], tuple[float, int]]) -> None:
    """Note the seconds of one shift, beside what the textbook's model takes for it."""
    ours: list[float] = []
    textbook: list[float] = []

    def turn() -> None:
        seed = len(ours) + 1
        seconds, out = shift(seed)
        ours.append(seconds)
        assert OUT_LOW < out < OUT_HIGH
        textbook.append(cpu_s(lambda: textbook_simpy.simulate(MACHINES, SHIFT_S, seed)))

    benchmark.pedantic(turn, rounds=TURNS, iterations=1)
    ratio = statistics.median(theirs / mine for mine, theirs in zip(ours, textbook, strict=True))
    noted(benchmark, min(ours), "s a shift", "textbook SimPy", ratio)


def the_peer(name: str) -> Any:
    return pytest.importorskip(name, reason=f"{name} is not installed: pip install -e '.[peers]'")


def test_peer_cimba(benchmark: Any) -> None:
    the_peer("cimba")
    program = Path(__file__).with_name("cimba_line.py")

    def shift(seed: int) -> tuple[float, int]:
        words = [sys.executable, str(program), str(MACHINES), str(SHIFT_S), str(seed)]
        [(seconds, out)] = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        return seconds, out

    measured(benchmark, shift)


def test_peer_salabim(benchmark: Any) -> None:
    the_peer("salabim")
    measured(benchmark, timed(partial(peers.salabim, MACHINES)))


def test_peer_simantha(benchmark: Any) -> None:
    the_peer("simantha")
    measured(benchmark, timed(partial(peers.simantha, MACHINES)))


def test_peer_ciw(benchmark: Any) -> None:
    the_peer("ciw")
    measured(benchmark, timed(partial(peers.ciw, MACHINES)))
