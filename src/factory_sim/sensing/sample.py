"""EventLog -> Readings: one walk over each unit's pieces of constant power, filling tick-major blocks of counts.

A *piece* is a stretch of time in one slot (unit_load.py) at one wear. Pieces begin at rows and at steps of the program,
ticks are multiples of the period. Neither depends on where a slice ends, so readings are bit-identical for any slices.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factory_sim.clock import ns_from_us
from factory_sim.jit import raising_njit
from factory_sim.plant.states import N_STATES, Outcome, State
from factory_sim.random_streams import bits
from factory_sim.records import Readings, Rows, Samples
from factory_sim.sensing import channels as arrays
from factory_sim.sensing.faults import Faults
from factory_sim.sensing.kinds.sensor_kind import Response
from factory_sim.sensing.unit_load import MAX_STEPS
from factory_sim.sensing.unit_position import Positions

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.records import F8, I2, I4, I8, U1, EventLog
    from factory_sim.sensing.channels import Channels, Tracks

CHUNK_TICKS = 600  # of the shortest period: a block of 1,224 sensors is 3 MB and stays in the cache

_BUSY, _STARVED, _IDLE = int(State.BUSY), int(State.STARVED), int(State.IDLE)
_TOOK = int(Outcome.TOOK)
_DIRECT, _MEAN = int(Response.DIRECT), int(Response.MEAN)
_LAG, _INTEGRAL = int(Response.LAG), int(Response.INTEGRAL)
_QUARTERS_MEAN, _QUARTERS_SD = 2 * 65535.0, math.sqrt(4 * (65536.0**2 - 1) / 12)


class Sensing:
    """The sensors of one run from `t0_us` on; `sample` is called once for each slice, in order of time.

    Opening rows (before t0) set the first states of the units. After `remember`, counters, batteries and temperatures
    continue from the run so far; without it counters begin at 0, batteries full, temperatures in balance.
    """

    def __init__(self, plant: Plant, *, seed: int, replication: int, epoch_ns: int, t0_us: int) -> None:
        self._epoch_ns, self._t0_us, self._end_us = epoch_ns, t0_us, t0_us
        self._channels = arrays.channels(plant, seed, replication, t0_us)
        self._tracks = arrays.tracks(plant, t0_us)
        self._next_seq = np.zeros(len(plant.units), np.int64)
        self._blocks = _blocks(plant, self._channels)
        self._faults = Faults(plant, seed=seed, replication=replication, epoch_ns=epoch_ns)
        self._positions = Positions(plant)
        self._began = self._remembers = False

    def remember(self, history: EventLog) -> None:
        """Let the sensors follow all rows of the run before t0 without reading. Call it before the first `sample`."""
        if self._began or (len(history) and history.t_us[-1] >= self._t0_us):
            msg = "History must be remembered before the first sample, and its rows must end before the first reading."
            raise ValueError(msg)
        self._channels.mark_us[:], self._tracks.since_us[:] = 0, 0
        self._positions.follow(history)
        rows, pieces = _prepared(history, len(self._next_seq))
        spots, _ = self._empty_blocks(self._t0_us, self._t0_us)
        _walk(rows, self._t0_us, self._channels, self._tracks, pieces, spots)
        means = self._channels.response == Response.MEAN
        self._channels.value[means], self._channels.mark_us[means] = 0.0, self._t0_us
        self._remembers = True

    def sample(self, log: EventLog, t1_us: int) -> Readings:
        """Return the readings of [end of the last call, t1_us). Raise ValueError for rows outside that stretch.

        `log` holds the rows of that stretch; in the first call also the opening rows.
        """
        self._check(log, t1_us)
        rows = self._faults.rows(self._rows(log), log.t_us)
        samples = self._samples(log.take(log.t_us >= self._t0_us) if self._remembers else log, t1_us)
        self._began, self._end_us = True, t1_us
        return Readings(rows, samples)

    def sent_rows(self) -> tuple[int, ...]:
        """Return the number of rows so far, by unit."""
        return tuple(self._next_seq.tolist())

    def sent_ticks(self) -> tuple[tuple[int, int, int], ...]:
        """Return (period_us, first tick, ticks so far) of every period."""
        firsts = [(block.period_us, _tick(block.period_us, self._t0_us)) for block in self._blocks]
        return tuple((period_us, first, _tick(period_us, self._end_us) - first) for period_us, first in firsts)

    def _check(self, log: EventLog, t1_us: int) -> None:
        if t1_us < self._end_us:
            msg = f"The slice ends at {t1_us} µs, but readings up to {self._end_us} µs have been taken."
            raise ValueError(msg)
        if len(log) and (log.t_us[-1] >= t1_us or (self._began and log.t_us[0] < self._end_us)):
            msg = f"Rows of [{log.t_us[0]}, {log.t_us[-1]}] µs lie outside the slice [{self._end_us}, {t1_us}) µs."
            raise ValueError(msg)

    def _rows(self, log: EventLog) -> Rows:
        """Return every log row with its unit's sequence number, without the wear, which no real plant reports."""
        order, first_row = _by_unit(log, len(self._next_seq))
        counts = np.diff(first_row)
        seq = np.empty(len(log), np.int64)
        seq[order] = np.arange(len(log)) + np.repeat(self._next_seq - first_row[:-1], counts)
        self._next_seq += counts
        hidden = self._tracks.wears[log.unit] & (log.state == State.BUSY) & (log.outcome <= Outcome.MERGED)
        return Rows(
            ns_from_us(log.t_us, self._epoch_ns),
            log.unit,
            seq,
            log.state,
            log.part,
            log.outcome,
            np.where(hidden, 0, log.detail).astype(np.int32),
        )

    def _samples(self, log: EventLog, t1_us: int) -> tuple[Samples, ...]:
        if not self._blocks:
            return ()
        rows, pieces = _prepared(log, len(self._next_seq))
        self._positions.follow(log)
        found = list[Samples]()
        chunk_us = CHUNK_TICKS * self._blocks[0].period_us
        for begin_us in range(self._end_us, t1_us, chunk_us):
            end_us = min(begin_us + chunk_us, t1_us)
            spots, samples = self._empty_blocks(begin_us, end_us)
            _walk(rows, end_us, self._channels, self._tracks, pieces, spots)
            for block in samples:
                if len(block.raw):
                    self._positions.add(block)
                    found += self._faults.samples(block)
        return tuple(found)

    def _empty_blocks(self, begin_us: int, end_us: int) -> tuple[_Spots, list[Samples]]:
        """Return blocks for the ticks of [begin_us, end_us), and where in their memory each channel writes."""
        firsts = [_tick(block.period_us, begin_us) for block in self._blocks]
        shapes = [
            (_tick(block.period_us, end_us) - first, len(block.columns))
            for first, block in zip(firsts, self._blocks, strict=True)
        ]
        cell, stride, tick = np.empty((3, len(self._channels.sensor)), np.int64)
        memory = np.empty(sum(n * width for n, width in shapes), np.int32)
        samples, base = [], 0
        for first, (n, width), block in zip(firsts, shapes, self._blocks, strict=True):
            cell[block.columns], stride[block.columns], tick[block.columns] = base + np.arange(width), width, first
            raw = memory[base : base + n * width].reshape(n, width)
            samples.append(Samples(block.period_us, first, block.sensor, raw))
            base += n * width
        return _Spots(cell, stride, tick, memory), samples


class _Block(NamedTuple):
    """The sensors of one period."""

    period_us: int
    columns: I8  # their positions in Channels, in the order of `sensor`
    sensor: I2  # ids, rising


class _Spots(NamedTuple):
    """Where the walk writes: channel i puts its next tick, `tick[i]`, at raw[cell[i]], the one after `stride[i]` on."""

    cell: I8
    stride: I8
    tick: I8
    raw: I4


class _Events(NamedTuple):
    """The log as the walk needs it: rows by unit; the pending rows of unit u are order[cursor[u]:last[u]]."""

    t_us: I8
    state: U1
    outcome: U1
    detail: I4
    order: I8
    cursor: I8
    last: I8


class _Pieces(NamedTuple):
    """Memory for the pieces of one unit; the first one began earlier, so its `begin_us` is not used."""

    begin_us: I8
    slot: U1
    wear: F8


def _by_unit(log: EventLog, n_units: int) -> tuple[I8, I8]:
    """Return the rows in order of unit, shape (n,), and the first row of each unit, shape (n_units + 1,)."""
    order = np.argsort(log.unit, kind="stable")
    return order, np.searchsorted(log.unit[order], np.arange(n_units + 1))


def _prepared(log: EventLog, n_units: int) -> tuple[_Events, _Pieces]:
    """Return the log as the walk takes it, and memory for the pieces of the busiest unit."""
    order, first_row = _by_unit(log, n_units)
    room = (int(np.diff(first_row).max(initial=0)) + 1) * (MAX_STEPS + 1) + 1
    pieces = _Pieces(np.empty(room, np.int64), np.empty(room, np.uint8), np.empty(room, np.float64))
    columns = (log.t_us, log.state, log.outcome, log.detail)
    return _Events(*columns, order, first_row[:-1].copy(), first_row[1:].copy()), pieces


def _blocks(plant: Plant, channels: Channels) -> list[_Block]:
    """Return one block per period, the shortest first."""
    blocks = []
    for period_us in np.unique(channels.period_us).tolist():
        columns = np.flatnonzero(channels.period_us == period_us)
        columns = columns[np.argsort(channels.sensor[columns], kind="stable")]
        ids = [plant.sensors[i].id for i in channels.sensor[columns]]
        blocks.append(_Block(period_us, columns, np.array(ids, np.int16)))
    return blocks


def _tick(period_us: int, from_us: int) -> int:
    """Return the first tick at or after `from_us`."""
    return -(-from_us // period_us)


@raising_njit
def _walk(rows: _Events, end_us: int, channels: Channels, tracks: Tracks, pieces: _Pieces, spots: _Spots) -> None:
    """Read every sensor of every unit at its ticks before `end_us`; rows are consumed from the cursors on."""
    for unit in range(len(rows.cursor)):
        if channels.first[unit] < channels.first[unit + 1]:
            n = _cut(rows, unit, end_us, tracks, pieces)
            for i in range(channels.first[unit], channels.first[unit + 1]):
                _read(channels, i, n, pieces, end_us, spots)


@raising_njit
def _cut(rows: _Events, unit: int, end_us: int, tracks: Tracks, pieces: _Pieces) -> Any:
    """Write the pieces of `unit` up to `end_us`, including the one open at first; return their number."""
    pieces.slot[0], pieces.wear[0] = tracks.slot[unit], tracks.wear[unit]
    n, at = 1, rows.cursor[unit]
    while at < rows.last[unit] and rows.t_us[rows.order[at]] < end_us:
        row = rows.order[at]
        at += 1
        t_us, state, outcome = rows.t_us[row], rows.state[row], rows.outcome[row]
        n = _cut_steps(n, t_us, unit, tracks, pieces)
        if tracks.state[unit] == _BUSY:
            tracks.busy_us[unit] += t_us - tracks.since_us[unit]
        if outcome == _TOOK or state in (_STARVED, _IDLE):
            tracks.busy_us[unit] = 0  # the next work is a new cycle; other stops interrupt this one
        if tracks.wears[unit] and state == _BUSY and outcome <= _TOOK:
            tracks.wear[unit] = rows.detail[row] * 1e-6
        tracks.state[unit], tracks.since_us[unit] = state, t_us
        pieces.begin_us[n], pieces.slot[n], pieces.wear[n] = t_us, _slot(state, unit, tracks), tracks.wear[unit]
        n += 1
    rows.cursor[unit] = at
    n = _cut_steps(n, end_us, unit, tracks, pieces)
    tracks.slot[unit] = pieces.slot[n - 1]
    return n


@raising_njit
def _cut_steps(n: int, until_us: int, unit: int, tracks: Tracks, pieces: _Pieces) -> int:
    """Cut the open piece, the last of n, at steps of the program before `until_us`; return the new n."""
    while tracks.state[unit] == _BUSY:
        step = 0 if pieces.slot[n - 1] == _BUSY else np.int64(pieces.slot[n - 1]) - N_STATES + 1
        begin_us = tracks.since_us[unit] - tracks.busy_us[unit] + tracks.step_us[unit, step]
        if begin_us >= until_us:
            break
        pieces.begin_us[n], pieces.slot[n], pieces.wear[n] = begin_us, N_STATES + step, pieces.wear[n - 1]
        n += 1
    return n


@raising_njit
def _slot(state: int, unit: int, tracks: Tracks) -> int:
    """Return the state itself, or the step that the cycle's busy time has reached."""
    step = -1
    if state == _BUSY:
        while tracks.step_us[unit, step + 1] <= tracks.busy_us[unit]:
            step += 1
    return state if step < 0 else N_STATES + step


@raising_njit
def _read(c: Channels, i: int, n: int, pieces: _Pieces, end_us: int, spots: _Spots) -> None:
    """Let channel i follow the n pieces and write its counts at the ticks before `end_us`."""
    value, mark_us, period_us = c.value[i], c.mark_us[i], c.period_us[i]
    tick, cell = spots.tick[i], spots.cell[i]
    for p in range(n):
        stop_us = pieces.begin_us[p + 1] if p + 1 < n else end_us
        if stop_us <= mark_us:
            continue
        slot = np.int64(pieces.slot[p])
        level = c.levels[i, slot] + c.worn[i, slot] * pieces.wear[p] * pieces.wear[p]
        if math.isnan(value):
            value = c.levels[i, slot if slot < N_STATES else _BUSY]  # as after long in this state
        while tick * period_us < stop_us:
            due_us = tick * period_us
            value = _follow(c, i, value, level, due_us - mark_us)
            reading = level if c.response[i] == _DIRECT else value
            if c.response[i] == _MEAN:
                span_us = min(period_us, due_us - c.t0_us)
                reading, value = value / (span_us * 1e-6) if span_us > 0 else level, 0.0
            spots.raw[cell] = _count(c, i, tick, reading)
            mark_us, tick, cell = due_us, tick + 1, cell + spots.stride[i]
        if p + 1 < n:  # the last piece is still open: a slice border changes nothing
            value = _follow(c, i, value, level, stop_us - mark_us)
            mark_us = stop_us
    c.value[i], c.mark_us[i] = value, mark_us


@raising_njit
def _follow(c: Channels, i: int, value: float, level: float, dt_us: int) -> Any:
    """Return the carried value after another `dt_us` at `level`: the exact solution, not an approximation."""
    if c.response[i] == _MEAN:
        return value + level * (dt_us * 1e-6)
    if c.response[i] == _INTEGRAL:
        return min(max(value + level * (dt_us * 1e-6), c.low[i]), c.high[i])
    if c.response[i] == _LAG:
        decay = c.decay[i] if dt_us == c.period_us[i] else math.exp(-dt_us * 1e-6 / c.time_constant_s[i])
        return level + (value - level) * decay
    return value


@raising_njit
def _count(c: Channels, i: int, tick: int, reading: float) -> Any:
    """Return the count of a reading: add noise, clip to the range, round.

    Noise is the sum of the four 16-bit quarters of draw `tick`: nearly normal, never beyond 3.5 standard deviations.
    """
    z, quarter = bits(c.name[i], tick), np.uint64(0xFFFF)
    total = (z & quarter) + (z >> np.uint64(16) & quarter) + (z >> np.uint64(32) & quarter) + (z >> np.uint64(48))
    deviation = (np.float64(total) - _QUARTERS_MEAN) / _QUARTERS_SD
    noisy = reading + (c.noise[i] + c.scatter[i] * abs(reading)) * deviation
    return np.int32(min(max(math.floor((noisy - c.offset[i]) / c.scale[i] + 0.5), c.least[i]), c.most[i]))
