"""A scrambled Sobol' sequence, with the direction numbers of Joe and Kuo (2008) [`vendor/joe_kuo.txt`].

The points are those of `scipy.stats.qmc.Sobol`, whose import takes longer than any design.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factory_sim.records import F8

MOST_DIMENSIONS = 200  # of the table
_TABLE = Path(__file__).parent / "vendor" / "joe_kuo.txt"
_BITS = 30  # as in SciPy


def scrambled(dimensions: int, n: int, generator: np.random.Generator) -> F8:
    """Return the first n points, a power of two, shape (n, dimensions), in [0, 1).

    The scrambling is a random lower triangular matrix and a digital shift for each dimension [Matoušek 1998].
    """
    generator = generator.spawn(1)[0]  # as in SciPy
    shifts = generator.integers(2, size=(dimensions, _BITS), dtype=np.uint32)[:, ::-1]
    matrices = np.tril(generator.integers(2, size=(dimensions, _BITS, _BITS), dtype=np.uint32))
    matrices[:, range(_BITS), range(_BITS)] = 1
    index = np.arange(n)
    index ^= index >> 1  # Gray code
    digits = (index[:, None] >> np.arange((n - 1).bit_length())) & 1
    weights = 0.5 ** np.arange(1, _BITS + 1)
    found = [
        (digits @ (matrix @ columns % 2).T + shift) % 2 @ weights
        for matrix, columns, shift in zip(matrices, _generators(dimensions, digits.shape[1]), shifts, strict=True)
    ]
    return np.column_stack(found)


def _generators(dimensions: int, size: int) -> list[NDArray[np.int64]]:
    """Return the generator matrix of each dimension, shape (bits, size): column i is direction number i in binary."""
    with _TABLE.open(encoding="ascii") as file:
        rows = [[int(word) for word in line.split()] for line in islice(file, 1, dimensions)]
    directions = [[1 << (_BITS - 1 - i) for i in range(size)]]
    directions += [_directions(a, m, size) for _, _, a, *m in rows]
    return [(np.array(each, np.int64) >> np.arange(_BITS - 1, -1, -1)[:, None]) & 1 for each in directions]


def _directions(a: int, m: list[int], size: int) -> list[int]:
    """Return the direction numbers of a primitive polynomial with the inner coefficients a (Bratley and Fox 1988)."""
    degree = len(m)
    v = [each << (_BITS - 1 - i) for i, each in enumerate(m)]
    while len(v) < size:
        new = v[-degree] ^ (v[-degree] >> degree)
        for k in range(1, degree):
            if a >> (degree - 1 - k) & 1:
                new ^= v[-k]
        v.append(new)
    return v[:size]
