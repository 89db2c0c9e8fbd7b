"""Sums of samples by block."""
# ruff: noqa: C901 - compiled: Numba infers types; one argument a column

from __future__ import annotations

import numpy as np

from factory_sim.jit import inner_njit, njit


@njit
def scatter(raw, present, first, column, block, seen, count, total, low, high, tick0, raw0, tick1, raw1):
    """Add readings raw[k, j] of ticks first + k and sensors column[j] to the statistics of their blocks, once each.

    `present` has the shape of `raw`, or (0, 0) when all are present; block[k] is the block of tick k; `seen` has a bit
    for each tick and sensor; the statistics have shape (n_blocks, n_sensors). Return the number of duplicates.
    """
    duplicates = 0
    everything = present.shape[0] == 0
    straight = everything and len(column) == count.shape[1]
    for j in range(len(column)):
        straight = straight and column[j] == j
    for k in range(raw.shape[0]):
        tick, b = first + k, block[k]
        new = straight
        if straight:
            for byte in seen[tick]:
                new = new and byte == 0
        if new:
            _scatter_row(raw[k], tick, count[b], total[b], low[b], high[b], tick0[b], raw0[b], tick1[b], raw1[b])
            _set_all(seen[tick], len(column))
            continue
        for j in range(len(column)):
            if not everything and not present[k, j]:
                continue
            c = column[j]
            bit = np.uint8(1 << (c & 7))
            if seen[tick, c >> 3] & bit:
                duplicates += 1
                continue
            seen[tick, c >> 3] |= bit
            x = np.int64(raw[k, j])
            count[b, c] += 1
            total[b, c] += x
            low[b, c] = min(low[b, c], x)
            high[b, c] = max(high[b, c], x)
            if tick < tick0[b, c]:
                tick0[b, c], raw0[b, c] = tick, x
            if tick > tick1[b, c]:
                tick1[b, c], raw1[b, c] = tick, x
    return duplicates


@inner_njit
def _scatter_row(raw, tick, count, total, low, high, tick0, raw0, tick1, raw1):
    """Add a whole row without branches, so that LLVM vectorises the loop (8 times as fast as the general one)."""
    for c in range(len(raw)):
        x = np.int64(raw[c])
        count[c] += 1
        total[c] += x
        low[c] = min(low[c], raw[c])
        high[c] = max(high[c], raw[c])
        earlier, later = tick < tick0[c], tick > tick1[c]
        tick0[c] = tick if earlier else tick0[c]
        raw0[c] = raw[c] if earlier else raw0[c]
        tick1[c] = tick if later else tick1[c]
        raw1[c] = raw[c] if later else raw1[c]


@inner_njit
def _set_all(bits, n):
    for i in range(n >> 3):
        bits[i] = 255
    if n & 7:
        bits[n >> 3] |= np.uint8((1 << (n & 7)) - 1)
