from __future__ import annotations

from pathlib import Path

import pytest

from factory_sim import registry
from factory_sim.errors import ConfigError
from factory_sim.live.command_handler import CommandHandler, read
from factory_sim.live.publish import RunSetup, Sent, publish
from factory_sim.wire.loopback import Loopback
from factory_sim.wire.sparkplug.namespace import SPEED, START, STOP
from factory_sim.wire.sparkplug.node import DeviceCommand, Refusals

PLANT = registry.load(Path(__file__).with_name("three.yaml"))
ORDER = RunSetup(duration_s=1_200.0, slice_s=60.0, payload_format="bulk", root="t/d", run_id="r", start_ns=10**18)
WASH = next(m.unit for m in PLANT.machines if PLANT.operations[m.operation].name == "WASH")


class Operator:
    """Asks for something before each slice."""

    def __init__(self, script: dict[int, DeviceCommand]) -> None:
        self.script, self.turn, self.confirmed, self.refused = script, 0, list[DeviceCommand](), Refusals()

    def commands(self) -> list[DeviceCommand]:
        self.turn += 1
        return [self.script[self.turn]] if self.turn in self.script else []

    def confirm(self, command: DeviceCommand) -> None:
        self.confirmed.append(command)


def sent_by(handler: CommandHandler | None) -> tuple[list[bytes], Sent]:
    wire = Loopback()
    wire.subscribe(["#"])
    sent = publish(PLANT, ORDER, wire, commands=handler)
    return [m.payload for m in wire.messages() if "/bulk/" in m.topic], sent


def test_a_run_with_the_record_of_commands_sends_the_same_again(tmp_path: Path) -> None:
    script = {
        3: DeviceCommand(WASH, SPEED, 0.5),
        8: DeviceCommand(WASH, STOP, value=True),
        12: DeviceCommand(WASH, START, value=True),
    }
    operator, record = Operator(script), tmp_path / "commands.jsonl"
    first, sent = sent_by(CommandHandler(PLANT.units, operator, record))
    replayed = Operator({})
    again, _ = sent_by(CommandHandler(PLANT.units, replayed, record))
    assert replayed.confirmed == list(script.values())  # hosts hear of what the record commands as well
    plain, _ = sent_by(None)
    assert operator.confirmed == list(script.values())
    assert first == again
    assert first != plain
    assert [c.t_us for c in read(record, PLANT.units)] == [180_000_000, 480_000_000, 720_000_000]
    assert sent.truth is not None


def test_impossible_commands_are_counted_and_change_nothing(tmp_path: Path) -> None:
    record = tmp_path / "commands.jsonl"
    operator = Operator({2: DeviceCommand(WASH, STOP, value=False), 3: DeviceCommand(WASH, SPEED, -1.0)})
    handler = CommandHandler(PLANT.units, operator, record)
    found, _ = sent_by(handler)
    assert (operator.refused.count, handler.executed, operator.confirmed) == (2, [], [])
    assert "Device Control/Speed of M002: A speed must be from" in operator.refused.new_since_last()
    assert operator.refused.new_since_last() == ""
    assert not record.exists()
    assert found == sent_by(CommandHandler(PLANT.units))[0]


@pytest.mark.parametrize("text", ["{", "[]", '{"t_us":1}', '{"t_us":1,"unit":"M9","name":"stop","value":""}'])
def test_a_damaged_record_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    record = tmp_path / "commands.jsonl"
    record.write_text('{"t_us":60000000,"unit":"M001","name":"stop","value":""}\n' + text)
    with pytest.raises(ConfigError, match=r"commands\.jsonl:2"):
        read(record, PLANT.units)


def test_a_record_that_cannot_be_written_ends_the_run_and_is_named(tmp_path: Path) -> None:
    operator = Operator({2: DeviceCommand(WASH, STOP, value=True)})
    with pytest.raises(ConfigError, match=r"nowhere.commands\.jsonl: cannot be written: No such file"):
        sent_by(CommandHandler(PLANT.units, operator, tmp_path / "nowhere" / "commands.jsonl"))
