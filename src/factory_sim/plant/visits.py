"""How many parts each operation works on for one finished product, with scrap and rework.

Of the parts that an operation works on, the inspection passes on the share 1 - scrap - rework, whatever happened to
them before (QUAL-1). So the parts that an operation works on follow from those that the next one takes, from the exit
back to the sources. Parts that come back replace new ones. How many come back depends on the limit of loops (QUAL-2),
and that on the loops which parts have behind them: a share by number of loops, found by repetition.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory_sim.plant.spec import Operation, Plant

MOST_LOOPS = 40  # above this a limit counts as none: it is rarely reached
ROUNDS = 200
CLOSE = 1e-9

Shares = list[float]  # of the parts at an operation, by the number of loops behind them


def has_losses(plant: Plant) -> bool:
    """Return whether an inspection rejects parts."""
    return any(each.inspection and each.inspection.scrap + each.inspection.rework > 0 for each in plant.operations)


def visits(plant: Plant) -> list[float]:
    """Return the parts that each operation works on for one finished product; infinite where all become scrap."""
    finite = [int(limit) for operation in plant.operations if (limit := _limit(operation)) < math.inf]
    shares: list[Shares] = [[1.0] + [0.0] * max(finite, default=0) for _ in plant.operations]
    for _ in range(ROUNDS):
        back = [_sent_back(operation, share) for operation, share in zip(plant.operations, shares, strict=True)]
        worked, returned = _backward(plant, back)
        before, shares = shares, _forward(plant, worked, returned, shares) if finite else shares
        if all(map(_are_close, before, shares)):
            break
    return worked


def _are_close(before: Shares, after: Shares) -> bool:
    return all(abs(a - b) < CLOSE for a, b in zip(before, after, strict=True))


def _limit(operation: Operation) -> float:
    inspection = operation.inspection
    if inspection is None or inspection.rework == 0:
        return math.inf
    return inspection.max_loops if inspection.max_loops <= MOST_LOOPS else math.inf


def _sent_back(operation: Operation, shares: Shares) -> float:
    """Return the share of the parts that an operation sends back."""
    rework = operation.inspection.rework if operation.inspection else 0.0
    limit = _limit(operation)
    return rework * math.fsum(share for loops, share in enumerate(shares) if loops < limit)


def _backward(plant: Plant, back: Shares) -> tuple[list[float], list[float]]:
    """Return for each operation the parts it works on, and those of them that come back, for one finished product."""
    operations = plant.operations
    needed = [1.0] * len(operations)  # good parts
    worked, returned = [0.0] * len(operations), [0.0] * len(operations)
    for index, operation in reversed(list(enumerate(operations))):
        inspection = operation.inspection
        good = 1.0 - inspection.scrap - inspection.rework if inspection else 1.0
        worked[index] = needed[index] / good if good > CLOSE else math.inf
        if inspection and inspection.rework_to >= 0:
            returned[inspection.rework_to] += worked[index] * back[index] if back[index] else 0.0
        new = worked[index] - returned[index] if worked[index] < math.inf else math.inf
        for n, each in enumerate(operation.inputs):
            if each.operation >= 0:
                takes = worked[index] if n and operation.rework_components else new
                needed[each.operation] = takes * each.quantity
    return worked, returned


def _forward(plant: Plant, worked: list[float], returned: list[float], before: list[Shares]) -> list[Shares]:
    """Return the shares by loops from the parts that come from the first input and those that come back."""
    come_back = [[0.0] * len(each) for each in before]
    for operation, share, parts in zip(plant.operations, before, worked, strict=True):
        inspection = operation.inspection
        if inspection and inspection.rework_to >= 0 and parts < math.inf:
            target, limit = come_back[inspection.rework_to], _limit(operation)
            for loops, each in enumerate(share):
                target[min(loops + 1, len(share) - 1)] += inspection.rework * each * parts if loops < limit else 0.0
    shares: list[Shares] = []
    for index, operation in enumerate(plant.operations):
        first = operation.inputs[0].operation
        fresh = shares[first] if first >= 0 else [1.0] + [0.0] * (len(before[index]) - 1)
        total = math.fsum(come_back[index])
        rest = max(worked[index] - returned[index], 0.0)
        if not rest + total or worked[index] == math.inf:
            shares.append(fresh)
            continue
        mixed = zip(fresh, come_back[index], strict=True)
        shares.append([(rest * new + old) / (rest + total) for new, old in mixed])
    return shares
