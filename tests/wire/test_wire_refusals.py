from __future__ import annotations

import random

import numpy as np
import orjson
import pytest
from wire_feeds import EPOCH_NS, ROOT, cells, random_readings, row_set, small_meta

from factory_sim.errors import PayloadError
from factory_sim.records import Message, Readings
from factory_sim.validation.feed.fuzz import mutated, resealed
from factory_sim.wire import meta as wire_meta
from factory_sim.wire.formats import FORMATS, bulk
from factory_sim.wire.formats.unit_messages import UnitEncoder

META = small_meta()
WITH_UNITS = [name for name, found in FORMATS.items() if issubclass(found.encoder, UnitEncoder)]
GOOD = {name: f.encoder(META, ROOT).data(random_readings(META, 1, ticks=2, rows=5)) for name, f in FORMATS.items()}
KINDS = [(name, kind) for name in FORMATS for kind in ("row", "sample")]
WRONG = [
    "null",
    "true",
    '"x"',
    '""',
    "[]",
    "{}",
    "[1]",
    "1e308",
    "1e999",
    "-1e308",
    str(2**63),
    str(2**64),
    "-" + "9" * 30,
]
WRONG_WHOLE = ["0.5", "1.0", '"1"']  # where a whole number is expected


def good(name: str, kind: str) -> Message:
    return GOOD[name][0 if kind == "row" else -1]


def feed(name: str, topic: str, payload: bytes) -> Readings:
    return FORMATS[name].decoder(META, ROOT).feed(Message(topic, payload))


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_every_truncation_is_refused(name: str, kind: str) -> None:
    message = good(name, kind)
    for cut in range(len(message.payload)):
        with pytest.raises(PayloadError, match="ends early"):
            feed(name, message.topic, message.payload[:cut])


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_one_byte_more_is_refused(name: str, kind: str) -> None:
    message = good(name, kind)
    with pytest.raises(PayloadError):
        feed(name, message.topic, message.payload + b"x")


@pytest.mark.parametrize("name", FORMATS)
def test_thousands_of_mutated_payloads_raise_nothing_but_payload_error(name: str) -> None:
    rng = random.Random(20_26)
    donors = [m.payload for messages in GOOD.values() for m in messages]
    decoder, twin = (FORMATS[name].decoder(META, ROOT) for _ in range(2))  # the twin gets no refused payload
    refused = 0
    for turn in range(6_000):
        message = rng.choice(GOOD[name])
        payload = mutated(rng, message.payload, donors)
        if name == "bulk" and turn % 2:
            payload = resealed(payload)
        try:
            found = decoder.feed(Message(message.topic, payload))
        except PayloadError:
            refused += 1
        else:
            check_plausible(found)
            same = twin.feed(Message(message.topic, payload))
            assert (cells([found]), row_set([found])) == (cells([same]), row_set([same]))  # no partial effect
    assert refused > 3_000


def check_plausible(found: Readings) -> None:
    last_ns = EPOCH_NS + (META.window.t1_us + 3_600_000_000) * 1_000
    assert ((found.rows.t_ns >= EPOCH_NS - 10**6) & (found.rows.t_ns <= last_ns + 10**6)).all()
    assert ((found.rows.unit >= 0) & (found.rows.unit < len(META.units))).all()
    assert (found.rows.state < 14).all()
    assert (found.rows.outcome < 9).all()
    known = {s.id: s for s in META.sensors}
    for block in found.samples:
        assert block.first_tick >= 0
        assert (block.first_tick + len(block.raw)) * block.period_us <= META.window.t1_us + 2 * 3_600_000_000
        assert all(known[k].period_us == block.period_us for k in block.sensor.tolist())
        assert block.raw.dtype == np.int32


@pytest.mark.parametrize("name", WITH_UNITS)
@pytest.mark.parametrize("kind", ["row", "sample"])
def test_every_key_refuses_what_it_cannot_mean(name: str, kind: str) -> None:
    message = good(name, kind)
    found = orjson.loads(message.payload)
    wholes = {"v", "t_ns", "seq", "period_us", "timestamp_ms", "part", "detail"} | (
        {"value"} if kind == "row" else set()
    )
    for key in found:
        rest = orjson.dumps({k: v for k, v in found.items() if k != key})[:-1].decode()
        for wrong in WRONG + (WRONG_WHOLE if key in wholes else []):
            with pytest.raises(PayloadError):
                feed(name, message.topic, f'{rest},"{key}":{wrong}}}'.encode())
        with pytest.raises(PayloadError):
            feed(name, message.topic, f'{rest},"{key}x":0}}'.encode())


@pytest.mark.parametrize("name", FORMATS)
def test_megabytes_of_noise_and_nesting_are_refused(name: str) -> None:
    rng = random.Random(1)
    monsters = [
        rng.randbytes(4_000_000),
        b"[" * 4_000_000,
        b'{"a":' * 50_000,
        b"9" * 250_000,
        b'"' + b"a" * 3_000_000 + b'"',
        b"FSIM" + rng.randbytes(2_000_000),
        b'{"v":' + b"9" * 200_000 + b"}",
        orjson.dumps({f"k{i}": i for i in range(15_000)}),
        b"{}",
        b"[]",
        b"null",
        b"NaN",
        b" ",
    ]
    for monster in monsters:
        for topic in {m.topic for m in GOOD[name]}:
            with pytest.raises(PayloadError) as refusal:
                feed(name, topic, monster)
            assert len(str(refusal.value)) < 1_000


def test_a_misspelt_sensor_is_refused_with_the_nearest_name() -> None:
    message = next(m for m in GOOD["machine"] if b"spindle_power" in m.payload)
    with pytest.raises(PayloadError, match="Did you mean spindle_power"):
        feed("machine", message.topic, message.payload.replace(b"spindle_power", b"spindle_powr"))


def test_a_tick_after_the_run_is_refused() -> None:
    block = random_readings(META, 1, rows=0).samples[0]
    late = type(block)(block.period_us, 10**9, block.sensor, block.raw)
    for name, chosen in FORMATS.items():
        message = chosen.encoder(META, ROOT).data(Readings(random_readings(META, 1, rows=0).rows, (late,)))[0]
        with pytest.raises(PayloadError, match="outside the run"):
            feed(name, message.topic, message.payload)


def test_the_checksum_detects_every_flipped_bit() -> None:
    for message in GOOD["bulk"]:
        for at in range(len(message.payload)):
            damaged = bytearray(message.payload)
            damaged[at] ^= 0x10
            with pytest.raises(PayloadError):
                feed("bulk", message.topic, bytes(damaged))


def test_a_newer_bulk_version_is_named() -> None:
    payload = bytearray(GOOD["bulk"][0].payload)
    payload[4] = bulk.VERSION + 1
    with pytest.raises(PayloadError, match="version 2; this program reads 1"):
        feed("bulk", GOOD["bulk"][0].topic, bytes(payload))


def test_mutated_descriptions_raise_nothing_but_payload_error() -> None:
    rng = random.Random(7)
    payload = wire_meta.encode(META)
    for _ in range(1_500):
        try:
            found = wire_meta.decode(mutated(rng, payload, [payload]))
        except PayloadError:
            continue
        wire_meta.encode(found)
