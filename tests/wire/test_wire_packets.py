"""PUBLISH and PUBACK as bytes; the examples are spelt out from the specifications of MQTT 3.1.1 and 5."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory_sim.records import Message
from factory_sim.wire.mqtt import packets
from factory_sim.wire.mqtt.packets import Frames, Writer, acknowledgement, read_acknowledgement, read_publish

JSON = b"application/json".hex()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
MESSAGES = st.builds(Message, TEXT, st.binary(max_size=400), st.sampled_from([0, 1]), st.booleans())


@pytest.mark.parametrize(
    ("message", "is_5", "packet"),
    [
        (Message("a/b", b"x", qos=0), False, "30 06 0003 612f62 78"),
        (Message("a/b", b"x", qos=1, retain=True), False, "33 08 0003 612f62 0102 78"),
        (Message("a/b", b"x", qos=0), True, "30 07 0003 612f62 00 78"),
        (Message("a", b"{}", qos=0), True, f"30 1e 0001 61 18 03 0010 {JSON} 02 00000e10 7b7d"),
        (Message("a", b"{}", qos=0, retain=True), True, f"31 19 0001 61 13 03 0010 {JSON} 7b7d"),
    ],
)
def test_a_message_is_written_as_the_specification_says(message: Message, *, is_5: bool, packet: str) -> None:
    assert Writer(is_5=is_5, expiry_s=3_600).publish(message, 0x0102) == bytes.fromhex(packet)


def test_a_retry_is_marked_as_duplicate() -> None:
    first, again = (Writer(is_5=False).publish(Message("a", b"x"), 7, again=again) for again in (False, True))
    assert again[0] == first[0] | 0x08
    assert again[1:] == first[1:]


@pytest.mark.parametrize("is_5", [False, True])
@given(messages=st.lists(MESSAGES, max_size=5), cuts=st.lists(st.integers(1, 50)), expiry_s=st.integers(0, 9))
def test_what_is_written_is_read_whatever_the_pieces(
    *, is_5: bool, messages: list[Message], cuts: list[int], expiry_s: int
) -> None:
    writer, frames = Writer(is_5=is_5, expiry_s=expiry_s), Frames()
    data = b"".join(writer.publish(m, k + 1) for k, m in enumerate(messages))
    found = []
    while data:
        size = cuts.pop() if cuts else len(data)
        found += [read_publish(head, body, is_5=is_5) for head, body in frames.feed(data[:size])]
        data = data[size:]
    assert found == [(m, k + 1 if m.qos else 0) for k, m in enumerate(messages)]


def test_acknowledgements_are_read_with_their_reason() -> None:
    ((head, body),) = Frames().feed(acknowledgement(300))
    assert head == packets.PUBACK
    assert read_acknowledgement(body) == (300, 0)
    assert read_acknowledgement(b"\x01\x2c\x87\x00") == (300, 0x87)


def test_a_packet_that_is_too_long_is_skipped_and_the_next_one_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "MAX_PACKET", 100)
    writer, frames = Writer(is_5=False), Frames()
    data = writer.publish(Message("long", bytes(5_000), 0)) + writer.publish(Message("short", b"y", 0))
    found = [p for k in range(0, len(data), 64) for p in frames.feed(data[k : k + 64])]
    assert [read_publish(*p, is_5=False)[0].topic for p in found] == ["short"]


@pytest.mark.parametrize("packet", ["30 ff ff ff ff 01", "30 80 80 80 80 00"])
def test_a_length_of_five_bytes_is_refused(packet: str) -> None:
    with pytest.raises(ValueError, match="five bytes"):
        list(Frames().feed(bytes.fromhex(packet)))


@pytest.mark.parametrize("is_5", [False, True])
@pytest.mark.parametrize(
    ("head", "body"),
    [
        (0x30, ""),
        (0x30, "00"),
        (0x30, "0005 6162"),
        (0x32, "0001 61"),
        (0x32, "0001 61 00"),
        (0x32, "0001 61 0000 78"),
        (0x34, "0001 61 0001 78"),
        (0x36, "0001 61 0001 78"),
    ],
)
def test_a_malformed_publish_is_refused(head: int, body: str, *, is_5: bool) -> None:
    with pytest.raises((ValueError, IndexError)):
        read_publish(head, bytes.fromhex(body), is_5=is_5)


@given(head=st.integers(0x30, 0x3F), body=st.binary(max_size=60), is_5=st.booleans())
def test_random_bytes_are_read_or_refused(*, head: int, body: bytes, is_5: bool) -> None:
    try:
        message, number = read_publish(head, body, is_5=is_5)
    except (ValueError, IndexError):
        return
    assert bool(number) == bool(message.qos)
    assert body.endswith(message.payload)
