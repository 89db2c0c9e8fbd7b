"""End-to-end acknowledgement: what a consumer has, block by block.

A publisher with a journal sends, after the messages of block n, a mark on `<root>/journal/mark`: the checksums of these
messages. A consumer that has all blocks up to n says so, retained, on `<root>/journal/ack/<name>`. A broker's PUBACK is
no delivery: killed brokers have lost three quarters of what they had acknowledged.

A mark has a turn, one more each time that the publisher goes back; an acknowledgement names the highest mark of the
latest turn. Who has taken a block's mark but not all of its messages will not get them any more: the publisher goes
back. Who has not is busy, stopped or gone: sending again would only add to what waits for him.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import orjson

from factory_sim.errors import PayloadError
from factory_sim.records import Message
from factory_sim.wire import topics
from factory_sim.wire.formats.decoder_checks import RefusedError, json_object, refuse, whole

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION = 1
MAX_SEEN = 1_000_000  # checksums of messages whose mark has not come; about 100 MB
MAX_MARKS = 10_000  # that wait for a message
_SUM = 8  # bytes
_MAX_NUMBER = 2**53


def mark_topic(root: str) -> str:
    """Where a publisher says what a block holds."""
    return f"{topics.clean_root(root)}/journal/mark"


def ack_topic(root: str, name: str) -> str:
    """Where consumer `name` says what it has."""
    return f"{topics.clean_root(root)}/journal/ack/{topics.level(name)}"


def mark(root: str, run_id: str, number: int, first: int, messages: Iterable[Message], turn: int = 0) -> Message:
    """The mark of block `number`; `first` is the oldest block that the publisher still holds."""
    arriving = (m for m in messages if m.payload)  # an empty one deletes what is retained and is passed on to nobody
    sums = b64encode(b"".join(map(checksum, arriving))).decode()
    payload = {"v": VERSION, "run_id": run_id, "turn": turn, "block": number, "first": first, "messages": sums}
    return Message(mark_topic(root), orjson.dumps(payload))


@dataclass(frozen=True, slots=True)
class Ack:
    """What a consumer says: it has all blocks before `blocks`, and has taken the mark of `block` in turn `turn`."""

    run_id: str
    blocks: int
    turn: int
    block: int  # -1: none in this turn


def read_ack(message: Message) -> Ack:
    """What an acknowledgement says. Raises PayloadError."""
    try:
        found = json_object(message.payload)
        whole(found, "v", VERSION, VERSION)
        numbers = (whole(found, "blocks", 0, _MAX_NUMBER), whole(found, "turn", 0, _MAX_NUMBER))
        return Ack(_run_id(found.get("run_id")), *numbers, whole(found, "block", -1, _MAX_NUMBER))
    except RefusedError as error:
        raise PayloadError(message.topic, "acknowledgement", str(error)) from None


def checksum(message: Message) -> bytes:
    """Eight bytes of topic and payload."""
    return blake2b(message.payload, digest_size=_SUM, key=message.topic.encode()[-64:]).digest()


class Receipts:
    """One consumer's account of one publisher's blocks."""

    def __init__(self, root: str, name: str) -> None:
        self._mark_topic, self._ack_topic = mark_topic(root), ack_topic(root, name)
        self.run_id, self.blocks = "", 0  # all blocks before this one are here
        self._turn, self._block = 0, -1  # the latest turn of a mark, and the highest of its marks
        self._seen: dict[bytes, None] = {}  # in order of arrival
        self._marks: dict[int, frozenset[bytes]] = {}
        self._swept = 0  # no mark of a block before this one is kept

    def take(self, message: Message) -> Message | None:
        """Note a message; an acknowledgement if it is a mark and there is something to say.

        Raises PayloadError on a mark that cannot be read. Other messages are never refused.
        """
        if message.topic != self._mark_topic:
            self._seen[checksum(message)] = None
            if len(self._seen) > MAX_SEEN:  # a publisher that sends no marks
                del self._seen[next(iter(self._seen))]
            return self._progress() if self._marks else None
        try:
            self._read(message.payload)
        except RefusedError as error:
            raise PayloadError(message.topic, "mark", str(error)) from None
        self._progress()
        return self.acknowledgement()

    @property
    def owing(self) -> bool:
        """Whether messages have come whose block is not acknowledged; what came again counts as well."""
        return bool(self._seen)

    def acknowledgement(self) -> Message:
        """What this consumer has, retained."""
        payload = {"v": VERSION, "run_id": self.run_id, "blocks": self.blocks, "turn": self._turn, "block": self._block}
        return Message(self._ack_topic, orjson.dumps(payload), retain=True)

    def _read(self, payload: bytes) -> None:
        found = json_object(payload)
        whole(found, "v", VERSION, VERSION)
        run_id, text = _run_id(found.get("run_id")), found.get("messages")
        number = whole(found, "block", 0, _MAX_NUMBER)
        first, turn = whole(found, "first", 0, number), whole(found, "turn", 0, _MAX_NUMBER)
        if type(text) is not str:
            refuse("messages: expected checksums in base64")
        try:
            data = b64decode(text, validate=True)
        except ValueError:
            refuse("messages: expected checksums in base64")
        if len(data) % _SUM:
            refuse(f"messages: expected {_SUM} bytes each")
        if run_id != self.run_id:
            self.run_id, self.blocks, self._turn, self._swept = run_id, 0, -1, 0
            self._marks.clear()
        if turn != self._turn:
            self._turn, self._block = turn, -1
        self._block = max(self._block, number)
        self.blocks = max(self.blocks, first)  # what came before is forgotten, or went to somebody else
        sums = frozenset(data[k : k + _SUM] for k in range(0, len(data), _SUM))
        if number < self.blocks:  # sent again: nothing is owed for these
            for one in sums:
                self._seen.pop(one, None)
        elif len(self._marks) < MAX_MARKS:
            self._marks[number] = sums

    def _progress(self) -> Message | None:
        before = self.blocks
        while (wanted := self._marks.get(self.blocks)) is not None and wanted <= self._seen.keys():
            for one in self._marks.pop(self.blocks):
                self._seen.pop(one)
            self.blocks += 1
        if self.blocks > self._swept:
            self._marks = {number: wanted for number, wanted in self._marks.items() if number >= self.blocks}
            self._swept = self.blocks
        return self.acknowledgement() if self.blocks > before else None


def _run_id(value: object) -> str:
    if type(value) is not str or not 0 < len(value) <= 200:
        refuse("run_id: expected a text")
    return value
