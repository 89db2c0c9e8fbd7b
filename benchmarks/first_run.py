"""The first run in a fresh clone: `python3 benchmarks/first_run.py [--json FILE] [--pip]`.

A temporary clone of the committed state is installed and started twice, once without any compiled kernel (the user's
cache is left out) and once with them. Rows, in seconds: first_run_install_s, then, counted from the end of the
installation, first_run_figures_s and first_run_end_s; warm_run_figures_s and warm_run_end_s of the second start. It
needs only the standard library, git, and a package index or a download cache.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOT_A_USERS = {"NUMBA_CACHE_DIR", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}  # settings of a test machine
FIGURES, HEADLINE = "baseline", "The line makes"  # how the lines begin that are waited for


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--pip", action="store_true", help="hide uv, so that pip installs")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="factory-sim-first-run-") as name:
        rows = measured(Path(name), hide_uv=asked.pip)
    for row, value in rows.items():
        print(f"{row:<22} {value:6.1f}")
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


def measured(folder: Path, *, hide_uv: bool) -> dict[str, float]:
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)], check=True)  # noqa: S607
    home = folder / "home"
    home.mkdir()
    environment = {key: value for key, value in os.environ.items() if key not in NOT_A_USERS}
    environment |= {"HOME": str(home), "PIP_CACHE_DIR": pip_cache(), "TMPDIR": str(folder)}
    uv = shutil.which("uv")
    if uv and not hide_uv:
        environment["UV_CACHE_DIR"] = printed([uv, "cache", "dir"])
    elif uv:
        kept = [each for each in environment["PATH"].split(os.pathsep) if each != str(Path(uv).parent)]
        environment["PATH"] = os.pathsep.join(kept)
    base = [getattr(sys, "_base_executable", sys.executable), "run.py"]
    began = time.monotonic()
    subprocess.run([*base, "--version"], cwd=clone, env=environment, check=True, stdout=subprocess.DEVNULL)
    rows = {"first_run_install_s": time.monotonic() - began}
    for kind in ("first", "warm"):
        figures, end = started(base, clone, environment)
        rows |= {f"{kind}_run_figures_s": figures, f"{kind}_run_end_s": end}
    return rows


def started(command: list[str], clone: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Start the demo; return after how many seconds the first figures, and the headline, are printed."""
    began, found = time.monotonic(), {}
    with subprocess.Popen(
        command,
        cwd=clone,
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as demo:
        assert demo.stdout is not None
        for raw in demo.stdout:
            for words in (FIGURES, HEADLINE):
                if raw.decode().startswith(words):
                    found.setdefault(words, time.monotonic() - began)
    if demo.returncode:
        sys.exit(f"The demo ended with code {demo.returncode}.")
    return found[FIGURES], found[HEADLINE]


def pip_cache() -> str:
    """Return the folder of pip's downloads: the cache stays warm although the home directory is another."""
    return printed([sys.executable, "-m", "pip", "cache", "dir"]) or str(Path.home() / ".cache" / "pip")


def printed(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
