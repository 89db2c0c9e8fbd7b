"""Whether a publisher is there: retained on `<root>/status`, repeated as a heartbeat, ended by its will.

<root>/status  {"v":1,"run_id":"gearbox-4f1c","online":true}
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from factory_sim.records import Message
from factory_sim.wire import topics
from factory_sim.wire.payload_checks import json_object, reading, refuse, whole

VERSION = 1
HEARTBEAT_S = 10.0


@dataclass(frozen=True, slots=True)
class Presence:
    """What a client publishes while it is connected, and as its will."""

    online: Message
    offline: Message
    heartbeat_s: float = HEARTBEAT_S


def status_topic(root: str) -> str:
    """Return the topic on which a publisher's status is retained."""
    return f"{topics.clean_root(root)}/status"


def of_run(root: str, run_id: str) -> Presence:
    """Return the presence of the publisher of a run."""
    online, offline = (
        Message(status_topic(root), orjson.dumps({"v": VERSION, "run_id": run_id, "online": value}), retain=True)
        for value in (True, False)
    )
    return Presence(online, offline)


def read(message: Message) -> tuple[str, bool]:
    """Return the run of a status and whether its publisher is online. Raises PayloadError."""
    with reading(message.topic, "status"):
        found = json_object(message.payload)
        whole(found, "v", VERSION, VERSION)
        run_id, online = found.get("run_id"), found.get("online")
        if not isinstance(run_id, str) or not isinstance(online, bool):
            refuse("expected run_id: a text, and online: true or false")
        return run_id, online
