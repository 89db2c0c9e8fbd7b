"""Colours of states, causes and scenarios, for light and dark screens.

Neighbours also differ in lightness, so that readers who do not see red and green can separate them.
"""

from __future__ import annotations

from factory_sim.plant.states import State

# State of a machine -> (on light, on dark, label), in the order in which bars are stacked: work, planned stops, waits,
# failures.
MACHINE_STATES: dict[State, tuple[str, str, str]] = {
    State.BUSY: ("#237a60", "#2f8a6c", "busy"),
    State.SETUP: ("#4a5fb0", "#7387d6", "setup"),
    State.MAINTENANCE: ("#9a86c9", "#b3a1dd", "planned maintenance"),
    State.STARVED: ("#b9c7d3", "#3b4854", "starved: waits for parts"),
    State.BLOCKED: ("#e3b04b", "#d19d38", "blocked: waits for room"),
    State.WAITING: ("#8fbbdd", "#6f9dc2", "waits for robot, operator or vehicle"),
    State.DOWN: ("#f0896c", "#ff9f88", "down: waits for a crew"),
    State.REPAIR: ("#8f2f2a", "#9a332e", "in repair"),
    State.OFF: ("#efefec", "#23282d", "off: break or no shift"),
}
# States that only vehicles, robots and crews have, and the one of a unit without news
OTHER_STATES: dict[State, tuple[str, str, str]] = {
    State.IDLE: ("#d5dbe0", "#2f3941", "free"),
    State.MOVING_EMPTY: ("#9db3c4", "#5b7286", "drives empty"),
    State.MOVING_LOADED: ("#1668a8", "#5aa9e6", "drives loaded"),
    State.LOADING: ("#4a5fb0", "#7387d6", "loads or unloads"),
    State.CHARGING: ("#9a86c9", "#b3a1dd", "charges"),
    State.UNKNOWN: ("#ffffff", "#101316", "unknown: no news"),
}
STATES = MACHINE_STATES | OTHER_STATES
# A state is never shown by its colour alone.
LETTERS: dict[State, str] = {
    State.BUSY: "B",
    State.SETUP: "S",
    State.MAINTENANCE: "M",
    State.STARVED: "E",  # the entrance is empty
    State.BLOCKED: "F",  # the exit is full
    State.WAITING: "W",
    State.DOWN: "D",
    State.REPAIR: "R",
    State.OFF: "O",
    State.IDLE: "I",
    State.MOVING_EMPTY: "V",
    State.MOVING_LOADED: "L",
    State.LOADING: "U",
    State.CHARGING: "C",
    State.UNKNOWN: "?",
}
# Cause of energy use -> the state whose colour it has
ENERGY_CAUSES = {
    "processing": State.BUSY,
    "waiting": State.STARVED,
    "blocked": State.BLOCKED,
    "down": State.DOWN,
    "off": State.OFF,
}
# Reason of lost time -> the state whose colour it has
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
# Scenarios: the baseline is grey.
SCENARIOS = (("#87919b", "#8e99a4"), ("#1668a8", "#5aa9e6"), ("#b0592b", "#e08e5f"), ("#7a4fa0", "#b48ad6"))
