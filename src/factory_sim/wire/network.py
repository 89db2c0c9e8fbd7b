"""The network between plant and broker: the delays, losses and outages of a link profile.

A message's delay and loss depend on (seed, replication, its topic and content) alone: other messages and slices do not
change them. Delays are lognormal with the profile's latency as mean and its jitter as standard deviation. Outages begin
after exponential times and lose what is sent meanwhile: nothing behind this link stores and forwards. Messages of one
topic keep their order, as on one connection; those of different topics overtake each other. A Sparkplug node is one
connection with one sequence, whatever its topics.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from factory_sim import random_streams
from factory_sim.clock import us_from_ns, us_from_s
from factory_sim.distributions import Distribution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.plant.spec import LinkProfile
    from factory_sim.records import I8, Message

LOST = -1
_OWNER = "link"
_ONE_CONNECTION = "spBv1.0/"


def arrivals_us(profile: LinkProfile, seed: int, replication: int, sent_us: I8, draw: I8) -> I8:
    """Return when messages sent at `sent_us` arrive [µs since the run's start], or LOST. All shapes (n,).

    draw : the number of each message's draws in the link's streams; `checksums` derives it from the content.
    """
    names = {purpose: random_streams.key(seed, replication, _OWNER, purpose) for purpose in ("delay", "loss", "outage")}
    arrival = sent_us + random_streams.draws_at_us(names["delay"], draw, _delay(profile))
    lost = _in_outage(profile, names["outage"], sent_us)
    if profile.loss > 0:
        lost |= random_streams.uniforms_at(names["loss"], draw) < profile.loss
    return np.where(lost, LOST, arrival)


def checksums(messages: Sequence[Message]) -> I8:
    """Return 64 bits of each message's topic and payload. Shape (n,)."""
    digests = b"".join(
        blake2b(m.payload, digest_size=8, key=blake2b(m.topic.encode(), digest_size=16).digest()).digest()
        for m in messages
    )
    return np.frombuffer(digests, "<i8").astype(np.int64)


def _delay(profile: LinkProfile) -> Distribution:
    if profile.jitter_s > 0 and profile.latency_s > 0:
        return Distribution("lognormal", profile.latency_s, profile.jitter_s / profile.latency_s)
    return Distribution("constant", profile.latency_s)


def _in_outage(profile: LinkProfile, name: np.uint64, sent_us: I8) -> np.ndarray:
    """Return which times lie in an outage. Shape (n,)."""
    length_us = us_from_s(profile.outage_s)
    if profile.outage_every_s <= 0 or length_us <= 0 or not len(sent_us):
        return np.zeros(len(sent_us), np.bool_)
    between = Distribution("exponential", profile.outage_every_s)
    begins, last = np.empty(0, np.int64), int(sent_us.max())
    while not len(begins) or begins[-1] <= last:
        n = 2 * len(begins) + 64
        begins = np.cumsum(random_streams.draw_us(name, 0, n, between) + length_us) - length_us
    before = np.searchsorted(begins, sent_us, side="right") - 1
    return (before >= 0) & (sent_us < begins[np.maximum(before, 0)] + length_us)


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """The messages that arrived, in the order of arrival."""

    messages: list[Message]
    t_us: I8  # shape (n,), since the run's start


class Link:
    """One run's network: takes messages slice by slice and holds back those in transit."""

    def __init__(self, profile: LinkProfile, *, seed: int, replication: int, epoch_ns: int, begin_us: int) -> None:
        """Create the link. begin_us : when sending begins; older rows, a feed's opening, are sent then."""
        self.lost = 0  # messages so far
        self._profile, self._name = profile, (seed, replication)
        self._epoch_ns, self._begin_us = epoch_ns, begin_us
        self._now_us = begin_us  # end of the last slice: messages without readings are sent then
        self._waiting = Arrivals([], np.empty(0, np.int64))
        self._latest: dict[str, int] = {}  # last arrival of each connection
        self._clear = profile.latency_s == profile.jitter_s == profile.loss == 0 and not profile.outage_s

    def carry(self, messages: Sequence[Message], until_us: int) -> Arrivals:
        """Return what arrives before `until_us`, of `messages` and of those in transit."""
        sent_us = us_from_ns(np.array([m.ready_ns for m in messages], np.int64), self._epoch_ns)
        sent_us = np.where(sent_us < 0, self._now_us, np.maximum(sent_us, self._begin_us))
        self._now_us = until_us
        if self._clear:
            return Arrivals(list(messages), sent_us)
        in_time = np.argsort(sent_us, kind="stable")
        messages, sent_us = [messages[i] for i in in_time.tolist()], sent_us[in_time]
        arrival_us = arrivals_us(self._profile, *self._name, sent_us, checksums(messages))
        came = np.flatnonzero(arrival_us != LOST)
        self.lost += len(messages) - len(came)
        found = [messages[i] for i in came.tolist()]
        return self._cut(found, self._in_order(found, arrival_us[came]), until_us)

    def rest(self) -> Arrivals:
        """Return the messages still in transit."""
        rest, self._waiting = self._waiting, Arrivals([], np.empty(0, np.int64))
        return rest

    def _in_order(self, messages: list[Message], arrival_us: I8) -> I8:
        """Return arrival times that keep the order of each connection."""
        held = arrival_us.tolist()
        for i, message in enumerate(messages):
            name = _ONE_CONNECTION if message.topic.startswith(_ONE_CONNECTION) else message.topic
            held[i] = self._latest[name] = max(held[i], self._latest.get(name, 0))
        return np.array(held, np.int64)

    def _cut(self, messages: list[Message], arrival_us: I8, until_us: int) -> Arrivals:
        messages = [*self._waiting.messages, *messages]
        t_us = np.concatenate((self._waiting.t_us, arrival_us))
        order, n = np.argsort(t_us, kind="stable"), int((t_us < until_us).sum())
        arrived, self._waiting = (Arrivals([messages[i] for i in part], t_us[part]) for part in (order[:n], order[n:]))
        return arrived
