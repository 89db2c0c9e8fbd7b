"""Every call into factory_sim that the recorded files need: the only module to port when import paths change."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from recorded_checks import log_record, plain, truth_record

from factory_sim import registry
from factory_sim.cli import main
from factory_sim.cli.bench import SUITE
from factory_sim.live.listen import Listener, listen
from factory_sim.live.publish import RunSetup, publish
from factory_sim.live.replies import Replies
from factory_sim.plant.load import load as load_plant
from factory_sim.records import Message, Window
from factory_sim.sim.commands import Command
from factory_sim.sim.run import Simulation, count, resume_to_end, simulate
from factory_sim.study import store, study_json
from factory_sim.version import VERSION
from factory_sim.wire import meta as description
from factory_sim.wire.delivery.acknowledgements import Receipts, mark
from factory_sim.wire.delivery.journal import Journal
from factory_sim.wire.formats import FORMATS
from factory_sim.wire.formats.unit_messages import UnitEncoder
from factory_sim.wire.loopback import Exchange, Loopback
from factory_sim.wire.sparkplug.namespace import REBIRTH, nodes
from factory_sim.wire.sparkplug.node import EdgeNode, historical
from factory_sim.wire.sparkplug.payload_types import Type
from factory_sim.wire.sparkplug.payload_writer import Metric, metric, payload

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from factory_sim.plant.spec import Plant

RECORDED = Path(__file__).parent / "data"
RUN_ID = "recorded-run"
NOW_MS = 1_767_600_000_000  # the clock of the Sparkplug sessions
BENCHMARKS = Path(SUITE)
STUDY_KEYS: dict[str, str] = {}  # the key map of the CHANGELOG, such as {"arm.operation_titles": "titles"}

__all__ = [
    "BENCHMARKS",
    "RECORDED",
    "VERSION",
    "counters_of",
    "feed_of",
    "fork_of",
    "main",
    "read_study",
    "run_of",
    "with_keys_of_today",
]


def plant_of(name: str, changes: Sequence[str] = ()) -> Plant:
    """Load a plant below `data/plants`, or a packaged one by name."""
    file = RECORDED / "plants" / name
    return load_plant(file if file.is_file() else name, registry.catalogue(), None, tuple(changes))


def run_of(case: dict[str, Any], engine: str) -> dict[str, Any]:
    """Simulate a case of `logs.json` and return its record."""
    warm_up_us, until_us = case["window_us"]
    run = simulate(
        plant_of(case["plant"], case["changes"]),
        seed=case["seed"],
        replication=case["replication"],
        warm_up_us=warm_up_us,
        until_us=until_us,
        engine=engine,
        commands=[Command(*each) for each in case["commands"]],
    )
    return log_record(run.log, run.truth)


def counters_of(case: dict[str, Any]) -> dict[str, Any]:
    """Count a case without a log, as studies do."""
    plant, window = plant_of(case["plant"], case["changes"]), Window(*case["window_us"])
    return truth_record(count(plant, window, seed=case["seed"], replication=case["replication"], engine="calendar"))


def fork_of(case: dict[str, Any]) -> dict[str, Any]:
    """Run to the window's start, save, resume with changes in another future, and return the record of the rest."""
    at_us, until_us = case["window_us"]
    start = Simulation(
        plant_of(case["plant"]),
        seed=case["seed"],
        replication=case["replication"],
        until_us=at_us + 1,
        engine="calendar",
        savable=True,
    )
    start.advance(at_us)
    changed, future = plant_of(case["plant"], case["changes"]), case["replication"] + case["future"]
    run = resume_to_end(changed, start.save(), until_us=until_us, replication=future)
    return log_record(run.log, run.truth)


class Recorder(Loopback):
    """A loopback that keeps what is published, call by call."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self.calls: list[list[Message]] = []

    def publish(self, messages: Iterable[Message]) -> None:
        """Keep the messages and pass them on."""
        self.calls.append(list(messages))
        super().publish(self.calls[-1])

    @property
    def published(self) -> list[Message]:
        """All messages in the order of publishing."""
        return [message for call in self.calls for message in call]


def feed_of(case: dict[str, Any], payload_format: str) -> dict[str, list[Message]]:
    """Publish a case at full speed, listen to it, and return all messages by their origin.

    The run id is fixed and the run starts when the plant file says, so no message depends on the clock. KPIs are
    published once, at the end: the reports in between follow the wall clock.
    """
    plant, exchange = plant_of(case["plant"]), Exchange()
    sender, receiver, root = Recorder(exchange), Recorder(exchange), plant.topic_root
    setup = RunSetup(
        seed=case["seed"],
        warm_up_s=case["warm_up_s"],
        duration_s=case["duration_s"],
        payload_format=payload_format,
        run_id=RUN_ID,
    )
    receiver.subscribe([f"{root}/#", "spBv1.0/#"])
    publish(plant, setup, sender)
    with patch("factory_sim.live.listen.GRACE_S", 0.0):  # nothing late will arrive
        listen(Listener(root), receiver, every_s=float("inf"), replies=Replies(root, with_kpis=True))
    calls = [_as_recorded(call, payload_format) for call in sender.calls]
    found = {"feed": [message for call in calls for message in call], "kpis": receiver.published}
    if payload_format == "sparkplug":
        return found | {"sessions": _sessions(sender.published, root)}
    return found | {"journal": _journal(calls, root)}


def _as_recorded(call: list[Message], payload_format: str) -> list[Message]:
    """Return messages without what 0.1.0 did not send: shifts of the description, deletions for other formats."""
    if not call or not call[0].topic.endswith("/meta"):
        return call
    meta = description.decode(call[0].payload)
    first = replace(call[0], payload=description.encode(replace(meta, shifts=())))
    encoder = FORMATS[payload_format].encoder(meta, call[0].topic.removesuffix("/meta"))
    own = encoder.clear() if isinstance(encoder, UnitEncoder) else []
    return [first, *(own if len(call) > 1 else [])]


def _journal(calls: list[list[Message]], root: str) -> list[Message]:
    """Return the marks of a run with a journal, block by block, and a consumer's acknowledgements."""
    account, found = Receipts(root, "consumer"), []
    with TemporaryDirectory() as folder, closing(Journal(Path(folder) / "journal")) as journal:
        for call in calls:
            journal.append(call)
        for number in range(journal.blocks):
            block = journal.block(number)
            end = mark(root, RUN_ID, number, number, block)
            answers = [account.take(message) for message in (*block, end) if message.payload]
            found += [end, *(answer for answer in answers if answer is not None)]
    return found


def _sessions(feed: list[Message], root: str) -> list[Message]:
    """Return the session of every edge node: will, births, data, statistics, a rebirth, history and deaths."""
    found: list[Message] = []
    for node in nodes(description.decode(feed[0].payload, feed[0].topic), root):
        edge = EdgeNode(node, lambda device: [each.value for each in device.metrics])
        topics = {node.topic("DDATA", device) for device in node.devices}
        data = [message for message in feed if message.topic in topics][:300]
        asks = metric(Metric(REBIRTH, Type.BOOLEAN, value=True), NOW_MS)
        found += [edge.will(NOW_MS), *edge.opened(NOW_MS)]
        found += [edge.data(message, NOW_MS + k) for k, message in enumerate(data)]
        found += edge.due(NOW_MS + 10_000)
        found += edge.receive(Message(node.topic("NCMD"), payload(asks, NOW_MS), qos=0), NOW_MS + 20_000).messages
        found += [edge.data(historical(message), NOW_MS + 20_000) for message in data[:20]]
        found += edge.closing(NOW_MS + 30_000)
    return found


def read_study(path: Path) -> dict[str, Any]:
    """Return what today's code reads from a stored study, as plain values by today's keys."""
    study = store.load(path)
    return {
        "header": study_json.header_to_json(study.header),
        "arms": {name: plain(study_json.arm_to_json(arm)) for name, arm in study.arms.items()},
        "trials": {f"{arm}, replication {number}": plain(trial) for (arm, number), trial in study.trials.items()},
    }


def with_keys_of_today(study: dict[str, Any]) -> dict[str, Any]:
    """Return a stored study with the keys that the CHANGELOG has renamed."""
    return {
        "header": _renamed(study["header"], "header"),
        "arms": {name: _renamed(arm, "arm") for name, arm in study["arms"].items()},
        "trials": {name: _renamed(trial, "trial") for name, trial in study["trials"].items()},
    }


def _renamed(record: dict[str, Any], kind: str) -> dict[str, Any]:
    """Rename keys of a record, and of the mappings in it: `trial.line.wip` is one of the latter."""
    return {
        STUDY_KEYS.get(f"{kind}.{key}", key): _renamed(value, f"{kind}.{key}") if isinstance(value, dict) else value
        for key, value in record.items()
    }
