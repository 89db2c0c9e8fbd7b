"""Failures and repairs. A failure counts when a machine goes down, not for each row."""

from __future__ import annotations

import numpy as np

from factory_sim.analysis.kpis.kpi_kind import ALL, F8, Totals, of_totals, ratio
from factory_sim.plant.states import State


def failures(t: Totals) -> F8:
    """Failures that began in the window. ISO 22400-2: failure event count FE."""
    return t.failures.astype(np.float64)


def mtbf_s(t: Totals) -> F8:
    """Busy time / failures: mean operating time between failures. ISO 22400-2: Σ TBF / (FE + 1), here without the 1."""
    return ratio(t.state_us[:, State.BUSY] / 1e6, t.failures)


def mttr_s(t: Totals) -> F8:
    """Repair time worked, closed shifts included / failures. ISO 22400-2: Σ TTR / (FE + 1), here without the 1."""
    return ratio(t.worked_us / 1e6, t.failures)


def crew_wait_s(t: Totals) -> F8:
    """Time down without a crew / failures."""
    return ratio(t.crew_wait_us / 1e6, t.failures)


def corrective_ratio(t: Totals) -> F8:
    """Repair / (repair + planned maintenance). ISO 22400-2: corrective maintenance ratio CMT / (CMT + PMT)."""
    return ratio(t.repair_us, t.repair_us + t.state_us[:, State.MAINTENANCE])


KINDS = {
    "failures": of_totals("1", -1, ALL, failures, "failures"),
    "mtbf_s": of_totals("s", 1, ALL, mtbf_s, "failures"),
    "mttr_s": of_totals("s", -1, ALL, mttr_s, "failures", "repair"),
    "crew_wait_s": of_totals("s", -1, ALL, crew_wait_s, "failures", "service"),
    "corrective_ratio": of_totals("1", 0, ALL, corrective_ratio, "failures", "repair"),
}
