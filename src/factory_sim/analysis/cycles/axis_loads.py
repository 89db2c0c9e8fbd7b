"""Cycles of a machine tool from the loads of its axes and spindles, by a small convolutional network.

The network sees one second a step: how much each load has changed, and its level. Residual layers with dilations of 1
to 128 s see four minutes on either side. It returns the log odds that a program runs, begins and ends; the cycles are
the spans with the largest sum of them. `benchmarks/fit_axis_loads.py` fitted the weights to the loads and state words
of one half of the days of two machining centres (NIST SMS Test Bed); the other half tested it (docs/your_feed.md).
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.cycles.repeats import Cycles, pieces

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from factory_sim.records import F8, I8

    F4 = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
    Spans = list[tuple[int, int]]

NAMES = {"X": 0, "Z": 1, "Y": 2, "B": 3, "S": 4}  # first letter of a load -> its column
N_INPUTS = 13
_LEVELS, _MISSING, _MANY, _CUT = 5, 10, 11, 12  # columns after the changes
_BESIDE_S = 30  # seconds that are kept before and after a change; the rest of a silence is cut
_DILATIONS = (1, 2, 4, 8, 16, 32, 64, 128)
_SHORTEST_S = 25
_LEAST_SCALE = 20.0  # percent; loads that stay below are not stretched
_INSIDE, _COST = 0.1, 8.0  # weight of the log odds of running; log odds that a cycle must have to be one
_NEAR = 3  # steps around the begin or end of a cycle
_MOST = 40  # cycles; more do not make an answer more certain
# Expected recall and precision: linear in the features of `_features`; the last number is the constant.
_RECALL = (-0.068, 0.227, 0.058, 0.047, 0.671, 0.196, -0.043, -0.035, -0.047)
_PRECISION = (0.303, -0.043, 0.339, 0.146, 0.32, 0.115, -0.064, 0.055, -0.078)
_POWER = 1.9  # of their product: 0.6 is then a product of 0.764


def detect(signals: Sequence[tuple[I8, F8]], names: Sequence[str]) -> Cycles:
    """Return the cycles, none without loads of an X axis, a Z axis and a spindle."""
    columns = {name[:1].upper() for name in names}
    if not {"X", "Z", "S"} <= columns or len(names) != len(signals):
        return Cycles.none()
    found = [_in_piece(piece, names) for piece in pieces(signals)]
    return Cycles.joined(found)


def _in_piece(signals: Sequence[tuple[I8, F8]], names: Sequence[str]) -> tuple[Cycles, int]:
    second, x = inputs(signals, names)
    if len(second) < 2 * _SHORTEST_S:
        return Cycles.none(), 0
    odds = probabilities(x)
    spans = _best(odds)
    begin, end = ((second[[span[k] for span in spans]] if spans else np.empty(0, np.int64)) for k in (0, 1))
    ns = 1_000_000_000
    return Cycles(begin * ns, end * ns, _confidence(odds, spans)), int((x[:, _MANY] > 0).sum())


def inputs(signals: Sequence[tuple[I8, F8]], names: Sequence[str]) -> tuple[I8, F4]:
    """Return the seconds since 1970 near changes, and the inputs of the network, shape (n, N_INPUTS)."""
    changed = [np.append(True, value[1:] != value[:-1])[: len(value)] for _, value in signals]
    seconds = [(t[here] // 1_000_000_000, v[here]) for (t, v), here in zip(signals, changed, strict=True)]
    usable = [(s, v, NAMES[name[0].upper()]) for (s, v), name in zip(seconds, names, strict=True) if _is_used(v, name)]
    if not usable:
        return np.empty(0, np.int64), np.empty((0, N_INPUTS), np.float32)
    first = min(int(s[np.isfinite(v)][0]) for s, v, _ in usable)
    changes = np.unique(np.concatenate([s for s, _, _ in usable]))
    changes = changes[changes >= first - 1]
    kept = np.unique((changes[:, None] + np.arange(-_BESIDE_S, _BESIDE_S + 1)).ravel())
    x = np.zeros((len(kept), N_INPUTS), np.float32)
    for second, value, column in usable:
        _add_signal(x, kept, second, value, column)
    x[:, _MANY] = (x[:, :_LEVELS] > 0).sum(axis=1) / 3
    x[:, _CUT] = np.minimum(np.diff(kept, prepend=kept[0] - 1) - 1, 1)
    return kept, x


def _is_used(value: F8, name: str) -> bool:
    return name[:1].upper() in NAMES and bool(np.isfinite(value).any())


def _add_signal(x: F4, kept: I8, second: I8, value: F8, column: int) -> None:
    known = np.isfinite(value)
    scale = max(float(np.percentile(np.abs(value[known]), 99)), _LEAST_SCALE) / 100
    step = np.abs(np.diff(value, prepend=np.nan))
    moved = np.isfinite(step) & (step > 0) & (second >= kept[0])
    at = np.searchsorted(kept, second[moved])
    np.maximum.at(x[:, column], at, (np.log1p(step[moved] / scale) / 4).astype(np.float32))
    held = value[np.maximum(np.searchsorted(second, kept + 1, "left") - 1, 0)]
    rest = 0.0 if column == NAMES["S"] else float(np.median(value[known]))
    level = np.nan_to_num(np.clip((held - rest) / scale / 50, -2, 2))
    place = _LEVELS + column
    x[:, place] = np.where(np.abs(level) > np.abs(x[:, place]), level, x[:, place])
    if column in (NAMES["X"], NAMES["Z"]):
        x[:, _MISSING] = np.maximum(x[:, _MISSING], ~np.isfinite(held))


@cache
def _weights() -> Mapping[str, F4]:
    with resources.files("factory_sim.analysis.cycles").joinpath("axis_loads.npz").open("rb") as stream:
        return {name: each.astype(np.float32) for name, each in np.load(stream).items()}


def probabilities(x: F4) -> F4:
    """Return the log odds that a program runs, begins and ends in each step, shape (n, 3)."""
    w = _weights()
    hidden = np.maximum(_around(x, 1) @ w["in"] + w["inb"], 0)
    for i, dilation in enumerate(_DILATIONS):
        inner = np.maximum(_around(hidden, dilation) @ w[f"a{i}"] + w[f"ab{i}"], 0)
        hidden = hidden + inner @ w[f"b{i}"] + w[f"bb{i}"]
    odds: F4 = hidden @ w["out"] + w["outb"]
    return odds


def _around(x: F4, by: int) -> F4:
    """Return each step with those `by` before and after it; 0 outside."""
    before, after = np.zeros_like(x), np.zeros_like(x)
    before[by:], after[:-by] = x[:-by], x[by:]
    return np.concatenate((before, x, after), axis=1)


def _best(odds: F4) -> Spans:
    """Return the spans whose log odds of running, beginning and ending have the largest sum."""
    running = np.concatenate(([0.0], np.cumsum(_INSIDE * np.clip(odds[:, 0], -3, 3))))
    begin = np.clip(odds[:, 1] + 2, -2, 5) - _COST - running[:-1]
    end = (np.clip(odds[:, 2] + 2, -2, 5) + running[:-1]).tolist()
    starts = begin.tolist()
    n = len(odds)
    total, came, best, best_at = [0.0] * (n + 1), [-1] * (n + 1), -np.inf, -1
    for i in range(n):
        at = i - _SHORTEST_S
        if at >= 0 and total[at] + starts[at] > best:
            best, best_at = total[at] + starts[at], at
        total[i + 1] = total[i]
        if best + end[i] > total[i]:
            total[i + 1], came[i + 1] = best + end[i], best_at
    found: Spans = []
    i = n
    while i > 0:
        if came[i] >= 0:
            found.append((came[i], i - 1))
        i = came[i] if came[i] >= 0 else i - 1
    return found[::-1]


def _features(odds: F4, spans: Spans) -> F8:
    """Return what tells how many cycles are right: how sure begins, ends and insides are, and what is left over."""
    p = 1 / (1 + np.exp(-odds))
    at = np.array(spans)
    begins, ends = (np.array([p[max(a - 2, 0) : a + _NEAR, k + 1].max() for a in at[:, k].tolist()]) for k in (0, 1))
    edges, inside = np.minimum(begins, ends), np.zeros(len(p), np.bool_)
    near = np.zeros((len(p), 2), np.bool_)
    for a, b in spans:
        inside[a:b] = True
        for k, place in enumerate((a, b)):
            near[max(place - 2 * _NEAR, 0) : place + 2 * _NEAR + 1, k] = True
    running, total = p[:, 0], max(float(p[:, 0].sum()), 1e-9)
    found = [float((p[:, k + 1] * near[:, k]).sum() / max(float(p[:, k + 1].sum()), 1e-9)) for k in (0, 1)]
    return np.array(
        [
            edges.mean(),
            (edges > 0.5).mean(),
            np.mean([running[a:b].mean() for a, b in spans]),
            running[inside].sum() / total,
            *found,
            min(len(spans), _MOST) / _MOST,
            np.minimum(running, 1 - running).sum() / total,
            1.0,
        ]
    )


def _confidence(odds: F4, spans: Spans) -> float:
    """Return the expected recall × the expected precision, scaled so that 0.6 is enough to report."""
    if not spans:
        return 0.0
    recall, precision = (np.clip(_features(odds, spans) @ np.array(each), 0, 1) for each in (_RECALL, _PRECISION))
    return float((recall * precision) ** _POWER)
