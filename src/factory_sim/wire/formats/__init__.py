"""Payload formats: pure codecs between readings and messages. A new one is a file here and a line in `FORMATS`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from factory_sim.wire.formats import bulk, machine, sparkplug, uns

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.records import Message, Meta, Readings


class Encoder(Protocol):
    """Readings to messages."""

    def __init__(self, meta: Meta, root: str) -> None: ...

    def data(self, readings: Readings) -> list[Message]:
        """The messages that carry `readings`; each row's state is retained where the format has state topics."""
        ...

    def clear(self) -> list[Message]:
        """Messages that delete what an earlier run left retained; to be published before the first data."""
        ...


class Decoder(Protocol):
    """Messages to readings."""

    def __init__(self, meta: Meta, root: str) -> None: ...

    def feed(self, message: Message) -> Readings:
        """What a message says; nothing while its row is incomplete. Raises PayloadError and then changes nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write readings."""

    name: str
    title: str
    encoder: type[Encoder]
    decoder: type[Decoder]
    topic_filter: Callable[[str], str]  # root -> the one filter that takes all of its data; see `Client.subscribe`


FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Format("uns", "one value, one topic: what UNS tools expect", uns.Encoder, uns.Decoder, uns.topic_filter),
        Format(
            "machine",
            "one flat JSON object per machine and tick",
            machine.Encoder,
            machine.Decoder,
            machine.topic_filter,
        ),
        Format(
            "sparkplug",
            "Sparkplug B 3.0: an edge node per section, a device per machine",
            sparkplug.Encoder,
            sparkplug.Decoder,
            sparkplug.topic_filter,
        ),
        Format("bulk", "columnar binary, for analysis and load", bulk.Encoder, bulk.Decoder, bulk.topic_filter),
    )
}
