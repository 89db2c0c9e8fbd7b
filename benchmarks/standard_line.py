"""The standard line: single machines, buffers of 10, exponential 37 s, saturated; here with failures and a join."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from factory_sim.plant.resolve.derived import with_derived
from factory_sim.plant.spec import FailureMode, Input, Source
from factory_sim.validation.exact.lines import Stop, exponential, line

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant

MACHINES = 153


def plain_line(machines: int = MACHINES) -> Plant:
    """The line of textbooks: no failures, no joins."""
    return line([Stop(exponential(37.0), 1, 10)] * machines, Source("source", 0))


def standard_line(machines: int = MACHINES) -> Plant:
    """Three equal branches; the third begins where the other two are joined. Every machine has two failure modes."""
    modes = (
        FailureMode("jam", exponential(1800.0), exponential(20.0)),
        FailureMode("breakdown", exponential(14400.0), exponential(600.0), clock="calendar"),
    )
    plant = line([Stop(exponential(37.0), 1, 10, failures=modes)] * machines, Source("first", 0))
    third = machines // 3
    operations = list(plant.operations)
    operations[third] = replace(operations[third], inputs=(Input(source=1, capacity=10),))
    operations[third - 1] = replace(operations[third - 1], destination=2 * third)
    joined = (Input(operation=2 * third - 1, capacity=10), Input(operation=third - 1, capacity=10))
    operations[2 * third] = replace(operations[2 * third], inputs=joined)
    second = Source("second", 1)
    changed = replace(
        plant,
        sources=(*plant.sources, second),
        operations=tuple(replace(o, machines=tuple(u + 1 for u in o.machines)) for o in operations),
        machines=tuple(replace(m, unit=m.unit + 1) for m in plant.machines),
        units=(plant.units[0], "second", *plant.units[1:]),
    )
    return with_derived(changed)
