"""The demo: a baseline and its retrofit are streamed through a broker and compared from their telemetry.

Each analyzer is a process of its own that never imports the simulator; the simulator's counts serve the audit.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from factory_sim import clock
from factory_sim.analysis import kpis
from factory_sim.analysis.paired import paired_percent_change
from factory_sim.errors import FactoryError
from factory_sim.live.publish import RunSetup, publish, window_of
from factory_sim.plant.describe import describe
from factory_sim.results.demo import Audit, DemoResult, FeedCounts, Figures, PlantSize
from factory_sim.sim.engines import compile_first, compiling_aside
from factory_sim.sim.run import Simulation
from factory_sim.views.kpi_dict import kpi_dict
from factory_sim.wire.broker.embedded import Broker
from factory_sim.wire.loopback import Exchange, Loopback
from factory_sim.wire.mqtt.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from threading import Event

    from factory_sim.live.publish import Sent
    from factory_sim.plant.spec import Plant
    from factory_sim.results.estimate import Estimate

READY = "listening"  # first line of an analyzer that has subscribed
PATIENCE_S = 300.0  # for an analyzer to finish after the last message


class AnalyzerError(FactoryError):
    """An analyzer process that ended without a result."""


class Watcher(Protocol):
    """Receives the progress of the demo."""

    def stage(self, name: str, total: float) -> None:
        """Start a stage of length `total`."""

    def reached(self, done: float, note: str = "") -> None:
        """Report how much of the stage is done."""

    def found(self, name: str, figures: Figures) -> None:
        """Report the figures of one plant as soon as its analyzer has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The runs of the demo."""

    seed: int = 1
    warm_up_s: float = 8 * 3600.0  # one shift fills the line, one is analysed; `compare` finds six hours enough
    duration_s: float = 8 * 3600.0
    pairs: int = 10  # replications behind the intervals: the streamed one, and others without telemetry

    def with_seed(self, seed: int) -> Setting:
        """Return the setting with another seed."""
        return replace(self, seed=seed)

    def order(self, replication: int = 0, root: str = "") -> RunSetup:
        """Return the setup of one run."""
        return RunSetup(
            seed=self.seed,
            replication=replication,
            warm_up_s=self.warm_up_s,
            duration_s=self.duration_s,
            payload_format="bulk",
            root=root,
        )


QUICK = Setting(warm_up_s=2 * 3600.0, duration_s=1800.0, pairs=2)


def run(baseline: Plant, retrofit: Plant, setting: Setting, watcher: Watcher, stop: Event) -> DemoResult:
    """Stream both plants through an embedded broker, analyse what arrives, and compare.

    Raises AnalyzerError, BrokerError; KeyboardInterrupt once `stop` is set.
    """
    plants = {"baseline": baseline, "retrofit": retrofit}
    roots = {name: f"{plant.topic_root}/{name}" for name, plant in plants.items()}
    with compiling_aside(), _interruptible(stop), ExitStack() as stack:
        broker, analyzers = stack.enter_context(Broker()), Analyzers(plants, watcher)
        client = stack.enter_context(Client(broker.url))
        analyzers.start("baseline", stack.enter_context(Analyzer(broker.url, roots["baseline"])))
        _prepare(baseline, watcher)  # while the analyzer prepares itself
        sent = {}
        for name, plant in plants.items():
            analyzers.of[name].wait_until_ready()
            if name == "baseline":  # the other one loads what the first has compiled
                analyzers.start("retrofit", stack.enter_context(Analyzer(broker.url, roots["retrofit"])))
            sent[name] = _stream(plant, setting.order(root=roots[name]), client, watcher, analyzers, stop)
        received, found = analyzers.finish()
        compile_first(plants.values(), "auto", lambda text: watcher.stage(text, 1))
    pairs = [(found["baseline"], found["retrofit"]), *_quick_pairs(baseline, retrofit, setting, watcher, stop)]
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
        audit=_worst([audit(received[name]["kpis"], sent[name]) for name in plants]),
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


class Analyzer:
    """`factory-sim listen` as a process of its own, which never imports the simulator."""

    def __init__(self, url: str, root: str) -> None:
        self._root = root
        self._folder = tempfile.TemporaryDirectory(prefix="factory-sim-")
        self._file = Path(self._folder.name) / "kpis.json"
        words = ["listen", "--broker", url, "--root", root, "--json", str(self._file), "--quiet"]
        self._process = subprocess.Popen(  # noqa: S603 - our own arguments
            [sys.executable, "-m", "factory_sim", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        """Return the running analyzer."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the analyzer if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def wait_until_ready(self) -> None:
        """Wait until it has subscribed; from then on it misses nothing."""
        assert self._process.stdout is not None
        if not self._process.stdout.readline().startswith(READY):
            raise self._error()

    @property
    def is_done(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def result(self) -> dict[str, Any]:
        """Return its JSON after the end of the feed."""
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            message = f"The analyzer of {self._root} did not finish within {PATIENCE_S:g} s."
            raise AnalyzerError(message) from None
        if self._process.returncode or not self._file.exists():
            raise self._error()
        found: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
        return found

    def _error(self) -> AnalyzerError:
        _, said = self._process.communicate()
        code = self._process.returncode
        return AnalyzerError(f"The analyzer of {self._root} ended with code {code}:\n{said.strip()}")


class Analyzers:
    """The analyzers of all plants, and what they have found."""

    def __init__(self, plants: Mapping[str, Plant], watcher: Watcher) -> None:
        self.of: dict[str, Analyzer] = {}
        self._plants, self._watcher = plants, watcher
        self._received: dict[str, dict[str, Any]] = {}
        self._found: dict[str, Figures] = {}

    def start(self, name: str, analyzer: Analyzer) -> None:
        """Add the analyzer of a plant."""
        self.of[name] = analyzer

    def look(self) -> None:
        """Report the figures of every analyzer that has ended since the last look."""
        for name, analyzer in self.of.items():
            if name not in self._received and analyzer.is_done:
                self._receive(name)

    def _receive(self, name: str) -> None:
        self._received[name] = self.of[name].result()
        self._found[name] = figures(self._received[name]["kpis"], self._plants[name])
        self._watcher.found(name, self._found[name])

    def finish(self) -> tuple[dict[str, dict[str, Any]], dict[str, Figures]]:
        """Wait for the others; return the JSON and the figures of each."""
        for name in self.of:
            if name not in self._received:
                self._receive(name)
        return self._received, self._found


def _prepare(plant: Plant, watcher: Watcher) -> None:
    """Publish one minute in memory: what a publisher needs is compiled before the analyzer waits for data."""
    watcher.stage("preparing (the first start compiles)", 1)
    publish(plant, RunSetup(duration_s=60.0, root="ready"), Loopback(Exchange()))
    watcher.reached(1)


def _stream(plant: Plant, setup: RunSetup, client: Client, watcher: Watcher, analyzers: Analyzers, stop: Event) -> Sent:
    window = window_of(setup)
    watcher.stage(f"streaming {setup.root.rpartition('/')[2]}", window.t1_us - window.t0_us)

    def watch(sent: Sent) -> None:
        watcher.reached(sent.t_us - window.t0_us, f"{sent.readings:,} readings")
        analyzers.look()

    sent = publish(plant, setup, client, watch, stop)
    if stop.is_set():
        raise KeyboardInterrupt
    return sent


def _quick_pairs(
    baseline: Plant, retrofit: Plant, setting: Setting, watcher: Watcher, stop: Event
) -> list[tuple[Figures, Figures]]:
    """Further replications of both plants on common random numbers, without telemetry."""
    pairs = []
    watcher.stage("replications for the intervals", setting.pairs - 1)
    for replication in range(1, setting.pairs):
        pair = [_quick(plant, setting.order(replication)) for plant in (baseline, retrofit)]
        pairs.append((pair[0], pair[1]))
        watcher.reached(replication, f"{replication} of {setting.pairs - 1}")
        if stop.is_set():
            raise KeyboardInterrupt
    return pairs


def _quick(plant: Plant, setup: RunSetup) -> Figures:
    """Return the figures of a run from its log: energy from states instead of meters."""
    window = window_of(setup)
    simulation = Simulation(
        plant, seed=setup.seed, replication=setup.replication, warm_up_us=window.t0_us, until_us=window.t1_us
    )
    [piece] = simulation.slices(window.t1_us - window.t0_us)
    meta = describe(plant, "quick", 0, window)
    return figures(kpi_dict(kpis.table(piece.log, meta)), plant)


def figures(found: Mapping[str, Any], plant: Plant) -> Figures:
    """Return the headline figures among the KPIs of `listen --json`."""
    names = [operation.name for operation in plant.operations]
    number = found["line.constraint"]["values"]["line"]
    constraint = names[int(number)] if number is not None else ""
    pacing = names[plant.pacing] if plant.pacing >= 0 else constraint

    def value(name: str, thing: str) -> float:
        got = found[name]["values"].get(thing)
        return float("nan") if got is None else float(got)

    return Figures(
        station_cycle_time_s=value("operation.cycle_time_s", pacing),
        good_parts_per_h=value("line.good_parts_per_h", "line"),
        oee=value("operation.oee", pacing),
        kwh_per_part=value("line.kwh_per_part", "line"),
        cost_per_part=value("line.cost_per_part", "line"),
        constraint=constraint,
    )


def changes(pairs: Sequence[tuple[Figures, Figures]]) -> dict[str, Estimate]:
    """Return the change from the first to the second of each pair, with 95 % intervals over the pairs [%]."""
    measures: dict[str, Callable[[Figures], float]] = {
        "station_time_pct": lambda f: f.station_cycle_time_s,
        "station_rate_pct": lambda f: 1 / f.station_cycle_time_s,
        "line_rate_pct": lambda f: f.good_parts_per_h,
        "kwh_per_part_pct": lambda f: f.kwh_per_part,
        "cost_per_part_pct": lambda f: f.cost_per_part,
    }
    return {
        name: paired_percent_change([measure(before) for before, _ in pairs], [measure(after) for _, after in pairs])
        for name, measure in measures.items()
    }


def audit(found: Mapping[str, Any], sent: Sent) -> Audit:
    """Compare the KPIs of `listen --json` with the simulator's counts."""
    truth = sent.truth
    assert truth is not None
    cycle_s, parts = found["machine.cycle_time_s"]["values"], found["machine.parts"]["values"]
    time_error, parts_error = 0.0, 0
    for unit, info in enumerate(sent.meta.units):
        if info.role != "machine":
            continue
        made = int(truth.parts[unit])
        parts_error += abs(made - int(parts[info.name]))
        if made:
            true_s = clock.s_from_us(int(truth.busy_us[unit])) / made
            time_error = max(time_error, abs(true_s - (cycle_s[info.name] or 0.0)))
    return Audit(cycle_time_error_s=time_error, parts_error=parts_error)


def _worst(audits: Sequence[Audit]) -> Audit:
    return Audit(
        cycle_time_error_s=max(a.cycle_time_error_s for a in audits), parts_error=sum(a.parts_error for a in audits)
    )
