"""Behaviours: which parts a machine takes and what it does with them; each has one file and one line here."""

from __future__ import annotations

from factory_sim.sim.reference.behaviours import batching, joining, machining
from factory_sim.sim.reference.behaviours.behaviour import Behaviour

BEHAVIOURS: dict[str, Behaviour] = {
    "machining": Behaviour("Take a part, process it, pass it on", machining.ready, machining.process),
    "joining": Behaviour("Take parts from every input, join them, pass one on", joining.ready, machining.process),
    "batching": Behaviour("Take several parts at once, pass them on one by one", batching.ready, machining.process),
}
