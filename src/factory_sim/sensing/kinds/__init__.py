"""The registry of sensor kinds, one line each. State, part, outcome and detail are rows, not kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.sensing.kinds import electrical, mechanical, travelling

if TYPE_CHECKING:
    from factory_sim.sensing.kinds.sensor_kind import SensorKind

KINDS: dict[str, SensorKind] = {
    "power": electrical.POWER,
    "energy": electrical.ENERGY,
    "current": electrical.CURRENT,
    "vibration": mechanical.VIBRATION,
    "temperature": mechanical.TEMPERATURE,
    "pressure": mechanical.PRESSURE,
    "force": mechanical.FORCE,
    "torque": mechanical.TORQUE,
    "joint_current": electrical.JOINT_CURRENT,
    "speed": travelling.SPEED,
    "distance": travelling.DISTANCE,
    "position": travelling.POSITION,
    "load": travelling.LOAD,
    "battery": travelling.BATTERY,
}
