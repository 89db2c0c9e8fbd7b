"""The lines of a study file (docs/studies.md): records to JSON and back. The only place that handles untyped JSON."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import asdict, fields, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.results.study_summary import WarmUp
from factory_sim.study_records import Arm, Payback, Probe, Study, StudyHeader, Trial

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.results.record import Json

FORMAT = 1
STRIP_STEP_S = 10
_RENAMED = {"snapshot": "moment", "snapshot_sha": "moment_sha"}  # field of the header -> key of the file
_FIELDS = [each.name for each in fields(StudyHeader) if each.name not in {"warm_up", "more"}]
REQUIRED = {"program", "python", "numpy", "seed", "warm_up_s", "duration_s", "bin_s", "warm_up"}
_LATER = {"feeds", "week_h", "week_shifts"}  # fields of an arm that version 0.1 does not have
_NOT_SIMULATED = {"program", "python", "numpy", "engine"}  # keys of the header that the digest leaves out


def dumped(line: Mapping[str, Json]) -> str:
    """Return one line of a file. Raise ValueError for a number that JSON does not have."""
    return json.dumps(line, ensure_ascii=False, allow_nan=False)


def header_to_json(header: StudyHeader) -> dict[str, Json]:
    """Return the first line of a study file."""
    own = {_RENAMED.get(name, name): getattr(header, name) for name in _FIELDS}
    return {"study": FORMAT, **own, "warm_up": header.warm_up.to_dict(), **header.more}


def header_from_json(line: Mapping[str, Any]) -> StudyHeader:
    """Return the header in the first line of a study file, with the words that follow it. Raise KeyError, TypeError."""
    keys = {name: _RENAMED.get(name, name) for name in _FIELDS}
    more = {key: value for key, value in line.items() if key not in {"study", "warm_up", *keys.values()}}
    own = {name: line[key] for name, key in keys.items() if key in line}
    return StudyHeader(**own, warm_up=WarmUp(**line["warm_up"]), more=more)


def arm_to_json(arm: Arm) -> dict[str, Json]:
    """Return an arm; of its probe the fields that apply, of the later fields those without their default."""
    found: dict[str, Json] = asdict(arm)
    for each in fields(Arm):
        if each.name in _LATER and getattr(arm, each.name) == each.default:
            del found[each.name]
    if arm.probe is not None:
        found["probe"] = {name: value for name, value in asdict(arm.probe).items() if value is not None}
    return found


def arm_from_json(entry: Mapping[str, Any]) -> Arm:
    """Return the arm of a line. Raise KeyError, TypeError."""
    found = {key: _frozen(value) for key, value in entry.items()}
    if money := entry.get("investment"):
        found["investment"] = Payback(**money)
    if probe := entry.get("probe"):
        found["probe"] = Probe(**{key: _frozen(value) for key, value in probe.items()})
    return Arm(**found)


def trial_to_json(trial: Trial) -> dict[str, Json]:
    """Return a trial; its strip is compressed."""
    found = _trial_values(replace(trial, losses=(), strip=""))
    del found["losses"], found["strip"]
    if trial.losses:
        found["losses"] = [list(loss) for loss in trial.losses]
    if trial.strip:
        codes = base64.b64encode(zlib.compress(trial.strip.encode("ascii"), 1)).decode("ascii")
        found["strip"] = {"step_s": STRIP_STEP_S, "codes": codes}
    return found


def trial_from_json(entry: Mapping[str, Any]) -> Trial:
    """Return the trial of a line. Raise ValueError, KeyError, TypeError."""
    return Trial(
        arm=entry["arm"],
        replication=entry["replication"],
        seconds=entry["seconds"],
        line={name: np.nan if value is None else float(value) for name, value in entry["line"].items()},
        operation={name: np.array(values, np.float64) for name, values in entry["operation"].items()},
        state_share={name: np.array(values, np.float64) for name, values in entry["state_share"].items()},
        out=np.array(entry["out"], np.int64),
        wip=np.array(entry["wip"], np.int64),
        losses=tuple((section, reason, by, float(hours)) for section, reason, by, hours in entry.get("losses", ())),
        strip=_codes(entry["strip"]) if "strip" in entry else "",
        notes=entry.get("notes", {}),
        shifts=tuple(entry.get("shifts", ())),
        path={resource: tuple(shares) for resource, shares in entry.get("path", {}).items()},
    )


def study_digest(study: Study) -> str:
    """Return the sha256 of what was simulated and found, independent of versions, workers and the order of lines."""
    head = {key: value for key, value in header_to_json(study.header).items() if key not in _NOT_SIMULATED}
    arms = [arm_to_json(study.arms[name]) for name in sorted(study.arms)]
    trials = [trial_digest(study.trials[key]) for key in sorted(study.trials)]
    return sha256(json.dumps([head, arms, trials], sort_keys=True).encode()).hexdigest()


def trial_digest(trial: Trial) -> str:
    """Return the sha256 of what one trial found."""
    return sha256(json.dumps(_trial_values(replace(trial, seconds=0.0)), sort_keys=True).encode()).hexdigest()


def _trial_values(trial: Trial) -> dict[str, Json]:
    found = {each.name: _plain(getattr(trial, each.name)) for each in fields(trial)}
    for name in ("path", "shifts", "notes"):  # not of a probe that only counts, and not in version 0.1
        if not found[name]:
            del found[name]
    return found


def _plain(value: Any) -> Json:
    if isinstance(value, dict):
        return {key: _plain(child) for key, child in value.items()}
    if isinstance(value, np.ndarray):
        plain = value.astype(object)
        plain[~np.isfinite(value)] = None
        listed: Json = plain.tolist()
        return listed
    if isinstance(value, list | tuple):
        return [_plain(child) for child in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _frozen(value: Any) -> Any:
    return tuple(_frozen(child) for child in value) if isinstance(value, list) else value


def _codes(strip: Mapping[str, Any]) -> str:
    try:
        return zlib.decompress(base64.b64decode(strip["codes"], validate=True)).decode("ascii")
    except (KeyError, TypeError, zlib.error) as error:
        msg = f"the strip cannot be read: {error}"
        raise ValueError(msg) from None
