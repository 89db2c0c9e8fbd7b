"""The checks that every decoder makes before it uses a payload."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import orjson

from factory_sim.clock import ns_from_us
from factory_sim.errors import PayloadError, did_you_mean
from factory_sim.plant.states import Outcome, State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from factory_sim.records import Meta

MAX_JSON = 256 * 1024  # bytes; a machine with a thousand sensors needs 40 kB
STATE_NAMES = tuple(state.name.lower() for state in State)
OUTCOME_NAMES = tuple(outcome.name.lower() for outcome in Outcome)
ROW_RANGES = {  # the values of a row, in the order in which the formats write them: lowest and highest
    "seq": (0, 2**40),
    "state": (0, len(STATE_NAMES) - 1),
    "part": (-1, 2**31 - 1),
    "outcome": (0, len(OUTCOME_NAMES) - 1),
    "detail": (-(2**31), 2**31 - 1),
}
SEQ_RANGE = ROW_RANGES["seq"]
ANY_INT64 = (-(2**63), 2**63 - 1)
_SLACK_US = 3_600_000_000  # a feed may run past its window's end by an hour
_SHOWN = 60


class RefusedError(Exception):
    """The reason why a payload is refused; `reading` turns it into a PayloadError."""


def refuse(reason: str) -> NoReturn:
    """Raise RefusedError."""
    raise RefusedError(reason) from None


def need(condition: bool, reason: str) -> None:
    """Refuse the payload unless `condition` holds."""
    if not condition:
        refuse(reason)


@contextmanager
def reading(topic: str, kind: str) -> Iterator[None]:
    """Turn a refusal into a PayloadError with the message's topic and the kind of payload expected."""
    try:
        yield
    except RefusedError as error:
        raise PayloadError(topic, kind, str(error)) from None


class Span:
    """The times that a feed can contain: from the run's start to an hour after the window's end."""

    def __init__(self, meta: Meta) -> None:
        self.epoch_ns, self.last_us = meta.epoch_ns, 0
        self.extend(meta)

    def extend(self, meta: Meta) -> None:
        """Accept times up to the end of a longer window."""
        self.last_us = max(self.last_us, meta.window.t1_us + _SLACK_US)
        self.last_ns = ns_from_us(self.last_us, meta.epoch_ns)

    def check_ticks(self, first: int, last: int, period_us: int) -> None:
        """Refuse ticks before the run's start or after its end."""
        if first < 0 or last * period_us > self.last_us:
            refuse(f"seq {last if first >= 0 else first} lies outside the run")

    def tick_at(self, seq: int, t_ns: int, period_us: int, slack_ns: int = 0) -> int:
        """Return the tick of a sample: its number, or, where a gateway has restarted its numbers, that of its time."""
        since_ns, period_ns = t_ns - self.epoch_ns, period_us * 1_000
        tick = (since_ns + period_ns // 2) // period_ns
        if abs(tick * period_ns - since_ns) > slack_ns or seq > tick:
            refuse(f"the time {t_ns} ns is not that of seq {seq}, {self.epoch_ns + seq * period_ns} ns")
        self.check_ticks(tick, tick, period_us)
        return tick

    def check_ns(self, t_ns: int, slack_ns: int = 0) -> None:
        """Refuse times before the run's start or after its end."""
        if not self.epoch_ns - slack_ns <= t_ns <= self.last_ns + slack_ns:
            refuse(f"the time {t_ns} ns lies outside the run")


def json_object(payload: bytes, limit: int = MAX_JSON) -> dict[str, Any]:
    """Return the payload as a JSON object of at most `limit` bytes."""
    if len(payload) > limit:
        refuse(f"{len(payload):,} bytes; expected at most {limit:,}")
    try:
        found = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        ended = error.pos >= len(payload.rstrip()) or not payload
        refuse("ends early" if ended else f"not JSON: {error.msg} at byte {error.pos}")
    if type(found) is not dict:
        refuse(f"expected a JSON object, got {shown(found)}")
    return found


def need_keys(found: dict[str, Any], expected: Collection[str], shift: str) -> int:
    """Refuse an object whose keys are not exactly `expected`. Return the optional time shift at key `shift`, or 0."""
    shifted_by = whole(found, shift, 1, SEQ_RANGE[1]) if shift in found else 0
    if len(found) - (shift in found) == len(expected) and found.keys() >= set(expected):
        return shifted_by
    for key in expected:
        if key not in found:
            refuse(f"{key} is missing")
    unknown = next(key for key in found if key not in expected and key != shift)
    refuse(f"{shown(unknown)} is not a known key. {did_you_mean(unknown[:_SHOWN], expected)}")


def whole(found: dict[str, Any], key: str, low: int, high: int) -> int:
    """Return the integer at `key`, within [low, high]."""
    value = found.get(key)
    if type(value) is int and low <= value <= high:
        return value
    if key not in found:
        refuse(f"{key} is missing")
    refuse(f"{key}: expected a whole number from {low} to {high}, got {shown(value)}")


def number(value: object, key: str) -> float:
    """Return a JSON number; true and false are not numbers."""
    if type(value) is float or type(value) is int:
        return value
    refuse(f"{key[:_SHOWN]}: expected a number, got {shown(value)}")


def word(found: dict[str, Any], key: str, known: dict[str, int]) -> int:
    """Return the code of the word at `key`."""
    value = found.get(key)
    code = known.get(value) if type(value) is str else None
    if code is None:
        hint = did_you_mean(value[:_SHOWN] if type(value) is str else "", known)
        refuse(f"{key}: {shown(value)} is unknown. {hint}")
    return code


def shown(value: object) -> str:
    """Return a value as a message shows it: short, and a container by its type only."""
    text = repr(value) if not isinstance(value, dict | list) else f"a JSON {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
