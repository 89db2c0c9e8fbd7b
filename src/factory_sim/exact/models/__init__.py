"""The models that `exact` knows. A new one is one file and one line here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from factory_sim.errors import did_you_mean
from factory_sim.exact.models.limited import CONWIP, LOSS
from factory_sim.exact.models.queues import JACKSON, MG1, MMC
from factory_sim.exact.models.tandem import TANDEM

if TYPE_CHECKING:
    from factory_sim.exact.case import Case, Model
    from factory_sim.exact.rows import Row

MODELS: dict[str, Model] = {
    "saturated tandem line": TANDEM,
    "M/M/c": MMC,
    "M/G/1": MG1,
    "tandem M/M/1": JACKSON,
    "M/M/1/K": LOSS,
    "closed exponential tandem, CONWIP": CONWIP,
}

# Other words for the same metric.
SYNONYMS = {
    "mean_number_in_queue": "mean_queue_length",
    "lq": "mean_queue_length",
    "wq": "mean_waiting_time",
    "mean_wait": "mean_waiting_time",
    "l": "mean_number_in_system",
    "mean_number": "mean_number_in_system",
    "mean_wip": "mean_number_in_system",
    "w": "mean_sojourn_time",
    "mean_time_in_system": "mean_sojourn_time",
    "mean_cycle_time": "mean_sojourn_time",
    "utilization": "utilisation",
    "loss_probability": "blocking_probability",
    "production_rate": "throughput",
}


def case_of(row: Row) -> Case:
    """The plant and the measurement that a row asks for. Raises ConfigError naming the row, the key, what is known."""
    names = {_plain(name): name for name in MODELS}
    name = names.get(_plain(row.model))
    if name is None:
        raise row.problem("model", f"{row.model!r} is not known; known: {', '.join(MODELS)}", did_you_mean(row.model, MODELS))
    model = MODELS[name]
    word = row.metric.strip().lower().replace(" ", "_").replace("-", "_")
    metric = SYNONYMS.get(word, word)
    if metric not in model.metrics:
        known = ", ".join(model.metrics)
        raise row.problem("metric", f"{row.metric!r} is not known for {name!r}; known: {known}", did_you_mean(word, model.metrics))
    return model.case(row, metric)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
