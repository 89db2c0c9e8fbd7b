"""A simulated run as the live page sees it: the plan, and one picture after another."""

from __future__ import annotations

import random
import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from factory_sim.plant import describe
from factory_sim.plant.states import Outcome, State
from factory_sim.plant.wall_clock import epoch_ns
from factory_sim.records import Window
from factory_sim.sim import run as simulator
from factory_sim.views.html.plant_drawing import section_columns
from factory_sim.views.live.state_marks import STATE_MARKS

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.records import EventLog, Meta

    Json = dict[str, Any]

BY = {"": "hand", "conveyor": "conveyor", "fleet": "vehicle"}


def plan_of(plant: Plant, meta: Meta) -> Json:
    """Return /plan.json of a plant."""
    sensors = defaultdict(list)
    for each in meta.sensors:
        sensors[each.unit].append(each)
    members: dict[str, list[str]] = {}
    for operation in meta.operations:
        members.setdefault(operation.section, []).append(operation.name)
    columns = section_columns(
        [each.section for each in meta.operations],
        [[i.operation for i in each.inputs if i.operation >= 0] for each in meta.operations],
    )
    routes = {
        (meta.operations[i.operation].section, each.section): BY[i.transport]
        for each in meta.operations
        for i in each.inputs
        if i.operation >= 0 and meta.operations[i.operation].section != each.section
    }
    crews = Counter(each.kind for each in meta.units if each.role == "crew")
    return {
        "version": "0.2.0", "plant": plant.name, "title": plant.title, "run_id": meta.run_id, "root": "gearworks/plant1",
        "timezone": meta.timezone, "simulated": True, "recording": True, "plan_parts": 480, "currency": "CNY",
        "sections": [{"name": name, "column": columns[name], "operations": ops} for name, ops in members.items()],
        "operations": [
            {
                "name": each.name, "title": each.title, "section": each.section, "unit_time_s": each.unit_time_s,
                "machines": [meta.units[u].name for u in each.machines], "pacing": n == meta.pacing,
            }
            for n, each in enumerate(meta.operations)
        ],
        "units": [
            {
                "id": n, "name": each.name, "role": each.role, "kind": each.kind, "section": each.section or None,
                "operation": meta.operations[each.operation].name if each.operation >= 0 else None,
                "sensors": [s.name for s in sensors[n]],
            }
            for n, each in enumerate(meta.units)
        ],
        "places": [
            {
                "id": f"{each.name}.{k}", "operation": each.name, "capacity": i.capacity, "kind": "buffer",
                "from": meta.operations[i.operation].name,
            }
            for each in meta.operations for k, i in enumerate(each.inputs) if i.operation >= 0
        ],
        "routes": [{"from": a, "to": b, "by": by} for (a, b), by in routes.items()],
        "crews": [{"name": name, "size": size} for name, size in crews.items()],
        "states": [{"id": m.id, "name": m.name, "letter": m.letter, "kind": m.kind} for m in STATE_MARKS],
    }  # fmt: skip


@dataclass(slots=True)
class ReplayedRun:
    """The log of a simulated run, played from `t_us` on."""

    plant: Plant
    hours: float = 3.0
    t_us: int = 0
    log: EventLog = field(init=False)
    meta: Meta = field(init=False)
    plan: Json = field(init=False)
    picture: Json = field(init=False)
    strips: dict[str, list[list[int]]] = field(default_factory=dict)
    _at: int = 0
    _busy_s: Counter[tuple[str, int]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        window = Window(0, int(self.hours * 3.6e9))
        self.log = simulator.simulate(self.plant, until_us=window.t1_us).log
        self.meta = describe.describe(self.plant, "run-1", epoch_ns(self.plant), window)
        self.plan = plan_of(self.plant, self.meta)
        self.picture = {
            "plan_id": "run-1", "t_ms": self.ms(0), "live": True, "ended": False, "units": {}, "vehicles": {}, "alarms": [],
            "levels": {each["id"]: 0 for each in self.plan["places"]}, "pareto": [], "pareto_total_s": 0.0,
            "crews": {each["name"]: [0, each["size"]] for each in self.plan["crews"]},
        }  # fmt: skip
        self._draw = random.Random(1)
        self._good: list[int] = []

    _draw: random.Random = field(init=False)
    _good: list[int] = field(init=False)

    def ms(self, t_us: int) -> int:
        return (self.meta.epoch_ns // 1000 + t_us) // 1000

    def step(self, seconds: float) -> Json:
        """Play so many seconds; return what has changed."""
        self.t_us += int(seconds * 1e6)
        before = {key: dict(self.picture[key]) for key in ("units", "levels", "vehicles", "crews")}
        while self._at < len(self.log) and self.log.t_us[self._at] <= self.t_us:
            self._row(self._at)
            self._at += 1
        self._move()
        self._figures()
        change: Json = {"t_ms": self.ms(self.t_us)} | {k: self.picture[k] for k in ("top", "health", "alarms", "pareto", "pareto_total_s")}
        self.picture |= change
        for key, old in before.items():
            change[key] = {name: entry for name, entry in self.picture[key].items() if old.get(name) != entry}
        return change

    def _row(self, n: int) -> None:
        log, meta = self.log, self.meta
        t, u, state, part = self.ms(int(log.t_us[n])), int(log.unit[n]), int(log.state[n]), int(log.part[n])
        unit, outcome, detail = meta.units[u], int(log.outcome[n]), int(log.detail[n])
        levels = self.picture["levels"]
        if outcome == Outcome.LEFT:
            self._good.append(int(log.t_us[n]))
        if outcome in {Outcome.PASSED, Outcome.REWORK} and unit.operation >= 0:
            self._count(levels, detail, unit.operation, 1)
        if outcome in {Outcome.TOOK, Outcome.MERGED} and unit.operation >= 0:
            for k, i in enumerate(meta.operations[unit.operation].inputs):
                if i.operation >= 0 and levels[f"{meta.operations[unit.operation].name}.{k}"] > 0:
                    self._count(levels, unit.operation, i.operation, -1)
                    break
        if unit.role == "crew":
            busy, size = self.picture["crews"][unit.kind]
            was = self.picture["units"].get(unit.name, [State.IDLE])[0]
            self.picture["crews"][unit.kind] = [min(size, max(0, busy + (state == State.BUSY) - (was == State.BUSY))), size]
        old = self.picture["units"].get(unit.name)
        since = old[1] if old and old[0] == state else t
        if not old or old[0] != state:
            strip = self.strips.setdefault(unit.name, [])
            if strip:
                strip[-1][1] = t
            strip.append([t, t, state])
            if old:
                self._busy_s[unit.name, old[0]] += (t - old[1]) / 1000
        mode = meta.failure_modes[u][detail] if state in {State.DOWN, State.REPAIR} and meta.failure_modes[u] else None
        self.picture["units"][unit.name] = [state, since, part if part >= 0 else None, mode]

    def _count(self, levels: dict[str, int], operation: int, source: int, by: int) -> None:
        each = self.meta.operations[operation]
        for k, i in enumerate(each.inputs):
            if i.operation == source:
                place = f"{each.name}.{k}"
                levels[place] = max(0, min(i.capacity or 99, levels[place] + by))

    def _move(self) -> None:
        ways = [(r["from"], r["to"]) for r in self.plan["routes"] if r["by"] == "vehicle"]
        for n, unit in enumerate(u for u in self.meta.units if u.role == "vehicle"):
            state = self.picture["units"].get(unit.name, [State.IDLE])[0]
            old = self.picture["vehicles"].get(unit.name) or {"from": ways[n % len(ways)][0], "to": None, "at": 0.0}
            new = dict(old)
            if state in {State.MOVING_EMPTY, State.MOVING_LOADED}:
                if old["to"] is None:
                    there = [b for a, b in ways if a == old["from"]] or [a for a, b in ways if b == old["from"]]
                    new |= {"to": self._draw.choice(there), "at": 0.0}
                new["at"] = min(1.0, round(new["at"] + 0.04, 3))
            elif old["to"]:
                new |= {"from": old["to"], "to": None, "at": 0.0}
            new |= {"loaded": state == State.MOVING_LOADED, "battery": round(0.95 - 0.09 * n, 2), "state": int(state)}
            self.picture["vehicles"][unit.name] = new

    def _figures(self) -> None:
        names = [each.name for each in self.meta.operations]
        recent = [t for t in self._good if t > self.t_us - 3.6e9]
        hours = min(1.0, max(self.t_us / 3.6e9, 1e-6))
        down = {n: s for n, s in self.picture["units"].items() if s[0] in {State.DOWN, State.REPAIR}}
        alarms = [
            {"id": f"f{n}", "since_ms": s[1], "unit": n, "what": "failure", "severity": "high" if s[0] == State.DOWN else "medium",
             "text": f"{(s[3] or 'failure').replace('_', ' ')}: {'waits for a crew' if s[0] == State.DOWN else 'in repair'}"}
            for n, s in down.items()
        ]  # fmt: skip
        alarms.append({"id": "s1", "since_ms": self.ms(0), "unit": "M041", "what": "sensor", "severity": "low", "text": "spindle_power: readings are stuck at one value"})
        losses = Counter({(k, n): v for (n, k), v in self._busy_s.items() if k in {State.STARVED, State.BLOCKED, State.REPAIR, State.DOWN, State.SETUP}})
        reason = {State.STARVED: "starved", State.BLOCKED: "blocked", State.REPAIR: "failure", State.DOWN: "crew", State.SETUP: "setup"}
        self.picture["pareto"] = [{"reason": reason[State(k)], "at": n, "seconds": v} for (k, n), v in losses.most_common(8)]
        self.picture["pareto_total_s"] = sum(losses.values())
        self.picture["alarms"] = alarms
        shares = {n: 0.1 for n in names}
        pacing = names[self.meta.pacing] if self.meta.pacing >= 0 else names[len(names) // 2]
        shares[pacing] = 0.62
        path = sorted(shares.items(), key=lambda each: -each[1])[:5]
        self.picture["top"] = {
            "t_ms": self.ms(self.t_us), "shift": {"name": "early", "from_ms": self.ms(0), "to_ms": self.ms(int(8 * 3.6e9))},
            "good_parts": len(self._good), "plan_parts": 480, "rate_per_h": len(recent) / hours if recent else None,
            "constraint": {"kind": "operation", "name": pacing, "share": 0.62},
            "path": [{"kind": "operation", "name": n, "share": s} for n, s in path],
            "stopped": [{"name": n, "kind": (s[3] or "failure"), "seconds": (self.ms(self.t_us) - s[1]) / 1000} for n, s in list(down.items())[:5]],
            "oee": 0.713, "energy_kwh_per_part": 36.7 if self._good else None,
            "reasons": {"rate_per_h": "no part has left yet", "energy_kwh_per_part": "no good part has left yet"},
        }  # fmt: skip
        self.picture["health"] = {"readings": int(1280 * self.t_us / 1e6), "lost": 0, "late": 0, "duplicates": 0, "distrusted": 1, "silent_s": 0.0}

    # ---- answers
    def answers(self) -> Json:
        return {"units": self.unit, "signals": self.signals, "chart": self.chart, "timeline": self.timeline, "at": self.past, "whatif": self.whatif}

    def strip(self, name: str) -> list[list[int]]:
        found = [list(each) for each in self.strips.get(name, [])]
        if found:
            found[-1][1] = self.ms(self.t_us)
        return found

    def unit(self, name: str, _: Json) -> Json | None:
        index = next((n for n, u in enumerate(self.meta.units) if u.name == name), None)
        if index is None:
            return None
        strip = self.strip(name)
        busy = [(b, (b - a) / 1000) for a, b, s in strip if s == State.BUSY]
        failures = [{"mode": "tool_wear", "from_ms": a, "to_ms": b} for a, b, s in strip if s == State.REPAIR]
        return {
            "name": name, "t_ms": self.ms(self.t_us), "state": strip[-1][2] if strip else 14, "strip": strip,
            "cycle_times_s": busy[-200:], "failures": failures, "distrust": [{"sensor": "spindle_power", "text": "stuck at one value since 06:12"}],
            "sensors": [{"name": s.name, "text": s.unit_text, "low": s.low, "high": s.high, "period_ms": s.period_us // 1000} for s in self.meta.sensors if s.unit == index],
        }  # fmt: skip

    def signals(self, path: str, query: Json) -> Json | None:
        unit = path.partition(".")[0]
        index = next(n for n, u in enumerate(self.meta.units) if u.name == unit)
        low, high = int(float(query["from_ms"])), min(int(float(query["to_ms"])), self.ms(self.t_us))
        step = max(1000, (high - low) // 600)
        times = list(range(-(-low // 1000) * 1000, high + 1, step))
        strip = self.strip(unit)
        states = [next((s for a, b, s in strip if a <= t < b), State.STARVED) for t in times]
        return {"name": unit, "signals": {
            s.name: {"t_ms": times, "low": s.low, "high": s.high, "text": s.unit_text,
                     "value": [s.low + (s.high - s.low) * ((0.5 if at == State.BUSY else 0.2) + 0.03 * random.Random(f"{s.name}{t}").random()) for t, at in zip(times, states, strict=True)]}
            for s in self.meta.sensors if s.unit == index
        }}  # fmt: skip

    def chart(self, _: str, query: Json) -> Json:
        machines = [m for o in self.plan["operations"] for m in o["machines"]]
        return {"from_ms": int(query["from_ms"]), "to_ms": int(query["to_ms"]), "rows": [{"name": m, "strip": self.strip(m)} for m in machines]}

    def timeline(self, *_: object) -> Json:
        return {"from_ms": self.ms(0), "to_ms": self.ms(self.t_us), "shifts": [{"name": "early", "from_ms": self.ms(0), "to_ms": self.ms(int(8 * 3.6e9))}]}

    def past(self, _: str, query: Json) -> Json:
        t = int(query["t_ms"])
        found = dict(self.picture) | {"t_ms": t, "live": False}
        found["units"] = {n: [next((s for a, b, s in self.strip(n) if a <= t < b), 14), t, None, None] for n in self.strips}
        found["top"] = found["top"] | {"t_ms": t, "good_parts": sum(self.ms(g) <= t for g in self._good)}
        return found

    def whatif(self, _: str, query: Json) -> Any:
        if "change" not in query:
            return [{"change": "OP750.cycle_time-1 s", "text": "one second less at OP750"}, {"change": "agv.count+1", "text": "one more vehicle"}]
        gain = statistics.mean(map(len, query["change"].split("."))) - 4
        return {"change": query["change"], "parts_per_shift": {"mean": gain, "low": gain - 3.1, "high": gain + 3.3}}
