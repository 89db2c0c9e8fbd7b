"""The row of `factory-sim bench` about a listener that runs for weeks, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from stretch import QUICK
from table import held, noted

from factory_sim import registry
from factory_sim.live.listen import Listener
from factory_sim.live.publish import FOREVER_S, RunSetup, Sent, publish

if TYPE_CHECKING:
    from collections.abc import Iterable

    from factory_sim.records import Message

DAY_US = 86_400_000_000
DAYS, QUICK_DAYS, MOST_MB = 20, 3, 20.0
STATM = Path("/proc/self/statm")


class Feed:
    """A sender whose messages the listener takes at once: no broker."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener

    def publish(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.listener.take(message)

    def flush(self) -> None:
        """Everything has been taken."""

    def wait(self, seconds: float) -> None:
        """The feed runs at full speed."""


def grown_mb(days: int) -> float:
    """The resident memory after the last day of the reference line's feed less that after the first one."""
    listener, stop, used = Listener("bench"), Event(), list[float]()

    def watch(sent: Sent) -> None:
        if sent.t_us // DAY_US > len(used) and listener.windows is not None:
            listener.windows.refresh()
            used.append(int(STATM.read_text(encoding="ascii").split()[1]) * 4096 / 1e6)
        if len(used) == days:
            stop.set()

    setup = RunSetup(duration_s=FOREVER_S, payload_format="bulk", root="bench", slice_s=600.0)
    publish(registry.load("gearbox_line"), setup, Feed(listener), watch, stop)
    return used[-1] - used[0]


@pytest.mark.skipif(not STATM.exists(), reason="resident memory is read as Linux shows it")
def test_listen_20_days_mb_growth(benchmark: Any) -> None:
    days = QUICK_DAYS if QUICK else DAYS
    command = [sys.executable, __file__, str(days)]
    found = benchmark.pedantic(subprocess.run, (command,), {"capture_output": True, "check": True}, rounds=1)
    value = float(found.stdout)
    if QUICK:
        noted(benchmark, value, "MB", f"from day 1 to {days}, not 20")
    else:
        held(benchmark, max(value, 0.1), "MB", MOST_MB)


if __name__ == "__main__":
    print(grown_mb(int(sys.argv[1])))
