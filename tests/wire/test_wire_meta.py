from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from wire_feeds import small_meta, wide_meta

from factory_sim.errors import PayloadError
from factory_sim.wire import meta as wire_meta

META = small_meta()


def changed(path: str, value: Any) -> bytes:
    """The good description with the value at `units.0.name` and the like replaced; `...` removes it."""
    found = orjson.loads(wire_meta.encode(META))
    keys: list[Any] = [int(key) if key.isdigit() else key for key in path.split(".")]
    inner = found
    for key in keys[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[keys[-1]]
    else:
        inner[keys[-1]] = value
    return orjson.dumps(found)


@pytest.mark.parametrize(
    "meta", [META, wide_meta(), replace(META, sent_rows=(1, 2, 3, 4, 5), sent_ticks=((1_000_000, 3_600, 10_800),))]
)
def test_a_description_comes_back_equal(meta: Any) -> None:
    assert wire_meta.decode(wire_meta.encode(meta)) == meta


def test_the_reference_line_fits_a_broker_s_limit() -> None:
    assert len(wire_meta.encode(wide_meta())) < 900_000


def test_the_description_is_retained_below_the_root() -> None:
    message = wire_meta.message(META, "a b/c")
    assert (message.topic, message.retain, message.qos) == ("a_b/c/meta", True, 1)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("plant", ..., "plant: is missing"),
        ("plant", 5, "plant: expected a text, got 5"),
        ("plnt", "x", "plnt: is not a known key. Did you mean plant?"),
        ("epoch_ns", 1.5, "epoch_ns: expected a whole number, got 1.5"),
        ("epoch_ns", True, "epoch_ns: expected a whole number, got True"),
        ("epoch_ns", 2**63 - 1, "epoch_ns: the run ends after the year 2262"),
        ("version", 2, "version: 2; this program reads version 1"),
        ("timezone", "Europe/Atlantis", "timezone: 'Europe/Atlantis' is not a known time zone"),
        ("timezone", "../../etc/passwd", "is not a known time zone"),
        ("window.t1_us", 0, "window: expected 0 <= t0_us < t1_us"),
        ("units", {}, "units: expected a list, got a JSON dict"),
        ("units.1.operation", 2, "units[1].operation: no such operation"),
        ("units.1.name", "M2", "units: two units have one name"),
        ("units.2.power_w.3", "1", "units[2].power_w[3]: expected a number, got '1'"),
        ("operations.0.machines", [9], "operations[0].machines: no such unit"),
        ("operations.1.inputs.0.quantity", 0, "operations[1].inputs[0].quantity: expected at least 1"),
        ("operations.0.destination", -2, "operations[0].destination: no such operation"),
        ("sensors.0.scale", 0.0, "sensors[0].scale: 0.0 is not a usable scale"),
        ("sensors.0.scale", 1e300, "sensors[0].scale"),
        ("sensors.0.offset", 1e30, "sensors[0].offset"),
        ("sensors.0.bits", 8, "sensors[0].bits: expected 16 or 32, got 8"),
        ("sensors.1.id", 0, "sensors: two sensors have one id"),
        ("sensors.1.id", 40_000, "sensors: expected ids from 0 to 32767"),
        ("sensors.0.unit", 99, "sensors[0].unit: no such unit"),
        ("sensors.0.period_us", 0, "sensors[0].period_us: expected a positive number"),
        ("failure_modes", [], "failure_modes: expected one entry per unit, 5"),
        ("planned_us.0", [1], "planned_us[0]: expected a list of 2, got 1"),
        ("prices.tariff_per_kwh", [0.1], "prices.tariff_per_kwh: expected 2 prices"),
        ("prices.material", [[9, 1.0]], "prices.material[0][0]: no such unit"),
        ("sent_rows", [1], "sent_rows: expected one entry per unit, 5, or none"),
        ("pacing", 7, "pacing: no such operation"),
    ],
)
def test_every_error_names_its_key(path: str, value: Any, said: str) -> None:
    with pytest.raises(PayloadError) as refusal:
        wire_meta.decode(changed(path, value), "root/meta")
    assert said in str(refusal.value)
    assert str(refusal.value).startswith("root/meta: not a meta message")


@pytest.mark.parametrize("payload", [b"", b"[]", b"\xff" * 100, b"{}", b"null", b"x" * 20_000_000, b"[" * 100_000])
def test_a_payload_that_is_not_a_description_is_refused(payload: bytes) -> None:
    with pytest.raises(PayloadError):
        wire_meta.decode(payload)


def test_every_truncation_is_refused() -> None:
    payload = wire_meta.encode(META)
    for cut in range(0, len(payload), 7):
        with pytest.raises(PayloadError):
            wire_meta.decode(payload[:cut])
