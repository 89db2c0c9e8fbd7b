"""The registry of sensor kinds: one module and one line each. State, part, outcome and detail are rows, not kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.sensing.kinds import (
    battery,
    current,
    distance,
    energy,
    force,
    joint_current,
    load,
    position,
    power,
    pressure,
    speed,
    temperature,
    torque,
    vibration,
)

if TYPE_CHECKING:
    from factory_sim.sensing.kinds.sensor_kind import SensorKind

KINDS: dict[str, SensorKind] = {
    "power": power.KIND,
    "energy": energy.KIND,
    "current": current.KIND,
    "vibration": vibration.KIND,
    "temperature": temperature.KIND,
    "pressure": pressure.KIND,
    "force": force.KIND,
    "torque": torque.KIND,
    "joint_current": joint_current.KIND,
    "speed": speed.KIND,
    "distance": distance.KIND,
    "position": position.KIND,
    "load": load.KIND,
    "battery": battery.KIND,
}
