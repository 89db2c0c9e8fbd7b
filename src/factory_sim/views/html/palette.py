"""Colours that mean the same on every page, for light and dark screens.

Chosen so that neighbours differ in lightness too: they stay apart for people who do not see red and green.
"""

from __future__ import annotations

from factory_sim.plant.states import State

# What a machine can be doing: (on light, on dark, what a person calls it). In the order in which bars are stacked:
# work at the bottom, then what is planned, then the waits, then failures on top.
MACHINE_STATES: dict[State, tuple[str, str, str]] = {
    State.BUSY: ("#2f8f72", "#3fa887", "busy"),
    State.SETUP: ("#4a5fb0", "#7387d6", "setup"),
    State.MAINTENANCE: ("#9a86c9", "#b3a1dd", "planned maintenance"),
    State.STARVED: ("#cfd9e2", "#3b4854", "starved: waits for parts"),
    State.BLOCKED: ("#e3b04b", "#d19d38", "blocked: waits for room"),
    State.WAITING: ("#8fbbdd", "#6f9dc2", "waits for robot, operator or vehicle"),
    State.DOWN: ("#d4553f", "#e2705a", "down: waits for a crew"),
    State.REPAIR: ("#8f2f2a", "#b4534b", "in repair"),
    State.OFF: ("#efefec", "#23282d", "off: break or no shift"),
}
# Where energy goes has the colour of the state that draws it.
ENERGY_CAUSES = {
    "processing": State.BUSY,
    "waiting": State.STARVED,
    "blocked": State.BLOCKED,
    "down": State.DOWN,
    "off": State.OFF,
}
# Why time is lost has the colour of the state in which it is lost.
LOSS_REASONS = {
    "starved": State.STARVED,
    "blocked": State.BLOCKED,
    "waiting": State.WAITING,
    "failure": State.REPAIR,
    "crew": State.DOWN,
    "setup": State.SETUP,
    "maintenance": State.MAINTENANCE,
    "off": State.OFF,
}
# Scenarios: the baseline is grey, what is compared with it is not.
SCENARIOS = (("#87919b", "#8e99a4"), ("#1668a8", "#5aa9e6"), ("#b0592b", "#e08e5f"), ("#7a4fa0", "#b48ad6"))
