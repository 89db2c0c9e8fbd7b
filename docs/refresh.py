"""Write the output of the commands into docs/generated/ and, between marks, into the pages: no number is typed.

.venv/bin/python docs/refresh.py          everything but what takes an hour
.venv/bin/python docs/refresh.py demo     one output
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from factory_sim.views.text.terminal import wrapped

ROOT = Path(__file__).resolve().parents[1]
GENERATED = ROOT / "docs" / "generated"
COMMANDS = {
    "demo": ["demo"],
    "check": ["check", "gearbox_line"],
    "bench": ["bench"],
    "calibration": ["validate", "calibration"],
    "retrofit": ["compare", "gearbox_line", "retrofit"],
    "coverage": ["validate", "coverage"],
    "why": ["validate", "detectors"],
    "engines": ["validate", "engines", "--plants", "10000"],
    "station_and_vehicles": ["sweep", "docs/examples/station_and_vehicles.yaml"],
    "places": ["optimise", "docs/examples/places.yaml"],
    "vehicles_and_crews": ["optimise", "docs/examples/vehicles_and_crews.yaml"],
    "fuzz": ["validate", "feed", "--part", "fuzz", "--payloads", "1000000"],
    "kills_machine": ["validate", "feed", "--part", "kills", "--kills", "10", "--format", "machine"],
    "kills_bulk": ["validate", "feed", "--part", "kills", "--kills", "10", "--format", "bulk"],
    "kills_uns": ["validate", "feed", "--part", "kills", "--kills", "10", "--format", "uns"],
    "pause": ["validate", "feed", "--part", "pause", "--pause", "5min"],
    "feed_map": ["map", "docs/examples/cell/capture.jsonl"],
    "feed_check": ["check", "docs/examples/cell/feed.yaml", "docs/examples/cell/capture.jsonl"],
    "feed_read": ["read", "--map", "docs/examples/cell/feed.yaml", "docs/examples/cell/capture.jsonl"],
    "feed_cycles": ["validate", "intake", "--nist", "tests/intake/data/nist"],
    "soak": ["validate", "feed", "--part", "soak", "--minutes", "10"],
}
FEED = {name for name, words in COMMANDS.items() if words[:2] == ["validate", "feed"]}
LONG = {"calibration", "why", "engines", "vehicles_and_crews"} | FEED  # only when it is named
PAGES = (
    ROOT / "README.md",
    ROOT / "README.zh-CN.md",
    *(
        ROOT / "docs" / f"{name}.md"
        for name in ("calibration", "studies", "sweeps", "reference_line", "engines", "endurance", "your_feed")
    ),
)
WIDTH = 100  # columns
KEEPING = {"compare", "sweep", "optimise"}  # commands that keep a study: here in a folder that goes


def block(name: str, text: str) -> str:
    """A page's block of one output."""
    words = shlex.join(COMMANDS[name])
    return f"<!-- generated {name} -->\n```\n$ factory-sim {words}\n{text.rstrip()}\n```\n<!-- end -->"


def with_blocks(page: str, texts: dict[str, str]) -> str:
    """`page` with the blocks of `texts` in place of those that stand there."""
    for name, text in texts.items():
        pattern = re.compile(rf"<!-- generated {name} -->.*?<!-- end -->", re.DOTALL)
        new = block(name, text)
        page = pattern.sub(lambda _, new=new: new, page)
    return page


def generated() -> dict[str, str]:
    """What was written last, by name."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(GENERATED.glob("*.txt"))}


def printed(words: list[str]) -> str:
    """What a command prints, but for the line that names its study's file."""
    environment = {**os.environ, "COLUMNS": str(WIDTH), "OPENBLAS_NUM_THREADS": "1"}
    with TemporaryDirectory() as folder:
        kept = ["--study", f"{folder}/study.jsonl"] if words[0] in KEEPING else []
        command = [sys.executable, "-m", "factory_sim", *words, *kept]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        text = wrapped(done.stdout.strip("\n"), WIDTH)  # as in a terminal; a pipe gets whole lines
        lines = [line.rstrip() for line in text.splitlines() if folder not in line]
    return "\n".join(lines) + "\n"


def main(names: list[str]) -> None:
    GENERATED.mkdir(exist_ok=True)
    for name in names or [each for each in COMMANDS if each not in LONG]:
        print(f"factory-sim {shlex.join(COMMANDS[name])} ...", flush=True)
        (GENERATED / f"{name}.txt").write_text(printed(COMMANDS[name]), encoding="utf-8")
    for page in PAGES:
        page.write_text(with_blocks(page.read_text(encoding="utf-8"), generated()), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
