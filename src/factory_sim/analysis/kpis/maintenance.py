"""Failures and repairs. A failure is counted where a machine goes down, not by rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.kpis.kpi_kind import ALL, KpiKind, ratio
from factory_sim.plant.states import State

if TYPE_CHECKING:
    from factory_sim.analysis.facts import Facts
    from factory_sim.records import F8


def failures(f: Facts, level: str) -> F8:
    """Failures that began in the window. ISO 22400-2: failure event count FE."""
    return f.at(level).failures.astype(np.float64)


def mtbf_s(f: Facts, level: str) -> F8:
    """Busy time / failures: mean operating time between failures. ISO 22400-2: Σ TBF / (FE + 1), ours without the 1."""
    totals = f.at(level)
    return ratio(totals.state_us[:, State.BUSY] / 1e6, totals.failures)


def mttr_s(f: Facts, level: str) -> F8:
    """Time down and in repair / failures. ISO 22400-2: mean time to repair Σ TTR / (FE + 1), ours without the 1."""
    totals = f.at(level)
    return ratio((totals.crew_wait_us + totals.repair_us) / 1e6, totals.failures)


def crew_wait_s(f: Facts, level: str) -> F8:
    """Time down without a crew / failures."""
    totals = f.at(level)
    return ratio(totals.crew_wait_us / 1e6, totals.failures)


def corrective_ratio(f: Facts, level: str) -> F8:
    """Repair / (repair + planned maintenance). ISO 22400-2: corrective maintenance ratio CMT / (CMT + PMT)."""
    totals = f.at(level)
    return ratio(totals.repair_us, totals.repair_us + totals.state_us[:, State.MAINTENANCE])


KINDS = {
    "failures": KpiKind("1", -1, ALL, failures),
    "mtbf_s": KpiKind("s", 1, ALL, mtbf_s),
    "mttr_s": KpiKind("s", -1, ALL, mttr_s),
    "crew_wait_s": KpiKind("s", -1, ALL, crew_wait_s),
    "corrective_ratio": KpiKind("1", 0, ALL, corrective_ratio),
}
