"""Write a first feed file: what was recognised, what to check, and what could not be placed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson

from factory_sim.intake.mapping import Item
from factory_sim.intake.observing import guess
from factory_sim.intake.observing.source_guesses import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factory_sim.intake.observing.places import Place
    from factory_sim.intake.observing.source_guesses import SourceGuess

_PLAIN = re.compile(r"[^\W\d][\w ./$-]*")
_EXAMPLE = {
    "csv": "layout: wide, columns: {time: COLUMN, unit: COLUMN}, state: COLUMN, count: COLUMN",
    "parquet": "layout: wide, columns: {time: COLUMN, unit: COLUMN}, state: COLUMN, count: COLUMN",
    "shdr": "unit: M1, state: ITEM, count: ITEM",
    "xes": "state: KEY",
}


def text_of(name: str, places: Sequence[Place], found: Sequence[SourceGuess]) -> str:
    """Return a first feed file; what could not be placed is listed in comments."""
    guesses = [each for each in found if each.items]
    units = list(dict.fromkeys(unit for each in guesses for unit in each.units))
    lines = [
        "# A first mapping, written by `factory-sim map` from what was seen.",
        "# Check every line marked CHECK.",
        f"feed: {_quoted(name)}",
        "# Instead of units, plant: FILE also gives the flow between them.",
        f"units: [{', '.join(map(_quoted, units))}]{'' if units else '  # CHECK: write their names, such as [M1, M2]'}",
    ]
    lines += _clock(guesses)
    lines += _states(guesses)
    lines.append("sources:")
    if not guesses:
        lines += _skeleton(places)
    for each in guesses:
        lines += _source(each)
    lines.append("parts: fifo")
    return "\n".join([*lines, *_unplaced(found, guesses)]) + "\n"


def _skeleton(places: Sequence[Place]) -> Iterator[str]:
    yield "# CHECK: nothing looks like a state, a counter or a meter. Choose from what is listed below, for instance:"
    for place in places[:3]:
        keys = _EXAMPLE.get(place.kind, "unit: M1, state: $.PATH, count: $.PATH")
        yield f'#  - {{{place.kind}: "{place.name}", {keys}}}'


def _clock(guesses: Sequence[SourceGuess]) -> list[str]:
    longest = max((place.longest_ns for each in guesses for place in each.places), default=0) / 1e9
    stale = f", stale: {max(round(longest * 3), 120)} s" if longest else ""
    times = {each.time for each in guesses if each.time and each.places[0].kind not in TABLES[:2]}
    time = f'time: "{min(times)}", ' if len(times) == 1 else ""
    notes = [f"# The longest silence seen was {longest:.0f} s."] if longest else []
    if any(each.is_without_zone for each in guesses):
        notes.append("# CHECK: time stamps have no zone: add zone: Europe/Berlin or another.")
    if any(each.places[0].kind in TABLES and not each.time for each in guesses):
        notes.append("# CHECK: no column was recognised as the time: add columns: {time: COLUMN} to its source.")
    notes += [
        f"# CHECK: {each.places[0].name} has its newest rows first: sort it by time, then map it again."
        for each in guesses
        if each.is_newest_first
    ]
    return [*notes, f"clock: {{{time}late: 5 s{stale}}}"]


def _states(guesses: Sequence[SourceGuess]) -> list[str]:
    words: dict[str, tuple[int, str, str]] = {}
    for each in guesses:
        signal = each.signal(Item.STATE) if Item.STATE in each.items else None
        for word, n in signal.words.items() if signal else ():
            state, note = signal.meaning(word) if signal else ("", "")
            words[word] = (words.get(word, (0,))[0] + n, state, note)
    if not words:
        return []
    lines = ["states:"]
    for word, (n, state, note) in sorted(words.items(), key=lambda pair: -pair[1][0])[: 2 * guess.MOST_WORDS]:
        seen = f"seen {n:,} times".replace("seen 1 times", "seen once")
        hint = note or ("" if state else "CHECK: its meaning is not known")
        lines.append(f"  {_quoted(word)}: {state or 'unknown'}  # {seen}{'; ' * bool(hint)}{hint}")
    return [*lines, '  "*": refuse']


def _unplaced(found: Sequence[SourceGuess], guesses: Sequence[SourceGuess]) -> list[str]:
    placed = {id(place) for each in guesses for place in each.places}
    left = [
        f"#   {each.places[0].kind} {each.pattern}: {signal.name} ({signal.shown()})"
        for each in guesses
        for signal in each.left
    ]
    left += [
        f"#   {place.kind} {place.name}: {', '.join(f'{s.name} ({s.shown()})' for s in place.shown())}"
        for each in found
        for place in each.places
        if id(place) not in placed and place.shown()
    ]
    return ["", "# Not placed:", *left[:200]] if left else []


def _source(found: SourceGuess) -> Iterator[str]:
    first = found.places[0]
    span_s = (first.last_ns - first.first_ns) / 1e9
    rate = (
        f"about {(first.messages - 1) / span_s:.3g} messages/s each" if span_s > 0 else f"{first.messages:,} rows seen"
    )
    yield f'  - {first.kind}: "{found.pattern}"  # {rate}'
    for key, value in first.extra.items():
        yield f"    {key}: {value}"
    if found.unit:
        yield f"    unit: {_quoted(found.unit)}"
    clock, note = _own_clock(found)
    if clock:
        yield f"    clock: {{{clock}}}{note}"
    for item, path in found.items.items():
        yield f"    {item.name.lower()}: {_item(found, item, path)}"


def _own_clock(found: SourceGuess) -> tuple[str, str]:
    form, is_sure = found.form
    keys = [f'time: "{found.time}"'] if found.time and found.places[0].kind in ("mqtt", "jsonl") else []
    keys += [f"format: '{form}'"] if form else []
    return ", ".join(keys), "" if is_sure else f"  # CHECK: day and month: {found.stamps[0]}"


def _item(found: SourceGuess, item: Item, path: str) -> str:
    values = found.signal(item)
    if item in (Item.ENERGY, Item.POWER):
        unit, is_stated = guess.unit_of(item, path, values)
        check = "" if is_stated else "; CHECK: the unit"
        return f"{{path: {_quoted(path)}, unit: {unit}}}  # {values.shown()}{check}"
    if item in (Item.COUNT, Item.GOOD, Item.SCRAP) and values.falls:
        return f"{{path: {_quoted(path)}, resets: yes}}  # {values.shown()}"
    return f"{_quoted(path)}  # {values.shown()}"


def _quoted(text: str) -> str:
    special = text.lower() in {"true", "false", "null", "yes", "no", "on", "off", "~"}
    is_plain = _PLAIN.fullmatch(text) and not special and not text.endswith(" ") and " #" not in text
    return text if is_plain else orjson.dumps(text).decode()
