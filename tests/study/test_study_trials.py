"""A trial keeps what was asked for, bit-identical whatever that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.study.arms import Variant
from factory_sim.study.trial import Detail, Setting, run_trial

if TYPE_CHECKING:
    from pathlib import Path


def test_a_counted_trial_has_the_digits_of_a_whole_one(folder: Path) -> None:
    plant = Variant(str(folder / "better.yaml")).load()
    setting = Setting(3, 900.0, 3600.0, 300.0)
    whole, counted = (run_trial(plant, setting, 1, detail, "simpy").line for detail in (Detail.FULL, Detail.COUNT))
    assert counted == {name: whole[name] for name in ("good_parts", "good_parts_per_h")}
