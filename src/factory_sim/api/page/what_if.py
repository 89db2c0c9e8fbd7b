"""What-if changes on the page of a simulated feed: forked from its snapshot, in a process of low priority."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from factory_sim.errors import did_you_mean
from factory_sim.live.page.page_answers import Refusal
from factory_sim.plant.describe import slowest

if TYPE_CHECKING:
    from factory_sim.api.run_plan import RunPlan
    from factory_sim.plant.spec import Plant

PAIRS = 32  # of runs, at most
SHIFT_H = 8.0
LONGEST_S = 300.0
_NICE = 15
_FASTER_S = 1.0  # at the constraint
_EACH = 2  # fleets and crews that are offered
_RATE = "line_rate_pct"


def what_if(plan: RunPlan) -> SnapshotWhatIf | None:
    """Return the changes that the page of a run offers; None: its state is not saved."""
    return SnapshotWhatIf(plan.plant, plan.save) if plan.save is not None else None


class SnapshotWhatIf:
    """Changes of a plant whose run is saved in a snapshot every few seconds."""

    def __init__(self, plant: Plant, snapshot: Path) -> None:
        self._plant, self._snapshot = plant, snapshot
        self._evaluating = asyncio.Lock()
        self._ever: set[str] = set()  # every change that has been offered: a browser keeps showing the evaluated ones

    def offered(self, constraint: str) -> list[tuple[str, str]]:
        """Return changes, each with its text; `constraint` is the operation that limits the line, if it is known."""
        operations = {each.name: each for each in self._plant.operations}
        limiting = operations.get(constraint) or slowest(self._plant)[0]
        found, mean_s = [], limiting.cycle_time.mean_s
        if mean_s > 2 * _FASTER_S:
            factor = f"{(mean_s - _FASTER_S) / mean_s:.6g}"
            found.append((f"{limiting.name}.cycle_time*{factor}", f"one second less at {limiting.name}"))
        fleets, crews = (each[:_EACH] for each in (self._plant.fleets, self._plant.crews))
        found += [(f"fleets.{each.name}.count+1", f"one more {each.name}") for each in fleets]
        found += [(f"crews.{each.name}.count+1", f"one more person in {each.name}") for each in crews]
        self._ever.update(each for each, _ in found)
        return found

    async def evaluate(self, change: str, constraint: str) -> dict[str, object]:
        """Return the effect of a change in good parts per shift that is offered, or was before. Raises Refusal."""
        offered = [each for each, _ in self.offered(constraint)]
        if change not in self._ever:
            raise Refusal(400, f"{change[:80]!r} is not offered. {did_you_mean(change[:80], offered)}")
        if not self._snapshot.exists():
            raise Refusal(503, "The run has not been saved yet: try again in a few seconds.")
        if self._evaluating.locked():
            raise Refusal(503, "Another change is being evaluated: try again when it is done.")
        async with self._evaluating:
            with TemporaryDirectory() as folder:
                return _effect(change, await self._answered(change, Path(folder)))

    async def _answered(self, change: str, folder: Path) -> dict[str, dict[str, dict[str, float]]]:
        """Return the answer of `whatif --json`."""
        out = folder / "answer.json"
        words = ["whatif", str(self._snapshot), change, "--replications", str(PAIRS), "--workers", "1"]
        words += ["--study", str(folder / "study.jsonl"), "--json", str(out)]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "factory_sim",
            *words,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        if hasattr(os, "setpriority"):
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
        try:
            _, errors = await asyncio.wait_for(process.communicate(), LONGEST_S)
        except TimeoutError:
            raise Refusal(504, f"The change was not evaluated within {LONGEST_S:g} s.") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            lines = [line for line in errors.decode(errors="replace").splitlines() if line.strip()]
            raise Refusal(500, f"The change could not be evaluated: {lines[-1].strip() if lines else 'no message'}")
        answer: dict[str, dict[str, dict[str, float]]] = json.loads(out.read_text(encoding="utf-8"))
        return answer


def _effect(change: str, answer: dict[str, dict[str, dict[str, float]]]) -> dict[str, object]:
    """Return the change of good parts per shift with its interval, and the present parts per shift."""
    base = {key: answer["before"][_RATE][key] * SHIFT_H for key in ("mean", "low", "high")}
    effect = {key: answer["change"][_RATE][key] / 100 * base["mean"] for key in ("mean", "low", "high")}
    return {"change": change, "parts_per_shift": effect, "base": base}
