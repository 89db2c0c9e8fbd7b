"""Payload formats: pure codecs between readings and messages. A new one is a file here and an entry in `FORMATS`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from factory_sim.errors import ConfigError
from factory_sim.wire.formats import bulk, machine, sparkplug, unit_messages, uns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from factory_sim.records import Message, Meta, Readings


class Encoder(Protocol):
    """Readings to messages."""

    def __init__(self, meta: Meta, root: str) -> None: ...

    def data(self, readings: Readings) -> list[Message]:
        """Return the messages that carry `readings`; the state topics of the format, if any, are retained."""
        ...


class Decoder(Protocol):
    """Messages to readings."""

    def __init__(self, meta: Meta, root: str) -> None: ...

    def feed(self, message: Message) -> Readings:
        """Return the readings of a message, none while its row is incomplete. A PayloadError changes nothing."""
        ...

    def extend(self, meta: Meta) -> None:
        """Accept readings up to the end of a longer window."""
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write readings."""

    name: str
    title: str
    encoder: type[Encoder]
    decoder: type[Decoder]
    topic_filter: Callable[[str], str]  # root -> the one filter that matches all of its data; see `Client.subscribe`
    variants: Mapping[str, Callable[[Meta, str], Encoder]] = field(default_factory=dict)  # other ways to encode it

    def encoder_of(self, variant: str) -> Callable[[Meta, str], Encoder]:
        """Return the encoder of a variant; empty: the usual one."""
        return self.variants[variant] if variant else self.encoder


BARE, STRICT = "bare", "strict"  # variants of uns and sparkplug
_UNS = "one value, one topic: what UNS tools expect"
_MACHINE = "one flat JSON object per machine and tick"
_SPARKPLUG = "Sparkplug B 3.0: an edge node per section, a device per machine"
_BULK = "columnar binary, for analysis and load"
FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Format(
            "uns",
            _UNS,
            uns.Encoder,
            uns.Decoder,
            unit_messages.topic_filter,
            {BARE: partial(uns.Encoder, is_bare=True)},
        ),
        Format("machine", _MACHINE, machine.Encoder, machine.Decoder, unit_messages.topic_filter),
        Format(
            "sparkplug",
            _SPARKPLUG,
            sparkplug.Encoder,
            sparkplug.Decoder,
            sparkplug.topic_filter,
            {STRICT: partial(sparkplug.Encoder, is_strict=True)},
        ),
        Format("bulk", _BULK, bulk.Encoder, bulk.Decoder, bulk.topic_filter),
    )
}


def clear(meta: Meta, root: str) -> list[Message]:
    """Return the messages that delete what an earlier run retained, in any format; publish them before the data."""
    encoders = (uns.Encoder(meta, root), machine.Encoder(meta, root))  # the others retain nothing
    return list({message.topic: message for encoder in encoders for message in encoder.clear()}.values())


def variant_of(payload_format: str, *, payload: str, sparkplug: str) -> str:
    """Return the variant that two arguments choose. Raises ConfigError where the format does not have it."""
    chosen = ""
    for argument, value, usual, variant, owner in (
        ("payload", payload, "full", BARE, "uns"),
        ("sparkplug", sparkplug, "typed", STRICT, "sparkplug"),
    ):
        if value not in (usual, variant):
            raise ConfigError.of(argument, f"expected {usual} or {variant}, got {value!r}")
        if value == variant and payload_format != owner:
            raise ConfigError.of(argument, f"{variant} applies to the format {owner}, not to {payload_format}")
        chosen = variant if value == variant else chosen
    return chosen
