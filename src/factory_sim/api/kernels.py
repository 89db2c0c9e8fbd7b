"""The compiled functions of all packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim import registry
from factory_sim.analysis import warm_kernels
from factory_sim.live.publish import RunSetup, publish
from factory_sim.sim import engines
from factory_sim.wire.loopback import Exchange, Loopback

if TYPE_CHECKING:
    from collections.abc import Iterator


def compile_all() -> Iterator[tuple[int, int, str]]:
    """Compile every function, or load it; yield before each part how many parts are done, of how many, and its name."""
    parts = {"analysis": warm_kernels.warm, "sensing": _sense, "the simulation engine": engines.compile_now}
    for done, (name, compile_part) in enumerate(parts.items()):
        yield done, len(parts), name
        compile_part()


def _sense() -> None:
    """Publish a minute of the reference line in memory."""
    publish(registry.load("gearbox_line"), RunSetup(duration_s=60.0), Loopback(Exchange()))
