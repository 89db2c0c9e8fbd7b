"""Motor current of one joint of a robot, or of one servo axis."""

from __future__ import annotations

import numpy as np

from factory_sim.sensing.kinds.sensor_kind import Channel, Param, Params, Response, SensorKind, noise, scatter
from factory_sim.sensing.unit_load import STOPPED, UnitLoad


def _channel(unit: UnitLoad, params: Params) -> Channel:
    """Return `holding` against gravity, up to `peak` at full effort, more with worn gears; zero with the brake on."""
    amps = np.where(STOPPED, 0.0, params["holding"] + (params["peak"] - params["holding"]) * unit.effort)
    worn = params["wear_gain"] * params["peak"] * unit.effort
    return Channel(amps, worn, Response.MEAN, noise=params["noise"], scatter=params["scatter"])


KIND = SensorKind(
    unit_text="A",
    low=0.0,
    high=60.0,
    params={
        "peak": Param("current", 9.0, "at full effort"),
        "holding": Param("current", 1.2, "switched on, at rest"),
        "wear_gain": Param("number", 0.25, "more of the peak when the joint is worn out"),
        "noise": noise("current", 0.05),
        "scatter": scatter(0.03),
    },
    help="RMS motor current of a joint or servo axis; follows effort and wear",
    channel=_channel,
)
