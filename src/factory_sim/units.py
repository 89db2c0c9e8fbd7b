"""Parse values with units, such as "37 s", "15 kW", "2.5 %" and "0.12 EUR/kWh", into SI floats."""

from __future__ import annotations

import itertools
import math
import re

# dimension -> unit -> factor to the SI unit used in names (_s, _w, _m, _mps, 1, _j, _pa, _n, _nm ...)
UNITS: dict[str, dict[str, float]] = {
    "time": {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0},
    "power": {"mW": 1e-3, "W": 1.0, "kW": 1e3, "MW": 1e6},
    "energy": {"J": 1.0, "kJ": 1e3, "MJ": 1e6, "Wh": 3600.0, "kWh": 3.6e6, "MWh": 3.6e9},
    "length": {"mm": 1e-3, "cm": 1e-2, "m": 1.0, "km": 1e3},
    "speed": {"m/s": 1.0, "m/min": 1 / 60, "km/h": 1 / 3.6},
    "frequency": {"Hz": 1.0, "kHz": 1e3, "1/min": 1 / 60, "1/h": 1 / 3600},
    "temperature": {"°C": 1.0, "degC": 1.0},
    "pressure": {"Pa": 1.0, "kPa": 1e3, "bar": 1e5, "MPa": 1e6},
    "force": {"N": 1.0, "kN": 1e3},
    "torque": {"Nm": 1.0, "N·m": 1.0},
    "current": {"mA": 1e-3, "A": 1.0},
    "voltage": {"V": 1.0, "kV": 1e3},
    "velocity": {"mm/s": 1e-3, "m/s": 1.0},
    "storage": {"kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12},
    "share": {"%": 0.01, "ppm": 1e-6, "": 1.0},
    "count": {"": 1.0, "parts": 1.0, "part": 1.0},
    "plan": {"parts/shift": 1.0},
    "number": {"": 1.0},
    "price": {"": 1.0},  # the currency of a price is checked and removed before; it is never converted
    "price_per_h": {"/h": 1.0, "/min": 60.0},
    "price_per_kwh": {"/kWh": 1.0, "/MWh": 1e-3},
}

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
AMOUNT = re.compile(rf"\s*({NUMBER})\s*(.*?)\s*")  # a number and a unit, which may be empty

_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*(\D*?)\s*")  # a quantity with a decimal comma
_CLOCK = re.compile(r"\s*(\d{1,4}):([0-5]\d)(?::([0-5]\d(?:[.,]\d+)?))?\s*")  # a duration as hh:mm:ss

_PART = re.compile(r"[\d.]+\s*(?:us|µs|ms|min|[smhd])")
_SEVERAL = re.compile(rf"\s*(?:{_PART.pattern}\s*){{2,}}")  # a duration such as 1h30m


def parse(text: str | float, dimension: str) -> float:
    """Return the SI value of `text`; raise ValueError with what was expected.

    A number without a unit is valid only in dimensions that have a unit "": share, count, number, price.
    """
    table = UNITS[dimension]
    if dimension == "time" and (clock := _CLOCK.fullmatch(str(text))):
        return _of_clock(clock)
    if dimension == "time" and _SEVERAL.fullmatch(str(text)):
        return _of_parts(str(text))
    if (comma := _COMMA.fullmatch(str(text))) and comma[1] in table:
        msg = f"{text!r} has a decimal comma; write {str(text).replace(',', '.').strip()}"
        raise ValueError(msg)
    match = AMOUNT.fullmatch(str(text)) if not isinstance(text, bool) else None
    if match is None:
        msg = f"expected {_expected(dimension)}, got {text!r}"
        raise ValueError(msg)
    number, unit = float(match[1]), match[2]
    if unit not in table:
        what = f"has the unit {unit!r}, which is not a unit of {dimension}" if unit else "has no unit"
        msg = f"{text!r} {what}; expected {_expected(dimension)}"
        raise ValueError(msg)
    value = number * table[unit]
    if math.isinf(value):
        msg = f"{text!r} is too large"
        raise ValueError(msg)
    return value


def _of_parts(text: str) -> float:
    """Return the seconds of a duration such as 1h30m; refuse parts that are not in descending order of their units."""
    parts = _PART.findall(text)
    factors = [UNITS["time"][part.lstrip("0123456789. ")] for part in parts]
    if any(after >= before for before, after in itertools.pairwise(factors)):
        msg = f"{text!r} is not one duration; write the largest unit first and each unit once, such as 1h30m"
        raise ValueError(msg)
    return math.fsum(parse(part, "time") for part in parts)


def _of_clock(clock: re.Match[str]) -> float:
    """Return the seconds of a duration as hh:mm:ss; refuse hh:mm, which could be minutes and seconds."""
    hours, minutes, seconds = clock.groups()
    if seconds is None:
        msg = f"{clock[0]} can mean hours or minutes; write it as hh:mm:ss, {hours}:{minutes}:00 or 00:{clock[0]}"
        raise ValueError(msg)
    return int(hours) * 3600.0 + int(minutes) * 60.0 + float(seconds.replace(",", "."))


def _expected(dimension: str) -> str:
    named = ", ".join(filter(None, UNITS[dimension]))
    return f"a {dimension} with a unit ({named})" if named else "a number"
