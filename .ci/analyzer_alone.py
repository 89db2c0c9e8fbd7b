"""The analyzer where the simulator is not installed, in a folder without configs, against a feed from this checkout.

analyzer_alone.py PROGRAM FOLDER: PROGRAM is a `factory-sim` whose installation has no factory_sim/sim any more.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from factory_sim.wire.broker.embedded import Broker

FEED = ["gearbox_line", "--warm-up", "30 min", "--duration", "30 min", "--speed", "max", "--format", "bulk"]


def main(program: str, folder: str) -> None:
    """Exit with an error unless the analyzer hears everything and counts good parts."""
    out = Path(folder) / "kpis.json"
    with Broker() as broker:
        listen = [program, "listen", "--broker", broker.url, "--json", str(out), "--quiet"]
        with subprocess.Popen(listen, cwd=folder, stdout=subprocess.PIPE, text=True) as listener:
            try:
                assert listener.stdout is not None
                assert listener.stdout.readline().startswith("listening")
                publish = [sys.executable, "-m", "factory_sim", "run", *FEED, "--broker", broker.url]
                subprocess.run(publish, check=True, timeout=300)
                assert listener.wait(120) == 0
            finally:
                listener.kill()  # whatever fails must not wait for it
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["feed"]["lost"] == 0, found["feed"]
    parts = found["kpis"]["machine.parts"]["values"]
    assert sum(parts.values()) > len(parts), parts
    print(f"heard {found['feed']['readings']:,} readings, {sum(parts.values()):,.0f} cycles, nothing lost")


if __name__ == "__main__":
    main(*sys.argv[1:])
