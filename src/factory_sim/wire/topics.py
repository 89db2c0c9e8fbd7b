"""Topic names and filters: ISA-95 paths from the names in a plant's description.

Every unit's path has three levels: `<section>/<operation>/<machine>` for machines, and for all others
`<section or _line>/<role>s/<name>`. Names may contain spaces, slashes and wildcards; levels of a topic must not.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from factory_sim.records import Meta, UnitInfo

LINE = "_line"  # the section of units without one
STATE_TAGS = ("state", "part", "outcome", "detail")  # the four readings of a row
DATA, EVENT, ALARM = "data", "event", "alarm"  # last levels of a unit's topics
UNIT_LEVELS = "+/+/+"
MAX_TOPIC_BYTES = 65_535  # MQTT 3.1.1, section 1.5.3
_TAKEN = frozenset((*STATE_TAGS, DATA, EVENT, ALARM, "v", "t_ns", "seq", "period_us"))
_UNSAFE = re.compile(r"[\s/+#*>$\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # `*` and `>` are wildcards of NATS


def level(name: str) -> str:
    """Return `name` as one level of a topic: characters that brokers refuse become underscores."""
    return _UNSAFE.sub("_", name) or "_"


def clean_root(root: str) -> str:
    """Return an ISA-95 path such as `enterprise/site/area` with every level made safe, for publisher and subscriber."""
    return "/".join(level(part) for part in root.strip("/").split("/"))


def meta_topic(root: str) -> str:
    """Return the topic on which the description of the plant and the run is retained."""
    return f"{clean_root(root)}/meta"


def bulk_samples_topic(root: str, period_us: int) -> str:
    """Return the topic of columnar samples of one period."""
    return f"{clean_root(root)}/bulk/samples/{period_us}"


def bulk_rows_topic(root: str) -> str:
    """Return the topic of columnar event rows."""
    return f"{clean_root(root)}/bulk/rows"


def unit_topics(meta: Meta, root: str) -> tuple[str, ...]:
    """Return the distinct topic of every unit id, `<root>/<three levels>`."""
    start = clean_root(root)
    return tuple(f"{start}/{path}" for path in distinct((_path(meta, unit) for unit in meta.units), frozenset()))


def sensor_tags(meta: Meta) -> tuple[str, ...]:
    """Return the tag of every entry of `meta.sensors`: its name, made distinct within its unit."""
    taken: dict[int, set[str]] = {}
    tags = []
    for sensor in meta.sensors:
        used = taken.setdefault(sensor.unit, set(_TAKEN))
        tag = next(distinct([level(sensor.name)], used))
        used.add(tag)
        tags.append(tag)
    return tuple(tags)


def distinct(names: Iterable[str], taken: Iterable[str] = ()) -> Iterator[str]:
    """Return names, made distinct from each other and from those `taken`, ignoring case."""
    used = {name.lower() for name in taken}
    for name in names:
        found, count = name, 1
        while found.lower() in used:
            count += 1
            found = f"{name}_{count}"
        used.add(found.lower())
        yield found


def matches(topic_filter: str, topic: str) -> bool:
    """Return whether a filter with `+` and `#` matches a topic; wildcards never match a leading `$`."""
    wanted, given = topic_filter.split("/"), topic.split("/")
    if given[0].startswith("$") and wanted[0] in ("+", "#"):
        return False
    for i, part in enumerate(wanted):
        if part == "#":
            return True
        if i >= len(given) or part not in ("+", given[i]):
            return False
    return len(wanted) == len(given)


@lru_cache(maxsize=65_536)
def problem_of(topic: str) -> str:
    """Return why a topic cannot be published; empty if it can."""
    if not topic:
        return "a topic must not be empty"
    if any(sign in topic for sign in "+#\x00") or any(sign.isspace() for sign in topic):
        return "a topic must not contain a space, +, # or NUL: brokers disconnect on it"
    if len(topic.encode(errors="replace")) > MAX_TOPIC_BYTES:
        return f"a topic has at most {MAX_TOPIC_BYTES:,} bytes"
    return ""


def _path(meta: Meta, unit: UnitInfo) -> str:
    if unit.role == "machine" and unit.operation >= 0:
        operation = meta.operations[unit.operation]
        return f"{level(unit.section or operation.section)}/{level(operation.name)}/{level(unit.name)}"
    return f"{level(unit.section or LINE)}/{level(unit.role)}s/{level(unit.name)}"
