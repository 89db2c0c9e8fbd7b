"""Whether a run is live below a root, so that a second one does not mix its readings with it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from factory_sim.errors import ConflictError, PayloadError
from factory_sim.wire import meta as description
from factory_sim.wire import presence, topics
from factory_sim.wire.formats import FORMATS
from factory_sim.wire.kpi_messages import kpi_root

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.records import Message
    from factory_sim.wire.mqtt.client import Client

LIVE_S = 30.0  # without a message or a heartbeat, after which a run counts as ended
RETAINED_S = 0.3  # without a message, after which all retained ones have arrived
_TURN_S = 0.1


def live_run(
    client: Client,
    root: str,
    *,
    own: str = "",
    is_stopped: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda _: None,
) -> str:
    """Return the id of a run that is live below `root`; "": none is, or only run `own`.

    Live is a run whose retained description has no final counts, whose publisher's will has not been published, and
    of which a message or a heartbeat arrives within LIVE_S.
    """
    meta_topic, status_topic = topics.meta_topic(root), presence.status_topic(root)
    client.subscribe([meta_topic, status_topic], qos=0)
    found, offline = "", set[str]()
    for message in client.messages(RETAINED_S):
        try:
            if message.topic == meta_topic:
                meta = description.decode(message.payload)
                found = "" if meta.sent_rows else meta.run_id
            elif message.topic == status_topic:
                run_id, online = presence.read(message)
                offline |= set() if online else {run_id}
        except PayloadError:
            continue
    if not found or found == own or found in offline:
        return ""
    say(f"Run {found} below {root} has not ended: waiting at most {LIVE_S:g} s for a sign of life.")
    client.subscribe([f"{topics.clean_root(root)}/#", FORMATS["sparkplug"].topic_filter(root)], qos=0)
    end = time.monotonic() + LIVE_S
    while time.monotonic() < end and not is_stopped():
        for message in client.messages(_TURN_S):
            if _is_of_publisher(message, root):
                return found
    return ""


def check_free(client: Client, root: str, **options: str | Callable[..., object]) -> None:
    """Raise ConflictError if a run is live below `root`; the options are those of `live_run`."""
    found = live_run(client, root, **options)  # type: ignore[arg-type]
    if found:
        msg = (
            f"{client.address.display_url}: run {found} is live below {root}; the readings of two runs would mix.\n"
            "  End it, or choose another root (--root); run --takeover takes the root over."
        )
        raise ConflictError(msg)


def _is_of_publisher(message: Message, root: str) -> bool:
    """Return whether a message has just been sent by a publisher, not by a listener and not retained from before."""
    of_listeners = (f"{kpi_root(root)}/", f"{topics.clean_root(root)}/journal/ack/")
    is_command = message.topic.startswith("spBv1.0/") and message.topic.split("/")[2:3] in (["NCMD"], ["DCMD"])
    if message.retain or is_command or message.topic.startswith(of_listeners):
        return False
    try:
        return message.topic != presence.status_topic(root) or presence.read(message)[1]
    except PayloadError:
        return False
