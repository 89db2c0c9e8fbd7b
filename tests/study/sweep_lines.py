"""Plants of constant times, whose output anybody can compute, and how a sweep of them is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from factory_sim.study.runner import Watcher
from factory_sim.study.sweep.sweep_study import Answered, Running, made

if TYPE_CHECKING:
    from pathlib import Path

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


def swept(folder: Path, text: str = SWEEP, watcher: Watcher | None = None, **running: Any) -> Answered:
    """The sweep of a text, of plants that stand in the folder; by one worker and the reference engine."""
    (folder / "sweep.yaml").write_text(text, encoding="utf-8")
    usual = {"workers": 1, "engine": "simpy", "file": folder / "sweep.jsonl"}
    return made(folder / "sweep.yaml", Running(**(usual | running)), watcher or Watcher())
