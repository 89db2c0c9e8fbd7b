"""Programs: the steps of one cycle by machine kind, which its power, force and torque follow.

Within a step the true power is constant, so energy and temperature follow from it exactly. The shares are those of the
planned cycle. Only ratios matter: shares are scaled to sum to 1, and power to a mean of 1 over the cycle.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a cycle."""

    what: str
    share: float  # of the planned cycle
    power: float  # relative to the other steps
    effort: float  # share of the peak force, torque or pressure, 0 to 1


@dataclass(frozen=True, slots=True)
class Program:
    """The steps of one cycle, in order. A worn-out machine draws `wear_power` more while it works (share of power)."""

    steps: tuple[Step, ...]
    wear_power: float = 0.0


def _program(*steps: Step, wear_power: float = 0.0) -> Program:
    return Program(steps, wear_power)


# All numbers below are assumed: plausible shapes for machines of automotive powertrain lines.
CUTTING = _program(
    Step("clamp", 0.07, 0.45, 0.00),
    Step("approach", 0.06, 0.75, 0.05),
    Step("rough cut", 0.22, 1.40, 0.90),
    Step("reposition", 0.05, 0.65, 0.05),
    Step("second cut", 0.18, 1.30, 1.00),
    Step("tool change", 0.06, 0.60, 0.00),
    Step("finishing cut", 0.22, 1.05, 0.45),
    Step("retract", 0.05, 0.65, 0.00),
    Step("unclamp", 0.09, 0.45, 0.00),
    wear_power=0.02,
)

HOBBING = _program(
    Step("clamp", 0.08, 0.45, 0.00),
    Step("approach", 0.05, 0.75, 0.05),
    Step("plunge", 0.08, 1.10, 0.70),
    Step("first pass", 0.34, 1.35, 1.00),
    Step("return", 0.05, 0.65, 0.05),
    Step("second pass", 0.24, 1.05, 0.55),
    Step("retract", 0.06, 0.65, 0.00),
    Step("unclamp", 0.10, 0.45, 0.00),
    wear_power=0.02,
)

GRINDING = _program(
    Step("clamp", 0.08, 0.55, 0.00),
    Step("rough infeed", 0.28, 1.30, 1.00),
    Step("fine infeed", 0.26, 1.10, 0.60),
    Step("spark out", 0.16, 0.85, 0.20),
    Step("dress", 0.12, 0.95, 0.35),
    Step("unclamp", 0.10, 0.55, 0.00),
    wear_power=0.02,
)

FURNACE = _program(
    Step("charge", 0.06, 0.90, 0.10),
    Step("heat up", 0.28, 1.25, 1.00),
    Step("carburise", 0.36, 0.95, 1.00),
    Step("diffuse", 0.16, 0.85, 1.00),
    Step("quench", 0.08, 0.80, 0.40),
    Step("discharge", 0.06, 0.80, 0.10),
)

WASHING = _program(
    Step("load", 0.08, 0.50, 0.00),
    Step("wash", 0.36, 1.15, 1.00),
    Step("rinse", 0.18, 0.95, 0.80),
    Step("blow off", 0.14, 1.20, 0.60),
    Step("dry", 0.16, 1.05, 0.20),
    Step("unload", 0.08, 0.50, 0.00),
)

HANDLING = _program(
    Step("reach", 0.18, 0.95, 0.55),
    Step("grip", 0.08, 0.50, 0.30),
    Step("lift", 0.12, 1.50, 1.00),
    Step("carry", 0.22, 1.20, 0.75),
    Step("place", 0.16, 0.90, 0.60),
    Step("release", 0.08, 0.50, 0.25),
    Step("return", 0.16, 0.95, 0.50),
    wear_power=0.02,
)

PRESSING = _program(
    Step("load", 0.22, 0.50, 0.00),
    Step("approach", 0.12, 0.80, 0.03),
    Step("touch", 0.04, 1.10, 0.12),
    Step("press in", 0.06, 1.60, 0.35),
    Step("press further", 0.06, 1.90, 0.55),
    Step("press home", 0.06, 2.20, 0.75),
    Step("hold", 0.08, 2.30, 1.00),
    Step("release", 0.12, 0.90, 0.00),
    Step("unload", 0.24, 0.50, 0.00),
    wear_power=0.02,
)

TIGHTENING = _program(
    Step("load", 0.20, 0.60, 0.00),
    Step("start thread", 0.08, 0.90, 0.05),
    Step("run down", 0.16, 1.30, 0.12),
    Step("snug", 0.06, 1.45, 0.40),
    Step("tighten", 0.06, 1.70, 0.70),
    Step("final torque", 0.08, 1.80, 1.00),
    Step("loosen tool", 0.10, 0.90, 0.00),
    Step("unload", 0.26, 0.60, 0.00),
    wear_power=0.02,
)

TESTING = _program(
    Step("dock", 0.10, 0.40, 0.00),
    Step("spin up", 0.08, 1.30, 0.40),
    Step("low gears", 0.20, 1.10, 1.00),
    Step("middle gears", 0.20, 1.25, 0.75),
    Step("high gears", 0.18, 1.35, 0.50),
    Step("coast down", 0.08, 0.50, 0.10),
    Step("reverse", 0.08, 0.90, 0.60),
    Step("undock", 0.08, 0.40, 0.00),
)

STEADY = _program(Step("prepare", 0.20, 0.70, 0.10), Step("work", 0.60, 1.20, 1.00), Step("finish", 0.20, 0.70, 0.10))

PROGRAMS: dict[str, Program] = {
    "cnc": CUTTING,
    "hobbing": HOBBING,
    "shaving": HOBBING,
    "furnace": FURNACE,
    "grinder": GRINDING,
    "honing": GRINDING,
    "washer": WASHING,
    "robot": HANDLING,
    "packing": HANDLING,
    "press": PRESSING,
    "tightening": TIGHTENING,
    "test_bench": TESTING,
    "marking": STEADY,
}


def program_of(kind: str) -> Program:
    """Return the program of a machine kind; STEADY for a kind without its own."""
    return PROGRAMS.get(kind, STEADY)
