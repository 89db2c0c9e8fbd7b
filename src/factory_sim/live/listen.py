"""Listen to a feed and analyse it: the readings, the losses, and the KPIs of the window."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from threading import Event
from typing import TYPE_CHECKING

from factory_sim.analysis import kpis
from factory_sim.analysis.rebuild import Feed
from factory_sim.analysis.trust import Trust
from factory_sim.errors import FactoryError, PayloadError
from factory_sim.live.listen_result import listen_result
from factory_sim.live.liveness import LIVE_S
from factory_sim.live.replies import Replies
from factory_sim.live.rolling.descriptions import extended, since, unchanging
from factory_sim.live.rolling.first_readings import FirstReadings
from factory_sim.live.rolling.windows import Windows
from factory_sim.wire import meta as description
from factory_sim.wire import presence, topics
from factory_sim.wire.formats import FORMATS, uns
from factory_sim.wire.kpi_messages import kpi_root
from factory_sim.wire.sparkplug.namespace import VERSION, group_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.analysis.facts import Facts
    from factory_sim.live.receiver import Receiver
    from factory_sim.live.rolling.resuming import Memory
    from factory_sim.live.sinks.sink import Sink
    from factory_sim.records import KpiTable, Message, Meta, Readings
    from factory_sim.results.feed import ListenResult
    from factory_sim.wire.formats import Decoder

DEEPEST_ROOT = 6  # levels above `meta` that are searched when no root is given
TURN_S = 0.2  # the longest wait for messages between two checks for Ctrl-C and the clock
_UNFINISHED_KEPT = 20
FLUSH_S = 20.0  # between two flushes of what is stored
GRACE_S = 2.0  # silence after which nothing more is expected of a run that has ended with losses


class NoFeedError(FactoryError):
    """No feed has been found."""

    def __init__(self, root: str = "any root") -> None:
        super().__init__(
            f"No feed was found below {root}: no description of a running feed arrived on <root>/meta.\n"
            "  Check the publisher and the root; a feed without description needs --plant FILE."
        )


class NoReadingsError(NoFeedError):
    """A feed has been described, but none of its readings arrived."""

    def __init__(self, listener: Listener) -> None:
        counts, run_id = listener.counts, listener.meta.run_id if listener.meta is not None else ""
        text = f"No reading of run {run_id} arrived below {listener.root}, so there are no KPIs."
        skipped = f" {counts.skipped:,} messages were skipped, the last of them: {counts.reason}" * bool(counts.reason)
        FactoryError.__init__(self, f"{text}{skipped}")


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
    store : keeps every reading that arrives, such as a recording; None: nothing does.
    memory : gives what an earlier process has recorded of the same run; None: nothing.
    """

    def __init__(
        self,
        root: str,
        *,
        payload_format: str = "",
        meta: Meta | None = None,
        clock: Callable[[], float] = time.monotonic,
        store: Sink | None = None,
        memory: Memory | None = None,
    ) -> None:
        self.root, self.counts, self.store, self._memory = topics.clean_root(root), Counts(), store, memory
        self.meta, self.windows = meta, self._windows(meta) if meta else None
        self.conflicts: dict[str, None] = {}  # sentences about descriptions that were ignored, in order
        self.unfinished: list[ListenResult] = []  # runs that were silent when another one began, the latest ones
        self._clock = clock
        self._heard_at = float("-inf")  # when the last reading or heartbeat of the run arrived
        self._first = FirstReadings()  # that were not retained
        self._rival: Meta | None = None  # the description that was ignored last
        self.payload_format = payload_format
        self._meta_topic, self._status_topic = topics.meta_topic(root), presence.status_topic(root)
        self._protocol = (f"{kpi_root(root)}/", f"{self.root}/journal/")  # topics without readings
        self._group = group_id(root)
        self._has_own_meta = meta is not None
        self._decoders: dict[str, Decoder] = {}
        if meta is not None:
            self._open(meta)

    def take(self, message: Message) -> bool:
        """Use a message, or count it as skipped; False if it came before the description and is needed again."""
        try:
            if message.topic == self._meta_topic:
                self._describe(message)
            elif message.topic == self._status_topic:
                self._hear_status(message)
            elif message.topic.startswith(self._protocol) or self._is_foreign(message.topic):
                return True
            elif self.meta is None or self.feed is None:
                return False  # perhaps an earlier run's retained state: only the description decides
            else:
                self._add(self._decode(message), is_live=not message.retain)
        except PayloadError as error:
            self.counts.skipped += 1
            self.counts.reason = str(error)
        return True

    @property
    def feed(self) -> Feed | None:
        """The readings of the run; None before its description."""
        return self.windows.feed if self.windows is not None else None

    @property
    def trust(self) -> Trust:
        """The readings that cannot be right, as of the last table."""
        return self.windows.trust if self.windows is not None else Trust(())

    def close(self) -> None:
        """End what is stored of the run."""
        if self.store is not None:
            if self.windows is not None and self.counts.readings:
                self.windows.finish()
                if self._memory is not None:
                    self._memory.keep(self.windows)
            self.store.close(self.feed.losses() if self.feed is not None else None)

    @property
    def ended(self) -> bool:
        """Whether the publisher has ended the run."""
        return self.meta is not None and bool(self.meta.sent_rows)

    def table(self) -> KpiTable:
        """Return every KPI of the window, or of the part that has arrived; of a run without end, of the shift."""
        windows = self.checked()
        if windows.is_rolling:
            windows.refresh()
            for name in ("shift", "today"):
                if (table := windows.table(name)) is not None:
                    return table
        return kpis.of_facts(self.facts())

    def facts(self) -> Facts:
        """Return the facts of the window, or of the part of it that has arrived and is kept."""
        return self.checked().whole()

    def checked(self) -> Windows:
        """Return the windows of the run. Raises NoFeedError before its first reading."""
        if self.windows is None:
            raise NoFeedError(self.root)
        if not self.counts.readings:
            raise NoReadingsError(self)
        return self.windows

    def _windows(self, meta: Meta) -> Windows:
        close_shift = None if self.store is None else self.store.close_shift
        return Windows(Feed(meta), close_shift, None if self._memory is None else self._memory.keep)

    def _add(self, readings: Readings, *, is_live: bool) -> None:
        """Add readings to the feed; the first live one shows whether the listener joined late."""
        assert self.meta is not None
        assert self.windows is not None
        count = readings.count()
        self.counts.readings += count
        self.counts.messages += 1
        self.windows.add(readings)
        if self.store is not None:
            self.store.add(readings)
        if count and is_live:
            self._heard_at = self._clock()
            if self._first.add(readings, self.meta):
                self.windows.feed.finish(self._heard(self.meta))

    @property
    def joined_us(self) -> int | None:
        """The time of the first reading that a listener received which joined late; None: it did not."""
        if self.meta is None or self._has_own_meta:
            return None
        return self._first.joined_us(self.meta.window.t0_us)

    def _heard(self, meta: Meta) -> Meta:
        """Return a description of what a listener can have received that joined late: its part of the window."""
        return meta if self.joined_us is None else since(meta, self.joined_us)

    def _describe(self, message: Message) -> None:
        if self._has_own_meta:
            return
        found = description.decode(message.payload, message.topic)
        if self.meta is None or (found.run_id == self.meta.run_id and not self._is_resumed(found)):
            self._continue(found) if self.meta is not None else self._begin(found, message)
        elif self._is_silent() or not self.counts.readings:
            self._begin(found, message)
        elif not self.ended:
            self._rival = found
            text = f"Run {found.run_id} began below {self.root} while run {self.meta.run_id} was live: it is ignored."
            self.conflicts[text] = None

    def _begin(self, found: Meta, message: Message) -> None:
        """Begin a run; keep an earlier one, which is unfinished. A run that was over already does not begin.

        Unless its recording has no end: a listener that was away then reports what it did not receive.
        """
        if message.retain and found.sent_rows and not (self._memory is not None and self._memory.lacks_end(found)):
            return
        if self.counts.readings:
            self.unfinished.append(replace(listen_result(self, self.table()), unfinished=()))
            del self.unfinished[:-_UNFINISHED_KEPT]
        self.meta, self.windows, self.counts, self._decoders = found, self._windows(found), Counts(), {}
        self._first, self._heard_at, self._rival = FirstReadings(), float("-inf"), None
        self._open(found)

    def _open(self, found: Meta) -> None:
        """Begin the recording of a run, or continue it with what an earlier process has recorded."""
        if self.store is not None:
            self.store.describe(found)
        if self._memory is not None and self.windows is not None:
            first_us = self._memory.resume(self.windows)
            if first_us is not None:
                self._first, self.counts.readings = FirstReadings(first_us), self.windows.feed.losses().received
                self.windows.feed.finish(self._heard(found))

    def _continue(self, found: Meta) -> None:
        """Use a further description of the run: a later end, or its end. An altered one is a conflict."""
        assert self.meta is not None
        assert self.windows is not None
        if self.ended and not found.sent_rows:  # the opening description, sent again from a journal
            return
        if unchanging(found) != unchanging(self.meta):
            text = f"The description of run {found.run_id} was altered below {self.root}: it is ignored."
            self.conflicts[text] = None
            return
        self.meta = found = extended(self.meta, found)
        self.windows.feed.finish(self._heard(found))
        self.windows.ended = self.ended
        for decoder in self._decoders.values():
            decoder.extend(found)
        if self.store is not None:
            self.store.describe(found)

    def _is_resumed(self, found: Meta) -> bool:
        """Return whether the run, which fell silent, has been resumed from a snapshot: its window begins later."""
        meta = self.meta
        assert meta is not None
        return self._is_silent() and found.window.t0_us > meta.window.t0_us and unchanging(found) == unchanging(meta)

    def _is_silent(self) -> bool:
        """Return whether the run has been silent for so long that it counts as unfinished."""
        return self._clock() - self._heard_at >= LIVE_S

    def _hear_status(self, message: Message) -> None:
        """Take a heartbeat, or the end of the publisher's connection: then the run that was ignored begins."""
        run_id, online = presence.read(message)
        if self.meta is None or run_id != self.meta.run_id or self._heard_at == float("-inf"):
            return
        self._heard_at = self._clock() - (0.0 if online else LIVE_S)
        if not online and not self.ended and self._rival is not None:
            self._begin(self._rival, replace(message, retain=False))

    def _is_foreign(self, topic: str) -> bool:
        """Return whether it is Sparkplug of another group, or a host's state: a host receives them, too."""
        return topic.startswith(f"{VERSION}/") and not topic.startswith(f"{VERSION}/{self._group}/")

    def _decode(self, message: Message) -> Readings:
        """Decode by the format in use; if none was given, the first message that only one format can read decides."""
        if self.payload_format:
            return self._decoder(self.payload_format).feed(message)
        readable: dict[str, Readings] = {}
        reason = f"none of {', '.join(FORMATS)} can read it"
        for name, entry in FORMATS.items():
            if topics.matches(entry.topic_filter(self.root), message.topic):
                try:
                    readable[name] = self._decoder(name).feed(message)
                except PayloadError as error:
                    reason = error.reason if error.reason == uns.IS_BARE else reason
        if not readable:
            raise PayloadError(message.topic, "known", reason)
        if len(readable) == 1:  # alarms are the same in several
            (self.payload_format,) = readable
        return next(iter(readable.values()))

    def _decoder(self, name: str) -> Decoder:
        assert self.meta is not None
        if name not in self._decoders:
            self._decoders[name] = FORMATS[name].decoder(self.meta, self.root)
        return self._decoders[name]


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
    notify: Callable[[str], None] = lambda _: None,
    every_s: float = 10.0,
    stop: Event | None = None,
    replies: Replies | None = None,
) -> None:
    """Take messages until the run has ended and is complete, or `stop` is set.

    `ready` is called once subscribed, `watch` every `every_s`, `notify` with a sentence about an event. When the run
    has ended but readings are missing, it continues until nothing has arrived for GRACE_S, longer if it acknowledges:
    missing readings will be sent again.
    """
    stop, next_s, deadline_s = stop or Event(), time.monotonic() + every_s, float("inf")
    replies, reported, flush_s = replies or Replies(listener.root), 0, time.monotonic() + FLUSH_S
    receiver.subscribe([f"{listener.root}/#"])  # everything below, so that foreign messages are counted
    if replies.host is None:  # a host subscribes to the whole namespace
        receiver.subscribe([FORMATS["sparkplug"].topic_filter(listener.root)], qos=0)
    ready()
    while not stop.is_set() and time.monotonic() < deadline_s and not (_complete(listener) and replies.settled):
        for message in receiver.messages(TURN_S):
            answers = replies.to(message, was_used=listener.take(message))
            if answers and listener.store is not None:
                listener.store.flush()  # an acknowledgement lets the publisher delete what it acknowledges
            _reply(receiver, answers)
            deadline_s = float("inf")
            if time.monotonic() >= next_s:
                _reply(receiver, _kpis(listener, replies))
                watch(listener)
                next_s = time.monotonic() + every_s
            if stop.is_set() or listener.ended:
                break
        if listener.store is not None and time.monotonic() >= flush_s:  # also of a feed that is silent
            listener.store.flush()
            flush_s = time.monotonic() + FLUSH_S
        _reply(receiver, replies.due())
        for text in filter(None, (replies.report(), *list(listener.conflicts)[reported:])):
            notify(text)
        reported = len(listener.conflicts)
        if listener.ended and deadline_s == float("inf"):
            patience_s = GRACE_S if _complete(listener) else max(GRACE_S, replies.patience_s)
            deadline_s = time.monotonic() + patience_s
    _reply(receiver, [*_kpis(listener, replies, is_last=True), *replies.closing()])
    receiver.flush()  # a broker may drop what it has not acknowledged when its client disconnects


def _kpis(listener: Listener, replies: Replies, *, is_last: bool = False) -> list[Message]:
    """Compute the windows, hand them to the store, and return them as messages, where anything needs them."""
    windows, store, meta = listener.windows, listener.store, listener.meta
    if windows is None or meta is None or not listener.counts.readings:
        return []
    is_needed = store is not None and store.needs_kpis
    if windows.is_rolling or is_needed or replies.with_kpis:
        windows.refresh()
    is_whole = is_last and not windows.is_rolling  # the run is over: only its own KPIs are published
    if store is not None and is_needed:
        for name, table in windows.tables().items():
            store.kpis(name, table)
        if is_whole:
            store.kpis("run", listener.table())
    if not replies.with_kpis:
        return []
    return replies.kpis(meta, listener.table(), {} if is_whole else windows.tables())


def _reply(receiver: Receiver, messages: list[Message]) -> None:
    if messages:
        receiver.publish(messages)


def _complete(listener: Listener) -> bool:
    """Return whether everything sent has arrived; what was sent to a listener that joined late is not known."""
    return (
        listener.ended and listener.joined_us is None and listener.feed is not None and listener.feed.losses().lost == 0
    )
