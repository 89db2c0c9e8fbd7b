"""A plant with constant times, whose output is known, and its sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from factory_sim.study.file_study import Execution
from factory_sim.study.runner import FinishedStudy, Progress
from factory_sim.study.sweep.sweep_study import run_sweep

if TYPE_CHECKING:
    from pathlib import Path

    from factory_sim.results.sweep import SweepResult

ONE = """
plant: one
kinds: {press: {power: {busy: 2 kW}}}
sources: {blanks: {interarrival: saturated}}
sections:
  all:
    operations:
      PRESS: {kind: press, cycle_time: 30 s, from: blanks, buffer: 4}
"""
SWEEP = """
sweep: one.yaml
factors:
  PRESS.cycle_time: [20 s, 30 s, 40 s]
responses: [good_parts_per_h, kwh_per_part]
replications: 2
duration: 1 h
warm_up: 10 min
"""


def swept(
    folder: Path, text: str = SWEEP, progress: Progress | None = None, **execution: Any
) -> FinishedStudy[SweepResult]:
    """Return the sweep that a text describes, run by one worker with the reference engine."""
    (folder / "sweep.yaml").write_text(text, encoding="utf-8")
    usual = {"workers": 1, "engine": "simpy", "file": folder / "sweep.jsonl"}
    return run_sweep(folder / "sweep.yaml", Execution(**(usual | execution)), progress or Progress())
