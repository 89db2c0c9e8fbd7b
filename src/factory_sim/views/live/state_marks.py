"""How states are shown: name, letter and colour, from the one palette."""

from __future__ import annotations

from dataclasses import dataclass

from factory_sim.views.html.palette import LETTERS, STATES


@dataclass(frozen=True, slots=True)
class StateMark:
    """A state of a unit on the page."""

    id: int
    name: str  # "starved: waits for parts"
    letter: str
    kind: str  # "starved"


STATE_MARKS = tuple(StateMark(int(state), STATES[state][2], LETTERS[state], state.name.lower()) for state in STATES)
_DARK_INK, _LIGHT_INK = "#05070a", "#ffffff"


def state_css() -> str:
    """Return the colours of states as custom properties: `--s3` behind, `--t3` the letter on it."""
    light, dark = ("".join(_properties(int(state), shades[i]) for state, shades in STATES.items()) for i in (0, 1))
    classes = "".join(f".s{int(s)}{{background:var(--s{int(s)});color:var(--t{int(s)})}}" for s in STATES)
    return f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}{classes}"


def _properties(state: int, shade: str) -> str:
    return f"--s{state}:{shade};--t{state}:{_ink_on(shade)};"


def _ink_on(shade: str) -> str:
    """Return the letter's colour with the higher contrast on a shade (WCAG 2.2, relative luminance)."""
    luminance = _luminance(shade)
    on_dark, on_light = 1.05 / (luminance + 0.05), (luminance + 0.05) / (_luminance(_DARK_INK) + 0.05)
    return _LIGHT_INK if on_dark > on_light else _DARK_INK


def _luminance(shade: str) -> float:
    levels = (int(shade[i : i + 2], 16) / 255 for i in (1, 3, 5))
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in levels)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
