"""The models of `validate exact`. A new one is a function and one line here."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from factory_sim.errors import did_you_mean
from factory_sim.validation.exact.case import Model
from factory_sim.validation.exact.models import deterministic, limited, plant_features, queues, tandem

if TYPE_CHECKING:
    from factory_sim.validation.exact.case import Case, Once
    from factory_sim.validation.exact.table_rows import Row

_WAITS = ("mean_queue_length", "mean_waiting_time", "mean_number_in_system", "mean_sojourn_time", "utilisation")
_REWORK = ("scrap_probability", "mean_visits", "mean_number_in_system", "mean_sojourn_time", "utilisation")
_REPAIR = ("availability", "mean_number_down", "mean_queue_length", "mean_waiting_time", "utilisation")
MODELS: dict[str, Model] = {
    "saturated tandem line": Model(("throughput", "mean_number_in_system", "utilisation"), tandem.case),
    "deterministic tandem line": Model(("nth_departure", "departure_time"), deterministic.deterministic),
    "M/M/c": Model((*_WAITS, "throughput"), queues.mmc),
    "M/G/1": Model((*_WAITS, "throughput"), queues.mg1),
    "tandem M/M/1": Model((*_WAITS[1:4], "throughput"), queues.jackson),
    "M/M/1/K": Model((*_WAITS, "throughput", "blocking_probability"), limited.loss),
    "closed exponential tandem, CONWIP": Model(("throughput", "mean_sojourn_time", "utilisation"), limited.conwip),
    "machine repair": Model((*_REPAIR, "throughput"), plant_features.repair),
    "vehicle fleet": Model(_WAITS, plant_features.fleet),
    "batch service": Model(_WAITS, plant_features.batch),
    "rework": Model((*_REWORK, "throughput"), plant_features.rework),
    "shift": Model(("throughput", "utilisation"), plant_features.shift),
    "maintenance by count": Model(("throughput", "utilisation", "availability"), plant_features.maintenance),
    "changeover": Model(("throughput", "setup_ratio"), plant_features.changeover),
}

# Other words for the same metric.
SYNONYMS = {
    "mean_queue_length": ("mean_number_in_queue", "lq"),
    "mean_waiting_time": ("wq", "mean_wait", "mean_waiting_time_in_queue"),
    "mean_number_in_system": ("l", "mean_number", "mean_wip", "work_in_process"),
    "mean_sojourn_time": ("w", "mean_time_in_system", "mean_response_time", "mean_cycle_time", "mean_lead_time"),
    "utilisation": ("utilization",),
    "blocking_probability": ("loss_probability",),
    "throughput": ("production_rate",),
}

# Other words for the same model; a number or a kind of service in the name is read like a key.
_SPELLINGS: tuple[tuple[str, str, dict[str, str]], ...] = (
    (r"m/m/(?P<c>\d+)", "M/M/c", {}),
    (r"m/m/(?P<c>\d+)/(?P<K>\d+)|m/m/c/k|m/m/(?P<c_>\d+)/k", "M/M/1/K", {}),
    (r"m/d/1", "M/G/1", {"service": "deterministic"}),
    (r"m/e(?P<phases>\d+|k)/1", "M/G/1", {"service": "erlang"}),
    (r"jackson.*|.*tandem(of)?m/m/[1c]|m/m/[1c]tandem", "tandem M/M/1", {}),
    (r".*conwip.*", "closed exponential tandem, CONWIP", {}),
    (r"singlemachine|tandemline|saturatedline|saturatedtandem", "saturated tandem line", {}),
    (r"deterministicline", "deterministic tandem line", {}),
    (r"machinerepair.*|repairman|machineinterference", "machine repair", {}),
)


def case_of(row: Row) -> Case | Once:
    """Return the plant and the measurement of a row. Raises ConfigError that names row, key and known words."""
    name, given = _spelled(row.model)
    if name not in MODELS:
        row.refuse("model", f"{row.model!r} is not known; known: {', '.join(MODELS)}", did_you_mean(row.model, MODELS))
    model = MODELS[name]
    word = re.sub(r"[ -]+", "_", row.metric.strip().lower())
    metric = next((name for name, others in SYNONYMS.items() if word in others), word)
    if metric not in model.metrics:
        message = f"{row.metric!r} is not known for {name!r}; known: {', '.join(model.metrics)}"
        row.refuse("metric", message, did_you_mean(word, model.metrics))
    return model.case(replace(row, fields={**given, **row.fields}), metric)


def _spelled(model: str) -> tuple[str, dict[str, str | int]]:
    """Return the name in MODELS, and the parameters that the spelling contains: 'M/M/2' is M/M/c with c = 2."""
    plain = _plain(model)
    for name in MODELS:
        if plain == _plain(name):
            return name, {}
    for pattern, name, given in _SPELLINGS:
        if found := re.fullmatch(pattern, plain):
            said = {key.strip("_"): int(word) for key, word in found.groupdict().items() if word and word.isdigit()}
            return name, {**given, **said}
    return model, {}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9/]", "", name.lower())
