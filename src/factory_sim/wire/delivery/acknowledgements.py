"""End-to-end acknowledgement: which blocks a consumer has.

A publisher with a journal sends, after the messages of block n, a mark on `<root>/journal/mark`: the checksums of these
messages. A consumer that has all blocks up to n retains this on `<root>/journal/ack/<name>`. A broker's PUBACK does not
prove delivery: killed brokers have lost three quarters of what they had acknowledged.

A mark has a turn, one more each time that the publisher goes back; an acknowledgement names the highest mark of the
latest turn. A consumer that took a block's mark but not all of its messages will not get them any more: the publisher
goes back. A consumer that did not is busy, stopped or gone: sending again would only add to its backlog.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Self

import orjson

from factory_sim.records import Message
from factory_sim.wire import topics
from factory_sim.wire.payload_checks import json_object, reading, refuse, whole

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION = 1
MAX_SEEN = 1_000_000  # checksums of messages whose mark has not arrived; about 100 MB
MAX_MARKS = 10_000  # that wait for a message
OVERTAKES = 10  # by so many marks may a message overtake its own
_SUM = 8  # bytes
_MAX_NUMBER = 2**53


def mark_topic(root: str) -> str:
    """Return the topic of a publisher's marks."""
    return f"{topics.clean_root(root)}/journal/mark"


def ack_topic(root: str, name: str) -> str:
    """Return the topic of the acknowledgements of consumer `name`."""
    return f"{topics.clean_root(root)}/journal/ack/{topics.level(name)}"


def mark(root: str, run_id: str, number: int, first: int, messages: Iterable[Message], turn: int = 0) -> Message:
    """Return the mark of block `number`; `first` is the oldest block that the publisher still holds."""
    arriving = (m for m in messages if m.payload)  # an empty one deletes a retained value and is passed on to no one
    sums = b64encode(b"".join(map(checksum, arriving))).decode()
    payload = {"v": VERSION, "run_id": run_id, "turn": turn, "block": number, "first": first, "messages": sums}
    return Message(mark_topic(root), orjson.dumps(payload))


def checksum(message: Message) -> bytes:
    """Return eight bytes of topic and payload."""
    return blake2b(message.payload, digest_size=_SUM, key=message.topic.encode()[-64:]).digest()


@dataclass(frozen=True, slots=True)
class Ack:
    """A consumer has all blocks before `blocks`, and has taken the mark of `block` in turn `turn`."""

    run_id: str
    blocks: int
    turn: int
    block: int  # -1: none in this turn

    @classmethod
    def read(cls, message: Message) -> Self:
        """Return an acknowledgement. Raises PayloadError."""
        with reading(message.topic, "acknowledgement"):
            found = json_object(message.payload)
            lows = {"blocks": 0, "turn": 0, "block": -1}
            return cls(_run_id(found), **{key: whole(found, key, low, _MAX_NUMBER) for key, low in lows.items()})


class Receipts:
    """One consumer's record of the blocks of one publisher."""

    def __init__(self, root: str, name: str) -> None:
        self._mark_topic, self._ack_topic = mark_topic(root), ack_topic(root, name)
        self.run_id, self.blocks = "", 0  # all blocks before this one have arrived
        self._turn, self._block = 0, -1  # the latest turn of a mark, and the highest of its marks
        self._seen: dict[bytes, int] = {}  # checksum -> marks that had arrived before it, in order of arrival
        self._n_marks = 0
        self._marks: dict[int, frozenset[bytes]] = {}
        self._highest = -1  # of all marks of this run
        self._swept = 0  # no mark of a block before this one is kept

    def take(self, message: Message) -> Message | None:
        """Record a message. Return an acknowledgement if it is a mark or completes a block.

        Raises PayloadError on an unreadable mark. Other messages are never refused.
        """
        with reading(message.topic, "mark"):
            if message.topic != self._mark_topic:
                self._seen[checksum(message)] = self._n_marks
                if len(self._seen) > MAX_SEEN:  # a publisher that sends no marks
                    del self._seen[next(iter(self._seen))]
                return self.acknowledgement() if self._marks and self._progress() else None
            self._read(message.payload)
            self._n_marks += 1
            self._progress()
            return self.acknowledgement()

    @property
    def is_pending(self) -> bool:
        """Whether messages have arrived whose block is not acknowledged, or that were sent again."""
        return bool(self._seen)

    @property
    def is_complete(self) -> bool:
        """Whether there are marks, and everything up to the newest one has arrived: nothing will be sent again."""
        return self.blocks > self._highest >= 0 and not self._seen

    def acknowledgement(self) -> Message:
        """Return the present acknowledgement, retained."""
        payload = {"v": VERSION, "run_id": self.run_id, "blocks": self.blocks, "turn": self._turn, "block": self._block}
        return Message(self._ack_topic, orjson.dumps(payload), retain=True)

    def _read(self, payload: bytes) -> None:
        found = json_object(payload)
        run_id, number = _run_id(found), whole(found, "block", 0, _MAX_NUMBER)
        first, turn = whole(found, "first", 0, number), whole(found, "turn", 0, _MAX_NUMBER)
        if run_id == self.run_id and (first > self._highest + 1 or number > self._highest + MAX_MARKS):
            refuse(f"block {number} after block {self._highest}: it is beyond what was sent")
        sums = _checksums(found.get("messages"))
        if run_id != self.run_id:
            self.run_id, self.blocks, self._turn, self._swept, self._highest = run_id, 0, -1, 0, -1
            self._marks.clear()
        if turn != self._turn:
            self._turn, self._block = turn, -1
        self._block, self._highest = max(self._block, number), max(self._highest, number)
        self.blocks = max(self.blocks, first)  # earlier blocks are forgotten, or went to another consumer
        if number < self.blocks:  # sent again: these need no acknowledgement
            for one in sums:
                self._seen.pop(one, None)
        elif len(self._marks) < MAX_MARKS:
            self._marks[number] = sums

    def _progress(self) -> bool:
        """Complete blocks whose messages have all arrived. Return whether there were any."""
        before = self.blocks
        while (wanted := self._marks.get(self.blocks)) is not None and wanted <= self._seen.keys():
            for one in self._marks.pop(self.blocks):
                self._seen.pop(one)
            self.blocks += 1
        if self.blocks > self._swept:
            self._marks = {number: wanted for number, wanted in self._marks.items() if number >= self.blocks}
            self._swept = self.blocks
        if not self._marks:  # what a broker has delivered twice, or has retained, belongs to no later block
            while self._seen and self._n_marks > OVERTAKES + self._seen[oldest := next(iter(self._seen))]:
                del self._seen[oldest]
        return self.blocks > before


def _run_id(found: dict[str, Any]) -> str:
    """Return the run of a mark or acknowledgement of a known version."""
    whole(found, "v", VERSION, VERSION)
    value = found.get("run_id")
    if type(value) is not str or not 0 < len(value) <= 200:
        refuse("run_id: expected a text")
    return value


def _checksums(text: object) -> frozenset[bytes]:
    try:
        data = b64decode(text, validate=True) if type(text) is str else b"?"
    except ValueError:
        data = b"?"
    if len(data) % _SUM:
        refuse(f"messages: expected checksums of {_SUM} bytes each in base64")
    return frozenset(data[k : k + _SUM] for k in range(0, len(data), _SUM))
