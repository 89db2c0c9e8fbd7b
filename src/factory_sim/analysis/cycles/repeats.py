"""Cycles of any machine, by what repeats in its loads, currents or power.

A part program repeats: the times between its load changes are the same in every cycle to about a second, while manual
work and waiting differ each time. So the method looks for what repeats, not for what is loud:

1. Changes of the signals, on a one-second grid, one column a signal.
2. Stretches between pauses; the lengths of all chains of stretches. A length that occurs more often than its
   neighbours is a candidate, because a program has one length.
3. The chains of that length that resemble each other give a template, their mean.
4. The template is compared with the whole signal (normalised cross-correlation); its peaks are the cycles.
5. Repeat for further programs in what is left.

Confidence = share of cycles that resemble their template closely x share of the active seconds that the cycles cover.
Tried before and worse on half of 513 days of two machining centres: thresholds on the rate of change with hysteresis
(even the best thresholds of each day give an F1 of 0.6 in the median), and lengths alone (recall 0.7, precision 0.6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factory_sim.records import F8, I8

SHORTEST_S, LONGEST_S = 25.0, 1500.0
_PAUSE_S = 8.0  # between two stretches
_TOLERANCE_S = 3.0  # of a program's length; signals are often polled once a second
_LEAST_CYCLES = 5  # fewer are no repetition
_PROGRAMS, _ATTEMPTS, _CANDIDATES = 4, 8, 12
_MEMBERS = 120  # chains compared with each other
_ALIKE = 0.5  # correlation of two chains of one program; sampling blurs single cycles
_PEAK, _MEAN_PEAK = 0.55, 0.76  # correlation with the template, of each cycle and on average
_CLOSE = 0.72  # correlation of a cycle that counts as similar for the confidence
_SEVERAL = 0.7  # correlation of a template with itself, shifted, from which it contains several cycles
_RARE = 2.5  # standard deviations by which a length must exceed what chance gives
_ONE_SIGNAL = 0.8  # share of changes in one signal from which a template is a regulator or a pump, not a program
_DENSITY = 0.1  # changes per second of a program, at least
_DAY_S = 30 * 3600  # of one analysis; longer records are analysed in pieces
_NEIGHBOURS_S = 60.0
_BLUR = ((-2, 0.4), (-1, 0.8), (0, 1.0), (1, 0.8), (2, 0.4))  # a poll a second late must still match
_LARGEST = 3.5  # of the logarithm of a change: a spike must not outweigh ten moves


@dataclass(frozen=True, slots=True, eq=False)
class Cycles:
    """Detected cycles, in order of time; shapes (n,)."""

    begin_ns: I8
    end_ns: I8
    confidence: float

    @classmethod
    def none(cls) -> Cycles:
        """Return no cycles."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), 0.0)

    @classmethod
    def joined(cls, found: Sequence[tuple[Cycles, int]]) -> Cycles:
        """Return the cycles of pieces, each with its active seconds: the weight of its confidence."""
        weights = [weight for _, weight in found]
        if not any(weights):
            return cls.none()
        confidence = float(np.average([each.confidence for each, _ in found], weights=weights))
        begins, ends = (np.concatenate([getattr(each, name) for each, _ in found]) for name in ("begin_ns", "end_ns"))
        return cls(begins, ends, confidence)


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Changes by second: their size (n, n_signals), the same blurred, and the stretches between pauses [s]."""

    origin_ns: int
    size: F8
    blurred: F8
    begins: F8
    ends: F8


def detect(signals: Sequence[tuple[I8, F8]]) -> Cycles:
    """Return the cycles in signals, each a pair of times [ns] and values, shapes (n,); NaN: not available.

    Cycles shorter than 25 s or longer than 25 min, or of programs that run fewer than five times, are not found.
    """
    found = []
    for piece in pieces(signals):
        changes = _changes(piece)
        found += [_in_piece(*changes, len(signals))] if len(changes[0]) else []
    return Cycles.joined(found)


def pieces(signals: Sequence[tuple[I8, F8]]) -> Iterator[list[tuple[I8, F8]]]:
    """Yield the signals of one stretch after the other, each short enough to be analysed at once."""
    known = [t_ns[np.isfinite(value)] for t_ns, value in signals]
    known = [t_ns for t_ns in known if len(t_ns)]
    if not known:
        return
    first, last = min(int(t_ns[0]) for t_ns in known), max(int(t_ns[-1]) for t_ns in known)
    for begin in range(first, last + 1, _DAY_S * 1_000_000_000):
        end = begin + _DAY_S * 1_000_000_000
        ranges = [np.searchsorted(t_ns, (begin, end)) for t_ns, _ in signals]
        yield [
            (t_ns[max(a - 1, 0) : b], value[max(a - 1, 0) : b])
            for (t_ns, value), (a, b) in zip(signals, ranges, strict=True)
        ]


def _changes(signals: Sequence[tuple[I8, F8]]) -> tuple[I8, F8, I8]:
    """Return times, sizes and signals of all changes that exceed the resolution of the signal, in order of time."""
    times, sizes, columns = [np.empty(0, np.int64)], [np.empty(0)], [np.empty(0, np.int64)]
    for column, (t_ns, value) in enumerate(signals):
        step = np.abs(np.diff(value))
        known = step[step > 0]
        if not len(known):
            continue
        scale = max(float(np.nanpercentile(np.abs(value), 99)), 1e-12) / 100  # to per cent of the highest load
        there = np.flatnonzero(step >= 2 * scale)  # NaN compares false
        times.append(t_ns[1:][there])
        sizes.append(np.minimum(np.log1p(step[there] / scale), _LARGEST))
        columns.append(np.full(len(there), column))
    t_ns, size, which = np.concatenate(times), np.concatenate(sizes), np.concatenate(columns)
    order = np.argsort(t_ns, kind="stable")
    return t_ns[order], size[order], which[order]


def _in_piece(t_ns: I8, size: F8, column: I8, n_signals: int) -> tuple[Cycles, int]:
    """Return the cycles of one piece, and its active seconds."""
    grid = _gridded(t_ns, size, column, n_signals)
    taken = np.zeros(len(grid.size), np.bool_)
    found: list[I8] = []
    likeness: list[F8] = []
    tried: list[int] = []
    for _ in range(_ATTEMPTS):
        template = _template(grid, taken, tried)
        if template is None or len(found) >= _PROGRAMS:
            break
        starts, peaks = _occurrences(grid, template, taken)
        tried.append(len(template))
        if len(starts) >= _LEAST_CYCLES and peaks.mean() >= _MEAN_PEAK:
            found.append(np.stack((starts, starts + len(template) - 3), axis=1))
            likeness.append(peaks)
            for start in starts.tolist():
                taken[start : start + len(template)] = True
    active = grid.size.any(axis=1)
    if not found:
        return Cycles.none(), int(active.sum())
    covered = int((active & taken).sum()) / max(int(active.sum()), 1)
    spans = np.concatenate(found)
    spans = spans[np.argsort(spans[:, 0])]
    alike = float((np.concatenate(likeness) >= _CLOSE).mean())
    begin, end = (grid.origin_ns + spans * 1_000_000_000).T
    return Cycles(begin, end, alike * covered), int(active.sum())


def _gridded(t_ns: I8, size: F8, column: I8, n_signals: int) -> _Grid:
    t = (t_ns - t_ns[0]) * 1e-9
    n = int(t[-1]) + 8
    grid = np.zeros((n, n_signals))
    np.maximum.at(grid, (t.astype(np.int64), column), size)
    blurred = np.zeros_like(grid)
    for shift, weight in _BLUR:
        blurred += weight * np.roll(grid, shift, axis=0)
    cut = np.flatnonzero(np.diff(t) > _PAUSE_S)
    return _Grid(int(t_ns[0]), grid, blurred, t[np.append(0, cut + 1)], t[np.append(cut, len(t) - 1)])


def _template(grid: _Grid, taken: np.ndarray, tried: list[int]) -> F8 | None:
    """Return the mean of the chains of the length that repeats best, blurred, shape (length, n_signals)."""
    first, length = _chains(grid, taken)
    best, best_worth = None, 0.0
    for candidate in _lengths(length, tried):
        here = np.searchsorted(length, [candidate - _TOLERANCE_S, candidate + _TOLERANCE_S])
        starts = grid.begins[first[here[0] : here[1]]].astype(np.int64)
        n = int(candidate) + 3
        starts = np.sort(starts[starts + n <= len(grid.size)])[:: max(len(starts) // _MEMBERS, 1)]
        members = _alike(grid, starts, n)
        worth = (len(members) - 1) * candidate
        if len(members) >= _LEAST_CYCLES and worth > best_worth and _is_program(grid, members, n):
            mean = np.mean([grid.blurred[at : at + n] for at in members.tolist()], axis=0)
            if not _is_several(mean):
                best, best_worth = mean, worth
    return best


def _is_several(template: F8) -> bool:
    """Return whether a template repeats within itself: several cycles between which the pauses are alike."""
    for lag in range(int(SHORTEST_S), len(template) // 2 + 1):
        a, b = (part - part.mean() for part in (template[lag:], template[:-lag]))
        if (a * b).sum() >= _SEVERAL * max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9):
            return True
    return False


def _chains(grid: _Grid, taken: np.ndarray) -> tuple[I8, F8]:
    """Return the first stretch and the length of every chain of stretches that no cycle has yet, by length."""
    free = np.array([not taken[int(a) : int(b) + 1].any() for a, b in zip(grid.begins, grid.ends, strict=True)])
    blocked = np.append(np.flatnonzero(~free), len(free))
    stop = blocked[np.searchsorted(blocked, np.arange(len(free)))]
    stop = np.minimum(stop, np.searchsorted(grid.ends, grid.begins + LONGEST_S, "right"))
    counts = np.where(free, np.maximum(stop - np.arange(len(free)), 0), 0)
    first = np.repeat(np.arange(len(free)), counts)
    last = first + np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    length = grid.ends[last] - grid.begins[first]
    long = length >= SHORTEST_S
    order = np.argsort(length[long], kind="stable")
    return first[long][order], length[long][order]


def _lengths(length: F8, tried: list[int]) -> list[float]:
    """Return the lengths that occur more often than chance explains, the most frequent first."""
    near, around = _within(length, _TOLERANCE_S), _within(length, _NEIGHBOURS_S)
    span = np.minimum(_NEIGHBOURS_S, np.maximum((length - SHORTEST_S) / 2 + _NEIGHBOURS_S / 2, _NEIGHBOURS_S / 2))
    chance = around * _TOLERANCE_S / span
    rare = (near - chance > _RARE * np.sqrt(np.maximum(chance, 1))) & (near >= _LEAST_CYCLES)
    worth = np.where(rare, (near - chance) * np.sqrt(np.maximum(length, 0)), 0.0)
    for known in tried:
        worth[np.abs(length - known + 3) <= _TOLERANCE_S] = 0.0
    found: list[float] = []
    while len(found) < _CANDIDATES and len(worth) and worth.max() > 0:
        found.append(float(length[int(worth.argmax())]))
        worth[np.abs(length - found[-1]) < _TOLERANCE_S] = 0.0
    return found


def _within(length: F8, distance: float) -> I8:
    found: I8 = np.searchsorted(length, length + distance, "right") - np.searchsorted(length, length - distance, "left")
    return found


def _alike(grid: _Grid, starts: I8, n: int) -> I8:
    """Return the starts of the largest group of chains that resemble one of them and do not overlap."""
    if len(starts) < _LEAST_CYCLES:
        return starts[:0]
    shapes = np.stack([grid.blurred[at : at + n].ravel() for at in starts.tolist()])
    shapes -= shapes.mean(axis=1, keepdims=True)
    shapes /= np.maximum(np.linalg.norm(shapes, axis=1, keepdims=True), 1e-9)
    near = shapes @ shapes.T >= _ALIKE
    kept: list[int] = []
    for at in starts[near[int(near.sum(axis=1).argmax())]].tolist():
        if not kept or at - kept[-1] >= 0.9 * n:
            kept.append(at)
    return np.array(kept, np.int64)


def _is_program(grid: _Grid, starts: I8, n: int) -> bool:
    """Return whether several signals change often enough; a single one is a regulator or a pump."""
    changes = np.mean([(grid.size[at : at + n] > 0).sum(axis=0) for at in starts.tolist()], axis=0)
    several = len(changes) == 1 or changes.max() <= _ONE_SIGNAL * changes.sum()
    return bool(several and changes.sum() >= _DENSITY * n)


def _occurrences(grid: _Grid, template: F8, taken: np.ndarray) -> tuple[I8, F8]:
    """Return where the template occurs without overlap, and how well it fits there."""
    fit, n = _fit(grid.blurred, template), len(template)
    busy, starts, peaks = taken.copy(), [], []
    for at in np.argsort(-fit, kind="stable").tolist():
        if fit[at] < _PEAK:
            break
        if not busy[at + 3 : at + n - 3].any():
            busy[at : at + n] = True
            starts.append(at)
            peaks.append(fit[at])
    return np.array(starts, np.int64), np.array(peaks)


def _fit(signal: F8, template: F8) -> F8:
    """Return the normalised cross-correlation of a template with a signal at each start; shape (n - length + 1,)."""
    length, n_signals = template.shape
    n = len(signal) - length + 1
    centred = template - template.mean()
    size = 1 << (len(signal) + length - 1).bit_length()
    spectrum = np.fft.rfft(signal, size, axis=0) * np.conj(np.fft.rfft(centred, size, axis=0))
    product = np.fft.irfft(spectrum.sum(axis=1), size)[:n]
    total, squares = (np.concatenate(([0.0], np.cumsum(each.sum(axis=1)))) for each in (signal, signal**2))
    mean, power = total[length:] - total[:-length], squares[length:] - squares[:-length]
    spread = np.sqrt(np.maximum(power - mean**2 / (length * n_signals), 1e-6))
    fit: F8 = product / (spread * max(float(np.sqrt((centred**2).sum())), 1e-9))
    return fit
