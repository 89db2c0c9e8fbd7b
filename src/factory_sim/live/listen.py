"""Listen to a feed and analyse it: the readings, the losses, and the KPIs of the window."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Event
from typing import TYPE_CHECKING, Protocol

from factory_sim.analysis import kpis, trust
from factory_sim.analysis.rebuild import Feed
from factory_sim.errors import FactoryError, PayloadError
from factory_sim.live.replies import Replies
from factory_sim.records import Window
from factory_sim.wire import meta as description
from factory_sim.wire import topics
from factory_sim.wire.formats import FORMATS
from factory_sim.wire.kpi_messages import kpi_root
from factory_sim.wire.sparkplug.namespace import VERSION, group_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from factory_sim.analysis.blocks import Blocks
    from factory_sim.records import EventLog, KpiTable, Message, Meta, Readings
    from factory_sim.wire.formats import Decoder

DEEPEST_ROOT = 6  # levels above `meta` that are searched when no root is given
ASSESS_US = 600_000_000  # of a running feed, between two assessments of its sensors
TURN_S = 0.2  # the longest wait for messages between two checks for Ctrl-C and the clock
GRACE_S = 2.0  # silence after which nothing more is expected of a run that has ended with losses


class Receiver(Protocol):
    """The interface of the client and its in-memory twin."""

    def subscribe(self, filters: Sequence[str], qos: int = 1) -> None:
        """Subscribe to topics."""

    def messages(self, timeout_s: float) -> Iterable[Message]:
        """Return what arrives, until nothing has for `timeout_s`."""

    def publish(self, messages: Iterable[Message]) -> None:
        """Send in this order."""

    def flush(self) -> None:
        """Wait until everything is acknowledged."""


class NoFeedError(FactoryError):
    """No feed has been found."""

    def __init__(self, root: str = "any root") -> None:
        super().__init__(
            f"No feed was found below {root}: no description of a running feed arrived on <root>/meta.\n"
            "  Check the publisher and the root; a feed without description needs --plant FILE."
        )


@dataclass(slots=True)
class Counts:
    """The messages of a listener."""

    readings: int = 0
    messages: int = 0
    skipped: int = 0  # messages that no decoder accepts: foreign or damaged
    reason: str = ""  # why the last of them was skipped


class Listener:
    """Takes messages in any order, from the description to the last reading, and computes the KPI table.

    meta : replaces the description for a feed that publishes none; the feed then has no end of its own.
    payload_format : a key of FORMATS, or "": the first that can read a data message.
    """

    def __init__(self, root: str, *, payload_format: str = "", meta: Meta | None = None) -> None:
        self.root, self.counts = topics.clean_root(root), Counts()
        self.meta, self.feed = meta, Feed(meta) if meta else None
        self.payload_format = payload_format
        self._meta_topic = topics.meta_topic(root)
        self._protocol = (f"{kpi_root(root)}/", f"{self.root}/journal/")  # topics without readings
        self._group = group_id(root)
        self._has_own_meta = meta is not None
        self._decoders: dict[str, Decoder] = {}
        self.trust = trust.Trust(())  # as of the last table
        self._assessed = (-1, False)

    def take(self, message: Message) -> bool:
        """Use a message, or count it as skipped; False if it came before the description and is needed again."""
        try:
            if message.topic == self._meta_topic:
                self._describe(message)
            elif message.topic.startswith(self._protocol) or self._is_foreign(message.topic):
                return True
            elif self.meta is None or self.feed is None:
                return False  # perhaps an earlier run's retained state: only the description decides
            else:
                readings = self._decode(message)
                self.feed.add(readings)
                self.counts.readings += readings.count()
                self.counts.messages += 1
        except PayloadError as error:
            self.counts.skipped += 1
            self.counts.reason = str(error)
        return True

    @property
    def ended(self) -> bool:
        """Whether the publisher has ended the run."""
        return self.meta is not None and bool(self.meta.sent_rows)

    def table(self) -> KpiTable:
        """Return every KPI of the window, or of the part of it that has arrived."""
        if self.meta is None or self.feed is None:
            raise NoFeedError(self.root)
        log = self.feed.log()
        until_us = int(log.t_us[-1]) + 1 if len(log) else 0
        meta = self.meta if self.ended else clipped(self.meta, until_us)
        return kpis.table(log, meta, self._usable(log, meta, until_us))

    def _usable(self, log: EventLog, meta: Meta, until_us: int) -> tuple[Blocks, ...]:
        """Return the plausible samples: assessed every ten minutes of the feed, and at its end."""
        assert self.feed is not None
        blocks, stage = self.feed.blocks(), (until_us // ASSESS_US, self.ended)
        if stage != self._assessed:
            self.trust, self._assessed = trust.judge(log, meta, blocks, self.feed.losses()), stage
        return self.trust.usable(blocks)

    def _describe(self, message: Message) -> None:
        if self._has_own_meta:
            return
        found = description.decode(message.payload, message.topic)
        if self.meta is not None and found.run_id == self.meta.run_id:
            if self.ended and not found.sent_rows:  # the opening description, sent again from a journal
                return
            self.meta = found
            if self.feed is not None:
                self.feed.finish(found)
        elif not (message.retain and found.sent_rows):  # otherwise a run that was over already
            self.meta, self.feed, self.counts, self._decoders = found, Feed(found), Counts(), {}
            self._assessed = (-1, False)

    def _is_foreign(self, topic: str) -> bool:
        """Return whether it is Sparkplug of another group, or a host's state: a host receives them, too."""
        return topic.startswith(f"{VERSION}/") and not topic.startswith(f"{VERSION}/{self._group}/")

    def _decode(self, message: Message) -> Readings:
        """Decode by the format in use; if none was given, the first message that only one format can read decides."""
        if self.payload_format:
            return self._decoder(self.payload_format).feed(message)
        readable: dict[str, Readings] = {}
        for name, entry in FORMATS.items():
            if topics.matches(entry.topic_filter(self.root), message.topic):
                with suppress(PayloadError):
                    readable[name] = self._decoder(name).feed(message)
        if not readable:
            raise PayloadError(message.topic, "known", f"none of {', '.join(FORMATS)} can read it")
        if len(readable) == 1:  # alarms are the same in several
            (self.payload_format,) = readable
        return next(iter(readable.values()))

    def _decoder(self, name: str) -> Decoder:
        assert self.meta is not None
        if name not in self._decoders:
            self._decoders[name] = FORMATS[name].decoder(self.meta, self.root)
        return self._decoders[name]


def clipped(meta: Meta, until_us: int) -> Meta:
    """Return the description of the window up to `until_us`, for a feed that has not ended."""
    t0, t1 = meta.window.t0_us, min(max(until_us, meta.window.t0_us + 1), meta.window.t1_us)
    planned = tuple((a, min(b, t1)) for a, b in meta.planned_us if a < t1)
    return replace(meta, window=Window(t0, t1), planned_us=planned)


def find_root(receiver: Receiver, stop: Event, ready: Callable[[], None] = lambda: None) -> str:
    """Return the root of the first running feed with a description; wait for one until `stop` is set."""
    receiver.subscribe([f"{'+/' * levels}meta" for levels in range(1, DEEPEST_ROOT + 1)], qos=0)
    ready()
    while not stop.is_set():
        for message in receiver.messages(TURN_S):
            try:
                found = description.decode(message.payload, message.topic)
            except PayloadError:
                continue
            if not found.sent_rows:
                return message.topic.removesuffix("/meta")
    raise NoFeedError


def listen(  # noqa: PLR0913 - the listener, its connection, and its observers
    listener: Listener,
    receiver: Receiver,
    *,
    ready: Callable[[], None] = lambda: None,
    watch: Callable[[Listener], None] = lambda _: None,
    every_s: float = 10.0,
    stop: Event | None = None,
    replies: Replies | None = None,
) -> None:
    """Take messages until the run has ended and is complete, or `stop` is set.

    `ready` is called once subscribed, `watch` every `every_s`. When the run has ended but readings are missing, it
    continues until nothing has arrived for GRACE_S, longer if it acknowledges: missing readings will be sent again.
    """
    stop, next_s, deadline_s = stop or Event(), time.monotonic() + every_s, float("inf")
    replies = replies or Replies(listener.root)
    receiver.subscribe([f"{listener.root}/#"])  # everything below, so that foreign messages are counted
    if replies.host is None:  # a host subscribes to the whole namespace
        receiver.subscribe([FORMATS["sparkplug"].topic_filter(listener.root)], qos=0)
    ready()
    while not stop.is_set() and time.monotonic() < deadline_s and not (_complete(listener) and replies.settled):
        for message in receiver.messages(TURN_S):
            _reply(receiver, replies.to(message, was_used=listener.take(message)))
            deadline_s = float("inf")
            if time.monotonic() >= next_s:
                watch(listener)
                _reply(receiver, replies.kpis(listener.meta, listener.table))
                next_s = time.monotonic() + every_s
            if stop.is_set() or listener.ended:
                break
        _reply(receiver, replies.due())
        if listener.ended and deadline_s == float("inf"):
            patience_s = GRACE_S if _complete(listener) else max(GRACE_S, replies.patience_s)
            deadline_s = time.monotonic() + patience_s
    _reply(receiver, [*replies.kpis(listener.meta, listener.table), *replies.closing()])
    receiver.flush()  # a broker may drop what it has not acknowledged when its client disconnects


def _reply(receiver: Receiver, messages: list[Message]) -> None:
    if messages:
        receiver.publish(messages)


def _complete(listener: Listener) -> bool:
    return listener.ended and listener.feed is not None and listener.feed.losses().lost == 0
