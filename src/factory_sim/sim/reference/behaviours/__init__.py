"""What a machine does with parts, in order. A new behaviour is one file and one line here."""

from __future__ import annotations

from factory_sim.sim.reference.behaviours import batching, joining, machining
from factory_sim.sim.reference.behaviours.behaviour import Behaviour

BEHAVIOURS: dict[str, Behaviour] = {
    "machining": Behaviour("Take a part, work on it, pass it on", machining.ready, machining.process),
    "joining": Behaviour("Take parts from every input, join them, pass one on", joining.ready, machining.process),
    "batching": Behaviour("Take several parts at once, pass them on singly", batching.ready, machining.process),
}
