"""Stop rules as factories use them, applied to the changes of each machine's state: pure functions, in one order.

A state is a code. `Codes` gives the meaning of the codes that the rules read and write; all others are stops with a
reason. Every rule returns new changes, in order of time; the last change is open: its length is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factory_sim.clock import ns_from_us
from factory_sim.plant.states import Outcome, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from factory_sim.records import I8, EventLog, Meta, Window

    Counts = tuple[I8, I8]  # times [ns] and numbers of pieces, shapes (n,)

_S = 1_000_000_000  # ns
_BUCKET_S = 60  # of low speed
_SHORTEST_GAP_S = 60  # between shifts; a shorter one is none
_GIVEN = (Outcome.PASSED, Outcome.REWORK, Outcome.SCRAPPED, Outcome.LEFT)


class Change(NamedTuple):
    """A state from `t_ns` on."""

    t_ns: int
    code: int


class Span(NamedTuple):
    """A shift, or an order."""

    begin_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """The codes of states that have a meaning in the rules."""

    run: range
    low_speed: int
    stop: int  # without a reason
    micro_stop: int
    break_: int
    no_shift: int
    changeover_begin: int  # from the begin of an order to the first run
    changeover_end: int  # from the last run to the end of an order
    break_delay_ns: int = 0  # from the end of a shift to the begin of the break
    entered_after: bool = False  # each reason is entered at the end of the stop that it explains


LOW_SPEED, MICRO_STOP, BREAK, CHANGEOVER = range(100, 104)  # beside the codes of `State`
OURS = Codes(
    run=range(State.BUSY, State.BUSY + 1),
    low_speed=LOW_SPEED,
    stop=State.DOWN,
    micro_stop=MICRO_STOP,
    break_=BREAK,
    no_shift=State.OFF,
    changeover_begin=CHANGEOVER,
    changeover_end=CHANGEOVER,
)
# Loss categories of the OEE convention of docs/kpis.md; `rules.losses` of a feed may state another table.
LOSSES: Mapping[str, tuple[int, ...]] = {
    "availability": (
        *(State.DOWN, State.REPAIR, State.SETUP, State.STARVED, State.BLOCKED, State.WAITING, State.IDLE),
        CHANGEOVER,
    ),
    "performance": (MICRO_STOP, LOW_SPEED),
    "not planned": (State.OFF, State.MAINTENANCE, BREAK),
    "unknown": (State.UNKNOWN,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRules:
    """Thresholds of the rules; 0 switches a rule off."""

    minimum_run_s: float = 0.0
    ignore_below_s: float = 0.0
    micro_s: float = 0.0
    low_speed_per_h: float = 0.0
    break_s: float = 0.0  # longest gap between shifts that is a break
    specify: bool = True  # an unspecified stop takes the reason that follows it
    changeovers: bool = False
    codes: Codes = OURS


def apply(
    changes: Sequence[Change],
    rules: StopRules,
    *,
    shifts: Sequence[Span] = (),
    orders: Sequence[Span] = (),
    counts: Counts | None = None,
    until_ns: int | None = None,
) -> list[Change]:
    """Return the changes after all rules.

    counts : times [ns] and numbers of pieces, shapes (n,); without them speed is not judged. `until_ns`: the end of
    the last state.
    """
    found = minimum_run(changes, rules)
    found = with_shifts(found, shifts, rules, until_ns) if shifts else found
    found = specified(found, rules) if rules.specify else found
    found = without_short_stops(found, rules)
    found = with_low_speed(found, counts, rules, until_ns) if counts is not None else found
    found = with_micro_stops(found, rules)
    return with_changeovers(found, orders, rules.codes) if rules.changeovers else found


def minimum_run(changes: Sequence[Change], rules: StopRules) -> list[Change]:
    """Remove running stretches shorter than the minimum: the stop before them continues.

    So does a state that is repeated, and a stop with a reason that is entered afterwards.
    """
    codes = rules.codes
    found: list[Change] = []
    stretches = [list(group) for _, group in groupby(changes, lambda change: change.code in codes.run)]
    for stretch, after in pairwise([*stretches, []]):
        is_run = stretch[0].code in codes.run
        if is_run and after and after[0].t_ns - stretch[0].t_ns < rules.minimum_run_s * _S:
            continue
        for change in stretch:
            before = found[-1].code if found else None
            repeats = change.code == before and (is_run or change.code == codes.stop)
            stops_still = codes.entered_after and change.code == codes.stop and before not in (None, *codes.run)
            found += [] if repeats or stops_still else [change]
    return found


def specified(changes: Sequence[Change], rules: StopRules) -> list[Change]:
    """Give an unspecified stop, or every stop if reasons are entered afterwards, the reason that directly follows."""
    codes = rules.codes
    plain = {codes.stop, codes.micro_stop, codes.break_, codes.no_shift, codes.low_speed}
    found = []
    for change, after in pairwise([*changes, None]):
        assert change is not None
        open_ = change.code not in codes.run if codes.entered_after else change.code == codes.stop
        takes = open_ and after is not None and after.code not in codes.run and after.code not in plain
        found.append(Change(change.t_ns, after.code) if takes and after is not None else change)
    return found


def with_shifts(
    changes: Sequence[Change], shifts: Sequence[Span], rules: StopRules, until_ns: int | None = None
) -> list[Change]:
    """Turn stops between shifts into breaks or closed shifts; a run continues over them.

    At the begin of a shift the state of that time continues. Shifts may overlap and have any order.
    """
    codes, found = rules.codes, list(changes)
    if not changes:
        return found
    begin_ns, end_ns = changes[0].t_ns, 2**62 if until_ns is None else until_ns
    rising = sorted(shifts)
    ends_ns = [-(2**62), *accumulate((shift.end_ns for shift in rising), max)]
    for before_ns, shift in zip(ends_ns, [*rising, Span(2**62, 2**62)], strict=True):
        gap_s = (shift.begin_ns - before_ns) / _S
        if gap_s < _SHORTEST_GAP_S:
            continue
        is_break = gap_s <= rules.break_s
        code, from_ns = codes.break_ if is_break else codes.no_shift, before_ns + is_break * codes.break_delay_ns
        found = _split(found, shift.begin_ns, codes) if shift.begin_ns < end_ns else found
        found = _split(found, from_ns, codes) if begin_ns < from_ns < end_ns else found
        found = [
            Change(change.t_ns, code)
            if from_ns <= change.t_ns < shift.begin_ns and change.code not in codes.run
            else change
            for change in found
        ]
    return found


def _split(changes: list[Change], at_ns: int, codes: Codes) -> list[Change]:
    """Return the changes with one more at a time, that of the stop which holds then."""
    place = sum(change.t_ns <= at_ns for change in changes)
    if not place or changes[place - 1].t_ns == at_ns or changes[place - 1].code in codes.run:
        return changes
    return [*changes[:place], Change(at_ns, changes[place - 1].code), *changes[place:]]


def without_short_stops(changes: Sequence[Change], rules: StopRules) -> list[Change]:
    """Remove unspecified stops that are shorter than `ignore_below_s`."""
    return [
        change
        for change, after in pairwise([*changes, None])
        if change is not None
        and not (
            change.code == rules.codes.stop
            and after is not None
            and after.t_ns - change.t_ns < rules.ignore_below_s * _S
        )
    ]


def with_micro_stops(changes: Sequence[Change], rules: StopRules) -> list[Change]:
    """Turn unspecified stops of at most `micro_s` into micro-stops."""
    found = []
    for change, after in pairwise([*changes, None]):
        assert change is not None
        short = after is not None and after.t_ns - change.t_ns <= rules.micro_s * _S
        is_micro = short and change.code == rules.codes.stop
        found.append(Change(change.t_ns, rules.codes.micro_stop) if is_micro else change)
    return found


def with_low_speed(
    changes: Sequence[Change], counts: Counts, rules: StopRules, until_ns: int | None = None
) -> list[Change]:
    """Judge the speed of each full minute of a running state; the rest of a minute keeps the state before it.

    Below 60 pieces per hour a stretch is longer than a minute: it has one piece at the threshold. A piece counts for
    the state that it ends. A state whose mean speed reaches the threshold is not judged.
    """
    order = np.argsort(counts[0], kind="stable")
    t_ns, total = counts[0][order], np.concatenate(([0], np.cumsum(counts[1][order])))
    last_ns = int(t_ns[-1]) if len(t_ns) and until_ns is None else until_ns or 0
    if rules.low_speed_per_h <= 0:
        return list(changes)
    stretch_ns = max(_BUCKET_S * _S, int(3600 * _S / rules.low_speed_per_h))
    found: list[Change] = []
    for change, after in pairwise([*changes, None]):
        assert change is not None
        found.append(change)
        end_ns = last_ns if after is None else after.t_ns
        n = (end_ns - change.t_ns) // stretch_ns
        if change.code not in rules.codes.run or n < 1:
            continue
        edges = change.t_ns + stretch_ns * np.arange(n + 1)
        whole = np.diff(total[np.searchsorted(t_ns, (change.t_ns, end_ns), "right")])[0]
        if whole * 3600 * _S >= rules.low_speed_per_h * (end_ns - change.t_ns):
            continue
        made = np.diff(total[np.searchsorted(t_ns, edges, "right")])
        slow = made * (3600 * _S / stretch_ns) < rules.low_speed_per_h
        wanted = np.where(slow, rules.codes.low_speed, change.code)
        starts = np.flatnonzero(np.diff(wanted, prepend=change.code))
        found[-1:] = [change] * (not slow[0])
        found += [Change(int(edges[k]), int(wanted[k])) for k in starts.tolist()]
    return found


def with_changeovers(changes: Sequence[Change], orders: Sequence[Span], codes: Codes) -> list[Change]:
    """Turn unspecified stops around the change of an order into changeovers."""
    found = list(changes)
    for order in orders:
        found = _changed_over(found, order.begin_ns, codes.changeover_begin, codes, keeps_before=True)
        found = _changed_over(found, order.end_ns, codes.changeover_end, codes, keeps_before=False)
    return found


def _changed_over(
    changes: list[Change], at_ns: int, changeover: int, codes: Codes, *, keeps_before: bool
) -> list[Change]:
    """Split the unspecified stop at a time: the piece after it, or else before it, becomes a changeover."""
    place = sum(change.t_ns <= at_ns for change in changes) - 1
    if place < 0 or changes[place].code != codes.stop:
        return changes
    runs_after = any(change.code in codes.run for change in changes[place + 1 :])
    if keeps_before and not runs_after:
        return changes
    pieces = [Change(changes[place].t_ns, codes.stop if keeps_before else changeover)]
    pieces.append(Change(at_ns, changeover if keeps_before else codes.stop))
    return [*changes[:place], *pieces, *changes[place + 1 :]]


def losses_s(changes: Sequence[Change], until_ns: int, table: Mapping[str, Sequence[int]] = LOSSES) -> dict[str, float]:
    """Return the seconds of each loss category; "running" is what no category contains."""
    category = {code: name for name, codes in table.items() for code in codes}
    found = dict.fromkeys(("running", *table), 0.0)
    for change, after in pairwise([*changes, Change(until_ns, 0)]):
        found[category.get(change.code, "running")] += (after.t_ns - change.t_ns) / _S
    return found


def losses_of_log_s(  # noqa: PLR0913 - a log, its window, the rules and what they need besides
    log: EventLog,
    meta: Meta,
    rules: StopRules,
    table: Mapping[str, Sequence[int]],
    *,
    window: Window | None = None,
    shifts: Sequence[Span] = (),
    orders: Mapping[int, Sequence[Span]] | None = None,
) -> dict[int, dict[str, float]]:
    """Return the seconds of each machine of a log by loss category, after all rules: unit -> category -> seconds."""
    window = window or meta.window
    begin_ns, until_ns = (ns_from_us(t_us, meta.epoch_ns) for t_us in (window.t0_us, window.t1_us))
    order = np.argsort(log.unit, kind="stable")
    edges = np.searchsorted(log.unit[order], np.arange(len(meta.units) + 1))
    found = {}
    for unit in (u for u, info in enumerate(meta.units) if info.role == "machine"):
        rows = order[edges[unit] : edges[unit + 1]]
        t_ns, given = ns_from_us(log.t_us[rows], meta.epoch_ns), np.isin(log.outcome[rows], _GIVEN)
        counts = (t_ns[given], np.ones(int(given.sum()), np.int64)) if rules.low_speed_per_h else None
        changes = _within(t_ns, log.state[rows].astype(np.int64), begin_ns, until_ns)
        spans = (orders or {}).get(unit, ())
        changed = apply(changes, rules, shifts=shifts, orders=spans, counts=counts, until_ns=until_ns)
        found[unit] = losses_s(changed, until_ns, table)
    return found


def _within(t_ns: I8, state: I8, begin_ns: int, until_ns: int) -> list[Change]:
    """Return the changes within a window; before the first row a state is unknown."""
    last = np.append(np.diff(t_ns) > 0, True)[: len(t_ns)]  # of each instant
    found = [Change(begin_ns, int(State.UNKNOWN))]
    for t, code in zip(t_ns[last].tolist(), state[last].tolist(), strict=True):
        if t <= begin_ns:
            found = [Change(begin_ns, code)]
        elif t < until_ns and code != found[-1].code:
            found.append(Change(t, code))
    return found
