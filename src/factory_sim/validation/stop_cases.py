"""Stop-rule cases of a folder: states and thresholds in, states out, compared exactly.

A case is all files `<function>_<part>_<key>.golden` with one function and key, in JSON: `configuration`, `stateArray`,
where present `countSlice`, `rawShifts`, `orderArray`, `to`, and the expected `processedStateArray`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.analysis import stops
from factory_sim.analysis.stops import Change, Codes, Span, StopRules

if TYPE_CHECKING:
    from pathlib import Path

# The two sets of codes of the cases' origin.
OLD = Codes(
    run=range(1),
    low_speed=19,
    stop=1,
    micro_stop=7,
    break_=8,
    no_shift=9,
    changeover_begin=10,
    changeover_end=10,
    entered_after=True,
)
NEW = Codes(
    run=range(10_000, 30_000),
    low_speed=20_000,
    stop=40_000,
    micro_stop=50_000,
    break_=150_000,
    no_shift=160_000,
    changeover_begin=100_010,
    changeover_end=100_020,
    break_delay_ns=1_000_000,
)
_Case = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """Whether a case is met exactly, or why not."""

    name: str
    ok: bool
    reason: str = ""


def run(folder: Path) -> list[CaseResult]:
    """Return the result of every case of a folder, by name. A case that cannot be read is not ok."""
    files: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.glob("*_*_*.golden")):
        function, part, key = path.stem.split("_", 2)
        files.setdefault(f"{function} {key}", {})[part] = path
    return [_result(name, parts) for name, parts in sorted(files.items())]


def _result(name: str, parts: Mapping[str, Path]) -> CaseResult:
    try:
        case = {part: json.loads(path.read_text(encoding="utf-8") or "null") for part, path in parts.items()}
        found, expected = _FUNCTIONS[name.split(maxsplit=1)[0]](case), _changes(case["processedStateArray"])
    except KeyError as missing:
        return CaseResult(name=name, ok=False, reason=f"{missing} is missing or not known")
    except ValueError as error:
        return CaseResult(name=name, ok=False, reason=f"a file cannot be read: {error}")
    counts = parts.get("countSlice")
    slow = sum(change.code == OLD.low_speed for change in expected)
    if slow and counts and not counts.stat().st_size:
        return CaseResult(name=name, ok=False, reason=_without_counts(found, expected, slow))
    return CaseResult(name=name, ok=found == expected, reason=_difference(found, expected))


def _without_counts(found: Sequence[Change], expected: Sequence[Change], slow: int) -> str:
    """Return why a case without counts is not met, and how many of the states that need no counts are."""
    plain = [c if c.code != OLD.low_speed else Change(c.t_ns, OLD.run.start) for c in expected]
    plain = [c for i, c in enumerate(plain) if not i or not plain[i - 1].code == c.code in OLD.run]
    right = len(set(plain) & set(found))
    text = f"{slow} states of low speed are expected, but the file of counts is empty"
    others = [
        f"state {c.code} at {np.datetime64(c.t_ns, 'ns').astype('datetime64[ms]')}Z is not expected"
        for c in found
        if c not in plain
    ]
    return f"{text}; {right} of the {len(plain)} other states are right" + "".join(f"; {each}" for each in others[:3])


def _difference(found: Sequence[Change], expected: Sequence[Change]) -> str:
    if len(found) != len(expected):
        return f"{len(found)} states instead of {len(expected)}"
    return next((f"{a} instead of {b}" for a, b in zip(found, expected, strict=True) if a != b), "")


def _whole(case: _Case) -> list[Change]:
    shifts = [Span(_ns(x["TimestampBegin"]), _ns(x["TimestampEnd"])) for x in case["rawShifts"] if x["ShiftType"]]
    counts, orders = _counts(case["countSlice"]), _orders(case.get("orderArray"))
    changes = _changes(case["stateArray"])
    return stops.apply(changes, _rules(case), shifts=shifts, orders=orders, counts=counts, until_ns=_ns(case["to"]))


def _low_speed(case: _Case) -> list[Change]:
    counts = _counts(case["countSlice"])
    assert counts is not None
    return stops.with_low_speed(_changes(case["stateArray"]), counts, _rules(case))


def _micro_stops(case: _Case) -> list[Change]:
    return stops.with_micro_stops(_changes(case["stateArray"]), _rules(case))


def _changeovers(case: _Case) -> list[Change]:
    changes, rules = _changes(case["stateArray"]), _rules(case)
    return stops.with_changeovers(changes, _orders(case["orderArray"]), rules.codes) if rules.changeovers else changes


_FUNCTIONS: dict[str, Callable[[_Case], list[Change]]] = {
    "processStates": _whole,
    "processStatesOptimized": _whole,
    "addLowSpeedStates": _low_speed,
    "addUnknownMicrostops": _micro_stops,
    "AutomaticallyIdentifyChangeovers": _changeovers,
}


def _rules(case: _Case) -> StopRules:
    stated = case["configuration"]

    def seconds(name: str) -> float:
        return max(float(stated.get(name, 0)), 0.0)

    return StopRules(
        minimum_run_s=seconds("MinimumRunningTimeInSeconds"),
        ignore_below_s=seconds("IgnoreMicrostopUnderThisDurationInSeconds"),
        micro_s=seconds("MicrostopDurationInSeconds"),
        low_speed_per_h=seconds("LowSpeedThresholdInPcsPerHour"),
        break_s=seconds("ThresholdForNoShiftsConsideredBreakInSeconds"),
        changeovers=bool(stated.get("AutomaticallyIdentifyChangeovers", False)),
        codes=NEW if any(state["State"] >= NEW.run.start for state in case["stateArray"]) else OLD,
    )


def _changes(states: Sequence[Mapping[str, Any]]) -> list[Change]:
    return [Change(_ns(each["Timestamp"]), int(each["State"])) for each in states]


def _orders(orders: Sequence[Mapping[str, Any]] | None) -> list[Span]:
    return [Span(_ns(each["BeginTimestamp"]), _ns(each["EndTimestamp"])) for each in orders or ()]


def _counts(pieces: Sequence[Mapping[str, Any]] | None) -> stops.Counts | None:
    if pieces is None:
        return None
    times = [(_ns(each["Timestamp"]), int(each["Count"])) for each in pieces]
    return np.array([t for t, _ in times], np.int64), np.array([n for _, n in times], np.int64)


def _ns(text: str) -> int:
    """Return a time stamp with its zone as ns since 1970 UTC; exact, as Python's floats are not."""
    since = datetime.fromisoformat(text) - datetime.fromisoformat("1970-01-01T00:00:00Z")
    return 1000 * ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)
