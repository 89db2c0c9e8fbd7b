"""The demo: a baseline and its retrofit are streamed through a broker and compared from their telemetry.

Each analyzer is a process of its own that never imports the simulator; the simulator's counts serve the audit.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING

from factory_sim.demo.analyzers import Analyzer, AnalyzerError, Analyzers
from factory_sim.demo.headline import audit, changes, worst
from factory_sim.demo.setting import QUICK, Setting
from factory_sim.results.demo import DemoResult, FeedCounts, PlantSize
from factory_sim.sim.engines import compile_first, compiling_aside
from factory_sim.wire.broker.embedded import Broker
from factory_sim.wire.mqtt.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Event

    from factory_sim.demo.setting import Watcher
    from factory_sim.plant.spec import Plant

__all__ = ["QUICK", "AnalyzerError", "Setting", "run"]


def run(baseline: Plant, retrofit: Plant, setting: Setting, watcher: Watcher, stop: Event) -> DemoResult:
    """Stream both plants through an embedded broker, analyse what arrives, and compare.

    Raises AnalyzerError, BrokerError; KeyboardInterrupt once `stop` is set.
    """
    plants = {"baseline": baseline, "retrofit": retrofit}
    roots = {name: f"{plant.topic_root}/{name}" for name, plant in plants.items()}
    with compiling_aside(), _interruptible(stop), ExitStack() as stack:
        broker, analyzers = stack.enter_context(Broker()), Analyzers(plants, watcher)
        analyzers.start("baseline", stack.enter_context(Analyzer(broker.url, roots["baseline"])))
        from factory_sim.demo import streams  # noqa: PLC0415 - slow to import: the analyzer starts meanwhile

        client = stack.enter_context(Client(broker.url))
        streams.prepare(baseline, watcher)
        sent = {}
        for name, plant in plants.items():
            if name not in analyzers.of:  # not earlier: the baseline's stream and analyzer have the processors
                analyzers.start(name, stack.enter_context(Analyzer(broker.url, roots[name])))
                analyzers.conclude("baseline")
            analyzers.of[name].wait_until_ready()
            sent[name] = streams.stream(
                plant, streams.setup_of(setting, root=roots[name]), client, watcher, analyzers, stop
            )
        received, found = analyzers.finish()
        compile_first(plants.values(), "auto", lambda text: watcher.stage(text, 1))
    pairs = [(found["baseline"], found["retrofit"]), *streams.quick_pairs(baseline, retrofit, setting, watcher, stop)]
    feeds = [each["feed"] for each in received.values()]
    return DemoResult(
        plant=PlantSize(
            machines=len(baseline.machines), operations=len(baseline.operations), sensors=len(baseline.sensors)
        ),
        baseline=found["baseline"],
        retrofit=found["retrofit"],
        currency=baseline.cost.currency,
        change=changes(pairs),
        feed=FeedCounts(**{each.name: sum(feed[each.name] for feed in feeds) for each in fields(FeedCounts)}),
        audit=worst([audit(received[name]["kpis"], sent[name]) for name in plants]),
        sent_readings=sum(each.readings for each in sent.values()),
        sent_messages=sum(each.messages for each in sent.values()),
    )


@contextmanager
def _interruptible(stop: Event) -> Iterator[None]:
    """Let an analyzer that ends because Ctrl-C reached it too count as the interrupt."""
    try:
        yield
    except AnalyzerError:
        if stop.is_set():
            raise KeyboardInterrupt from None
        raise
