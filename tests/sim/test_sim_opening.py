"""The opening rows of a feed suffice to time every cycle that ends in its window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from factory_sim import registry
from factory_sim.analysis import kpis
from factory_sim.plant.describe import describe
from factory_sim.sim.run import Simulation

if TYPE_CHECKING:
    from pathlib import Path

LINE = """
plant: furnace_line
sections:
  line:
    operations:
      F: {kind: furnace, from: parts, cycle_time: 240 s, buffer: 6, batch: {size: 6}}
      G: {kind: press, cycle_time: 30 s, buffer: 0}
kinds: {furnace: {behaviour: batching}, press: {}}
sources: {parts: {interarrival: saturated}}
"""


@pytest.mark.parametrize("minutes", [20, 21, 22, 23, 24, 25, 26])
def test_a_batch_that_left_in_part_before_the_window_is_timed_as_a_whole(tmp_path: Path, minutes: int) -> None:
    file = tmp_path / "furnace_line.yaml"
    file.write_text(LINE, encoding="utf-8")
    plant = registry.load(file)
    simulation = Simulation(plant, warm_up_us=minutes * 60_000_000, until_us=7_200_000_000)
    [piece] = simulation.slices(7_200_000_000)
    truth, furnace = simulation.truth(), plant.machines[0].unit
    found = kpis.table(piece.log, describe(plant, "run", 0, simulation.window)).kpis["machine.cycle_time_s"].values[0]
    assert found == pytest.approx(truth.busy_us[furnace] / 1e6 / truth.parts[furnace], abs=1e-6)
