"""What every decoder checks before it believes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import orjson

from factory_sim.clock import ns_from_us
from factory_sim.errors import did_you_mean
from factory_sim.plant.states import Outcome, State

if TYPE_CHECKING:
    from collections.abc import Collection

    from factory_sim.records import Meta

MAX_JSON = 256 * 1024  # bytes; a machine with a thousand sensors needs 40 kB
MAX_SEQ = 2**40
MAX_PART = MAX_DETAIL = 2**31 - 1
MIN_DETAIL = -(2**31)
_SLACK_US = 3_600_000_000  # a feed may run past its window's end by an hour
_SHOWN = 60


class RefusedError(Exception):
    """Why a payload is refused; decoders turn it into a PayloadError with topic and format."""


def refuse(reason: str) -> NoReturn:
    """Raises RefusedError."""
    raise RefusedError(reason) from None


class Span:
    """The moments a feed can speak of: from the run's start to an hour after the window's end."""

    def __init__(self, meta: Meta) -> None:
        self.epoch_ns = meta.epoch_ns
        self.last_us = meta.window.t1_us + _SLACK_US
        self.last_ns = ns_from_us(self.last_us, meta.epoch_ns)

    def check_ticks(self, first: int, last: int, period_us: int) -> None:
        """Refuses ticks before the run's start or after its end."""
        if first < 0 or last * period_us > self.last_us:
            refuse(f"seq {last if first >= 0 else first} lies outside the run")

    def check_ns(self, t_ns: int, slack_ns: int = 0) -> None:
        """Refuses moments before the run's start or after its end."""
        if not self.epoch_ns - slack_ns <= t_ns <= self.last_ns + slack_ns:
            refuse(f"the time {t_ns} ns lies outside the run")


def json_object(payload: bytes) -> dict[str, Any]:
    """The payload as a JSON object of bounded size."""
    if len(payload) > MAX_JSON:
        refuse(f"{len(payload):,} bytes, at most {MAX_JSON:,} are expected")
    try:
        found = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        ended = error.pos >= len(payload.rstrip()) or not payload
        refuse("ends early" if ended else f"no JSON: {error.msg} at byte {error.pos}")
    if type(found) is not dict:
        refuse(f"expected a JSON object, got {_shown(found)}")
    return found


def need_keys(found: dict[str, Any], expected: Collection[str]) -> None:
    """Refuses an object whose keys are not exactly `expected`."""
    if found.keys() == set(expected):
        return
    for key in expected:
        if key not in found:
            refuse(f"{key} is missing")
    unknown = next(key for key in found if key not in expected)
    refuse(f"{_shown(unknown)} is not a known key. {did_you_mean(unknown[:_SHOWN], expected)}")


def whole(found: dict[str, Any], key: str, low: int, high: int) -> int:
    """The integer at `key`, within [low, high]."""
    value = found.get(key)
    if type(value) is int and low <= value <= high:
        return value
    if key not in found:
        refuse(f"{key} is missing")
    refuse(f"{key}: expected a whole number from {low} to {high}, got {_shown(value)}")


def number(value: object, key: str) -> float:
    """A JSON number; true and false are none."""
    if type(value) is float or type(value) is int:
        return value
    refuse(f"{key[:_SHOWN]}: expected a number, got {_shown(value)}")


def word(found: dict[str, Any], key: str, known: dict[str, int]) -> int:
    """The code of the word at `key`."""
    value = found.get(key)
    code = known.get(value) if type(value) is str else None
    if code is None:
        hint = did_you_mean(value[:_SHOWN], known) if type(value) is str else did_you_mean("", known)
        refuse(f"{key}: {_shown(value)} is not known. {hint}")
    return code


STATE_NAMES = tuple(state.name.lower() for state in State)
OUTCOME_NAMES = tuple(outcome.name.lower() for outcome in Outcome)
STATE_CODES = {name: code for code, name in enumerate(STATE_NAMES)}
OUTCOME_CODES = {name: code for code, name in enumerate(OUTCOME_NAMES)}


def _shown(value: object) -> str:
    text = repr(value) if not isinstance(value, dict | list) else f"a JSON {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
