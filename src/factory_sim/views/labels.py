"""The one table of labels for quantities, detectors and how a warm-up was decided: terminal, page and notebook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory_sim.results.study_summary import GIVEN, SNAPSHOT

if TYPE_CHECKING:
    from factory_sim.results.study_summary import WarmUp

LINE_LABELS = {  # KPI of the line -> label
    "good_parts": "good parts",
    "good_parts_per_h": "good parts per planned hour",
    "output_interval_s": "output interval",
    "oee": "OEE of all machines",
    "first_pass_yield": "first-pass yield",
    "wip": "work in progress",
    "lead_time_s": "lead time",
    "kwh_per_part": "energy per good part",
    "cost_per_part": "cost per good part",
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """How a compared quantity is shown."""

    key: str  # on the page
    label: str
    unit: str  # "": the label says it
    better: int  # 1: more is better, -1: less
    form: str  # of a number in that unit
    factor: float = 1.0  # from the quantity to that unit


# Quantity of a comparison -> how it is shown; {station} and {currency} are filled in.
QUANTITIES = {
    "line_rate_pct": Quantity("good_parts_per_h", LINE_LABELS["good_parts_per_h"], "", 1, ",.2f"),
    "good_parts_per_day_pct": Quantity("good_parts_per_day", "good parts per calendar day", "", 1, ",.0f"),
    "good_parts_per_week_pct": Quantity("good_parts_per_week", "good parts per calendar week", "", 1, ",.0f"),
    "station_time_pct": Quantity("station_cycle_time_s", "cycle time of {station}", "s", -1, ".2f"),
    "station_rate_pct": Quantity("station_rate_per_h", "rate of {station}", "parts/h", 1, ",.2f"),
    "station_oee_pct": Quantity("station_oee", "OEE of {station}", "%", 1, ".1f", 100.0),
    "oee_pct": Quantity("oee", LINE_LABELS["oee"], "%", 1, ".1f", 100.0),
    "wip_pct": Quantity("wip", LINE_LABELS["wip"], "parts", -1, ",.0f"),
    "lead_time_pct": Quantity("lead_time_s", LINE_LABELS["lead_time_s"], "min", -1, ",.1f", 1 / 60),
    "kwh_per_part_pct": Quantity("kwh_per_part", LINE_LABELS["kwh_per_part"], "kWh", -1, ",.2f"),
    "cost_per_part_pct": Quantity("cost_per_part", LINE_LABELS["cost_per_part"], "{currency}", -1, ",.2f"),
}
# Detector of bottlenecks -> (name, head of its column of ranks)
DETECTORS = {
    "average_active_period_s": ("average active period", "avg"),
    "momentary_active_share": ("momentary active period", "mom"),
    "active_share": ("utilisation", "util"),
    "turning_point": ("turning point", "turn"),
    "arrow": ("arrow", "arrow"),
}
CONTRIBUTION = "Contribution of each change"


def warm_up_source(found: WarmUp) -> str:
    """Return how the length of the warm-up was decided."""
    if found.by == GIVEN:
        return "as given"
    if found.by == SNAPSHOT:
        return f"the past of {found.file}"
    doubt = "" if found.settled else "; the pilots were too short to settle"
    return f"pilot runs: MSER-5 {(found.mser5_s or 0) / 3600:.2g} h, filling {(found.fill_s or 0) / 3600:.2g} h{doubt}"
