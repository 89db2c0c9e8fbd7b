"""The demo: its arithmetic by hand, an audit that can fail, and the whole of it with a real broker."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import pytest

from factory_sim import registry
from factory_sim.cli import main
from factory_sim.demo import AnalyzerError, Setting, run
from factory_sim.demo.analyzers import Analyzer
from factory_sim.demo.headline import audit, changes, figures
from factory_sim.live.listen import Listener, listen
from factory_sim.live.publish import RunSetup, publish
from factory_sim.results.demo import Audit, Figures
from factory_sim.views.kpi_dict import kpi_dict
from factory_sim.wire.loopback import Exchange, Loopback

if TYPE_CHECKING:
    from collections.abc import Iterable

    from factory_sim.records import Message

LINE = Path(__file__).parent / "live" / "three.yaml"
FASTER = LINE.with_name("faster.yaml")
KEYS = {
    "plant": {"machines", "operations", "sensors"},
    "baseline": {"station_cycle_time_s", "good_parts_per_h", "oee", "kwh_per_part", "cost_per_part", "constraint"},
    "retrofit": {"station_cycle_time_s", "good_parts_per_h", "oee", "kwh_per_part", "cost_per_part", "constraint"},
    "change": {"station_time_pct", "station_rate_pct", "line_rate_pct", "kwh_per_part_pct", "cost_per_part_pct"},
    "feed": {"readings", "messages", "lost", "duplicates"},
    "audit": {"cycle_time_error_s", "parts_error"},
}


def shown(*values: float | str) -> Figures:
    names = ("station_cycle_time_s", "good_parts_per_h", "oee", "kwh_per_part", "cost_per_part", "constraint")
    return Figures(**dict(zip(names, values, strict=True)))  # type: ignore[arg-type]


def test_changes_follow_the_figures() -> None:
    before, after = shown(56.0, 60.0, 0.9, 40.0, 1000.0, "A"), shown(37.0, 78.0, 0.8, 32.0, 950.0, "B")
    found = changes([(before, after), (before, after)])
    assert found["station_time_pct"].mean == pytest.approx(100 * (37 / 56 - 1))
    assert found["station_rate_pct"].mean == pytest.approx(100 * (56 / 37 - 1))
    assert found["line_rate_pct"].to_dict() == pytest.approx({"mean": 30.0, "low": 30.0, "high": 30.0})
    assert found["kwh_per_part_pct"].mean == pytest.approx(-20.0)
    assert found["cost_per_part_pct"].mean == pytest.approx(-5.0)


def test_pairs_that_differ_widen_the_interval() -> None:
    def pair(rate: float) -> tuple[Figures, Figures]:
        return shown(56, 60, 0.9, 40, 1000, "A"), shown(37, rate, 0.8, 32, 950, "B")

    found = changes([pair(75.0), pair(78.0), pair(81.0)])["line_rate_pct"]
    assert found.low < 30.0 < found.high
    assert found.high - found.mean == pytest.approx(4.302653 * 5.0 / 3**0.5, rel=1e-6)  # t(2) of +25, +30, +35 %


class Corrupting(Loopback):
    """Damages one byte of every hundredth message, the descriptions apart."""

    sent = 0

    def publish(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.sent += 1
            if self.sent % 100 == 99 and not message.topic.endswith("/meta"):
                spoiled = bytearray(message.payload)
                spoiled[len(spoiled) // 2] ^= 1
                message = type(message)(message.topic, bytes(spoiled), message.qos)  # noqa: PLW2901
            super().publish([message])


@pytest.mark.parametrize(("sender", "clean"), [(Loopback, True), (Corrupting, False)])
def test_the_audit_fails_when_one_message_in_a_hundred_is_damaged(
    sender: type[Loopback], clean: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("factory_sim.live.listen.GRACE_S", 0.0)
    plant, exchange = registry.load(LINE), Exchange()
    publisher, receiver, listener = sender(exchange), Loopback(exchange), Listener("x")
    receiver.subscribe(["x/#"])
    sent = publish(plant, RunSetup(warm_up_s=600.0, duration_s=3600.0, root="x", payload_format="machine"), publisher)
    listen(listener, receiver)
    found = kpi_dict(listener.table())
    assert (audit(found, sent) == Audit(cycle_time_error_s=0.0, parts_error=0)) == clean
    assert figures(found, plant).constraint in {"CUT", "WASH", "TEST"}


class Silent:
    """Watches without a word."""

    def stage(self, name: str, total: float) -> None: ...

    def reached(self, done: float, note: str = "") -> None: ...

    def found(self, name: str, figures: Figures) -> None: ...


def test_the_demo_crosses_a_real_broker_and_says_so_in_json() -> None:
    setting = Setting(warm_up_s=1800.0, duration_s=6 * 3600.0, pairs=2)
    found = run(registry.load(LINE), registry.load(FASTER), setting, Silent(), Event()).to_dict()
    assert {key: set(found[key]) for key in KEYS} == KEYS
    assert set(found) == {*KEYS, "currency", "format", "version"}
    assert found["plant"] == {"machines": 3, "operations": 3, "sensors": 9}
    assert found["baseline"]["constraint"] == "WASH" != found["retrofit"]["constraint"]
    assert found["retrofit"]["station_cycle_time_s"] == pytest.approx(30.0, rel=0.02)
    assert found["change"]["station_time_pct"]["mean"] == pytest.approx(100 * (30 / 45 - 1), abs=1)
    assert found["change"]["line_rate_pct"]["mean"] > 0
    assert found["feed"]["lost"] == found["feed"]["duplicates"] == 0
    assert found["audit"] == {"cycle_time_error_s": pytest.approx(0.0, abs=1e-9), "parts_error": 0}


def test_two_pairs_of_a_quick_demo_print_neither_interval_nor_constraint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", str(LINE), str(FASTER), "--quick"]) == 0
    said = capsys.readouterr().out
    assert "changes from 2 pairs" in " ".join(said.split())
    assert not re.search(r"\[[+-]?\d|interval|constraint \(", said)


def test_an_analyzer_that_fails_is_told_with_its_own_words() -> None:
    with Analyzer("mqtt://127.0.0.1:1", "x") as analyzer, pytest.raises(AnalyzerError, match="is listening there"):
        analyzer.wait_until_ready()


def test_ctrl_c_that_ends_an_analyzer_too_is_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Event()

    def interrupted(_: Analyzer) -> None:
        stop.set()
        raise AnalyzerError

    monkeypatch.setattr(Analyzer, "wait_until_ready", interrupted)
    setting = Setting(warm_up_s=0.0, duration_s=60.0, pairs=1)
    with pytest.raises(KeyboardInterrupt):
        run(registry.load(LINE), registry.load(FASTER), setting, Silent(), stop)


def test_the_analyzer_needs_no_simulator() -> None:
    """`listen` and all it may import, in a Python where `factory_sim.sim` cannot be imported."""
    code = (
        "import sys; sys.modules['factory_sim.sim'] = None\n"
        "import factory_sim.cli.listen_command, factory_sim.live.listen, factory_sim.live.listen_result\n"
        "import factory_sim.api.listening\n"
        "assert 'pandas' not in sys.modules\n"  # takes longer to import than a shift to analyse
        "import factory_sim.views.text.kpi_text, factory_sim.views.frames\n"
        "assert not [name for name in sys.modules if name.startswith(('simpy', 'factory_sim.plant.load'))]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
