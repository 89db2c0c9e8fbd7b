"""What a machine does with parts, in order. A new behaviour is one file and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.sim.reference.behaviours import batching, joining, machining
from factory_sim.sim.reference.behaviours.behaviour import Behaviour

if TYPE_CHECKING:
    from factory_sim.plant.spec import Operation

BEHAVIOURS: dict[str, Behaviour] = {
    "machining": Behaviour("Take a part, work on it, pass it on", machining.ready, machining.process),
    "joining": Behaviour("Take parts from every input, join them, pass one on", joining.ready, machining.process),
    "batching": Behaviour("Take several parts at once, pass them on singly", batching.ready, machining.process),
}


def behaviour_of(operation: Operation) -> Behaviour:
    """The operation's own, or what its inputs and batch ask for where it names the plain one."""
    name = operation.behaviour
    if name == "machining" and operation.batch is not None:
        name = "batching"
    elif name == "machining" and (len(operation.inputs) > 1 or operation.inputs[0].quantity > 1):
        name = "joining"
    return BEHAVIOURS[name]
