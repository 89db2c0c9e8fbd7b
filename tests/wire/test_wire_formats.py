from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_feeds import (
    EPOCH_NS,
    ROOT,
    SECOND_US,
    cells,
    random_readings,
    random_rows,
    random_samples,
    resolution_ns,
    row_set,
    small_meta,
    usual_sensors,
    wide_meta,
)

from factory_sim.errors import ConfigError, PayloadError
from factory_sim.records import Message, Readings, Rows, Samples, SensorInfo
from factory_sim.wire.formats import FORMATS, bulk, clear, variant_of
from factory_sim.wire.sparkplug import payload_reader
from factory_sim.wire.topics import matches

META = small_meta()
START = "Works_Ltd/Chongqing/gearbox"


def sensor(k: int, bits: int, period_us: int, scale: float, offset_counts: float) -> SensorInfo:
    return SensorInfo(k, k % 3, f"s{k}", "any", "", scale, offset_counts * scale, 0, 1, period_us, bits)


@st.composite
def plants(draw: st.DrawFn) -> tuple[SensorInfo, ...]:
    n = draw(st.integers(1, 8))
    scales = st.floats(1e-6, 1e4) | st.sampled_from([0.1, 0.01, 0.05, 0.0125, 1.0, 1 / 3, -0.5, 250.0])
    return tuple(
        sensor(
            k,
            draw(st.sampled_from([16, 32])),
            draw(st.sampled_from([100_000, SECOND_US])),
            draw(scales),
            draw(st.floats(-1e6, 1e6)),
        )
        for k in range(n)
    )


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=40, deadline=None)
@given(sensors=plants(), seed=st.integers(0, 2**32), holes=st.booleans())
def test_readings_come_back_as_they_were(name: str, sensors: tuple[SensorInfo, ...], seed: int, *, holes: bool) -> None:
    meta = small_meta(sensors)
    readings = random_readings(meta, seed, holes=holes)
    decoder = FORMATS[name].decoder(meta, ROOT)
    found = [decoder.feed(message) for message in FORMATS[name].encoder(meta, ROOT).data(readings)]
    assert cells(found) == cells([readings])
    assert row_set(found, round_ns=resolution_ns(name)) == row_set([readings], round_ns=resolution_ns(name))
    assert sum(one.count() for one in found) == readings.count()


@pytest.mark.parametrize("name", FORMATS)
def test_messages_may_arrive_in_any_order_and_twice(name: str) -> None:
    readings = random_readings(META, 3, ticks=6, rows=60)
    messages = FORMATS[name].encoder(META, ROOT).data(readings)
    order = np.random.default_rng(1).permutation([*range(len(messages)), *range(len(messages))])
    decoder = FORMATS[name].decoder(META, ROOT)
    found = [decoder.feed(messages[k]) for k in order]
    assert cells(found) == cells([readings])
    assert row_set(found, round_ns=resolution_ns(name)) == row_set([readings], round_ns=resolution_ns(name))


@pytest.mark.parametrize("name", FORMATS)
def test_all_messages_match_the_format_s_filter(name: str) -> None:
    chosen = FORMATS[name]
    for message in chosen.encoder(META, ROOT).data(random_readings(META, 5)):
        assert matches(chosen.topic_filter(ROOT), message.topic)


@pytest.mark.parametrize("name", FORMATS)
def test_empty_readings_give_no_message(name: str) -> None:
    empty = Samples(SECOND_US, 9, np.array([0, 1], np.int16), np.empty((0, 2), np.int32))
    assert FORMATS[name].encoder(META, ROOT).data(Readings(Rows.empty(), (empty,))) == []


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_retained_can_be_cleared(name: str) -> None:
    encoder = FORMATS[name].encoder(META, ROOT)
    retained = {m.topic for m in encoder.data(random_readings(META, 5, rows=200)) if m.retain}
    cleared = clear(META, ROOT)  # whatever the format of the run that follows
    assert {m.topic for m in cleared} >= retained
    assert all(m.retain and not m.payload for m in cleared)


def one_of_each() -> Readings:
    rows = Rows(
        np.array([EPOCH_NS + 3_600_000_001_000], np.int64),
        np.array([1], np.int16),
        np.array([4], np.int64),
        np.array([3], np.uint8),
        np.array([7], np.int32),
        np.array([1], np.uint8),
        np.array([0], np.int32),
    )
    ids = np.array([s.id for s in usual_sensors() if s.unit == 1 and s.period_us == SECOND_US], np.int16)
    return Readings(rows, (Samples(SECOND_US, 3_600, ids, np.array([[742, 1500, 123_456]], np.int32)),))


def test_uns_messages_are_what_the_page_in_docs_shows() -> None:
    assert FORMATS["uns"].encoder(META, ROOT).data(one_of_each()) == [
        Message(
            f"{START}/housing_machining/OP10/M_1_a/{tag}",
            b'{"v":1,"timestamp_ms":1767229200000,"value":%d,"quality":"good","seq":4}' % value,
            retain=True,
        )
        for tag, value in (("state", 3), ("part", 7), ("outcome", 1), ("detail", 0))
    ] + [
        Message(
            f"{START}/housing_machining/OP10/M_1_a/{tag}",
            b'{"v":1,"timestamp_ms":1767229200000,"value":%s,"quality":"good","seq":3600}' % value,
        )
        for tag, value in (("spindle_power", b"7.42"), ("temperature", b"35.0"), ("energy", b"123.456"))
    ]


def test_machine_messages_are_what_the_page_in_docs_shows() -> None:
    assert FORMATS["machine"].encoder(META, ROOT).data(one_of_each()) == [
        Message(
            f"{START}/housing_machining/OP10/M_1_a/event",
            b'{"v":1,"t_ns":1767229200000001000,"seq":4,"state":"busy","part":7,"outcome":"took","detail":0}',
            retain=True,
        ),
        Message(
            f"{START}/housing_machining/OP10/M_1_a/data",
            b'{"v":1,"t_ns":1767229200000000000,"seq":3600,"period_us":1000000,'
            b'"spindle_power":7.42,"temperature":35.0,"energy":123.456}',
        ),
    ]


def test_bulk_messages_are_what_the_page_in_docs_shows() -> None:
    rows, samples = FORMATS["bulk"].encoder(META, ROOT).data(one_of_each())
    assert rows.topic == f"{START}/bulk/rows"
    assert rows.payload.hex(" ", -4) == (
        "4653494d 01020000 f8b16250 00000000 01000000 00000000 e8a3b21e 98758618 04000000 00000000"
        " 07000000 00000000 01000301"
    )
    assert samples.topic == f"{START}/bulk/samples/1000000"
    assert samples.payload.hex(" ", -4) == (
        "4653494d 01010000 aa8a7ac4 00000000 40420f00 00000000 100e0000 00000000 01000000 02000100"
        " 00000100 0200e602 dc0540e2 0100"
    )


@pytest.mark.parametrize("limit", [128, 200, 1_000, 20_000])
def test_bulk_messages_stay_below_the_limit_and_lose_nothing(limit: int) -> None:
    readings = random_readings(META, 11, ticks=500, rows=300, holes=True)
    messages = bulk.Encoder(META, ROOT, max_payload=limit).data(readings)
    assert max(len(m.payload) for m in messages) <= limit
    decoder = bulk.Decoder(META, ROOT)
    found = [decoder.feed(m) for m in messages]
    assert cells(found) == cells([readings])
    assert row_set(found) == row_set([readings])


def test_bulk_of_the_whole_line_fits_the_broker() -> None:
    meta = wide_meta()
    readings = Readings(random_rows(meta, 30_000, 1), (random_samples(meta, SECOND_US, 500, 1, first=0),))
    messages = FORMATS["bulk"].encoder(meta, ROOT).data(readings)
    assert max(len(m.payload) for m in messages) <= 128 * 1024
    assert sum(len(m.payload) for m in messages) < 2.1 * readings.count() + 28 * 30_000


def test_bulk_refuses_to_send_a_count_that_its_sensor_cannot_have() -> None:
    block = Samples(SECOND_US, 0, np.array([0], np.int16), np.array([[40_000]], np.int32))
    with pytest.raises(OverflowError):
        FORMATS["bulk"].encoder(META, ROOT).data(Readings(Rows.empty(), (block,)))


def test_uns_keeps_a_limited_number_of_incomplete_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("factory_sim.wire.formats.uns.MAX_OPEN_ROWS", 10)
    decoder = FORMATS["uns"].decoder(META, ROOT)
    sent = FORMATS["uns"].encoder(META, ROOT).data(Readings(random_rows(META, 200, 1)))
    rows = [message for message in sent if not message.topic.endswith("/alarm")]
    by_row = [rows[k : k + 4] for k in range(0, len(rows), 4)]
    for messages in by_row:
        for message in messages[:3]:
            decoder.feed(message)
    late = [decoder.feed(messages[3]).count() for messages in reversed(by_row)]
    assert late == [4] * 10 + [0] * 190  # only the last ten were still known


def test_a_foreign_topic_is_refused() -> None:
    for chosen in FORMATS.values():
        with pytest.raises(PayloadError, match="topic"):
            chosen.decoder(META, ROOT).feed(
                Message("another/root", chosen.encoder(META, ROOT).data(one_of_each())[0].payload)
            )


def at_one_instant(units: int = 3, rows: int = 40) -> Readings:
    """Rows of a few units in pairs and triples at the same microsecond, and some within one millisecond."""
    draw = np.random.default_rng(2)
    steps = draw.choice([0, 0, 1_000, 300_000, 2_000_000], rows)  # ns
    columns = {
        "t_ns": EPOCH_NS + np.cumsum(steps),
        "unit": draw.integers(0, units, rows),
        "seq": np.arange(rows),
        "state": np.full(rows, 3),
        "part": np.arange(rows),
        "outcome": np.full(rows, 1),
        "detail": np.zeros(rows),
    }
    return Readings(Rows.of_rows(np.column_stack(list(columns.values())).astype(np.int64).tolist()))


@pytest.mark.parametrize(("name", "time"), [("uns", "timestamp_ms"), ("machine", "t_ns")])
def test_time_stamps_rise_strictly_on_every_topic(name: str, time: str) -> None:
    last: dict[str, int] = {}
    shifts = 0
    for message in FORMATS[name].encoder(META, ROOT).data(at_one_instant()):
        found = json.loads(message.payload)
        assert found[time] > last.get(message.topic, 0)
        last[message.topic] = found[time]
        shifts += bool({"shift_ms", "shift_ns"} & found.keys())
    assert shifts > 5


def test_the_times_of_every_sparkplug_metric_rise_strictly() -> None:
    last: dict[int, int] = {}
    for message in FORMATS["sparkplug"].encoder(META, ROOT).data(at_one_instant()):
        node = message.topic.split("/")[3]
        for metric in payload_reader.payload(message.payload).metrics:
            assert metric.timestamp > last.get(hash((node, metric.alias)), 0)
            last[hash((node, metric.alias))] = metric.timestamp


@pytest.mark.parametrize("name", FORMATS)
def test_shifted_rows_come_back_at_their_own_time(name: str) -> None:
    readings, decoder = at_one_instant(), FORMATS[name].decoder(META, ROOT)
    found = [decoder.feed(message) for message in FORMATS[name].encoder(META, ROOT).data(readings)]
    assert row_set(found, round_ns=resolution_ns(name)) == row_set([readings], round_ns=resolution_ns(name))


def test_a_bare_payload_is_a_time_and_a_value_and_nothing_else() -> None:
    encoder = FORMATS["uns"].encoder_of("bare")(META, ROOT)
    readings = Readings(at_one_instant().rows, random_readings(META, 5).samples)
    down = replace(readings.rows, state=np.where(readings.rows.seq % 2, 7, 3).astype(np.uint8))
    messages = encoder.data(replace(readings, rows=down))
    assert any(message.topic.endswith("/alarm") for message in messages)
    last: dict[str, int] = {}
    for message in messages:
        found = json.loads(message.payload)
        assert list(found) == ["timestamp_ms", "value"]
        assert found["timestamp_ms"] > last.get(message.topic, 0)
        last[message.topic] = found["timestamp_ms"]
        if not message.topic.endswith("/alarm"):
            with pytest.raises(PayloadError, match="a bare payload has no sequence number"):
                FORMATS["uns"].decoder(META, ROOT).feed(message)


def test_a_variant_belongs_to_its_format() -> None:
    assert variant_of("uns", payload="bare", sparkplug="typed") == "bare"
    assert variant_of("sparkplug", payload="full", sparkplug="strict") == "strict"
    assert variant_of("machine", payload="full", sparkplug="typed") == ""
    with pytest.raises(ConfigError, match="bare applies to the format uns, not to machine"):
        variant_of("machine", payload="bare", sparkplug="typed")
    with pytest.raises(ConfigError, match="expected typed or strict, got 'stric'"):
        variant_of("sparkplug", payload="full", sparkplug="stric")


@pytest.mark.parametrize("name", ["uns", "machine"])
def test_samples_of_a_gateway_that_restarted_its_numbers_keep_their_times(name: str) -> None:
    readings, decoder = random_readings(META, 6, ticks=5, rows=0), FORMATS[name].decoder(META, ROOT)
    found = []
    for message in FORMATS[name].encoder(META, ROOT).data(readings):
        payload = json.loads(message.payload)
        found.append(decoder.feed(replace(message, payload=json.dumps(payload | {"seq": 2}).encode())))
        with pytest.raises(PayloadError, match="is not that of seq"):
            decoder.feed(replace(message, payload=json.dumps(payload | {"seq": payload["seq"] + 1}).encode()))
    assert cells(found) == cells([readings])
