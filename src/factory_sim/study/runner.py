"""Making a study: load, find the warm-up, run what is missing, keep it, go on until it is precise enough."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory_sim.sim.engines import Choice, await_compiled, choose, is_compiled, obstacle
from factory_sim.sim.run import LONGEST_RUN_US
from factory_sim.study import arms, store, warmup
from factory_sim.study.append_log import is_begun
from factory_sim.study.arms import BASE, PROBE, SCENARIO, Bench, Variant
from factory_sim.study.compare.pairing import line_rate
from factory_sim.study.pool import Pool, Task
from factory_sim.study.store import Store, StudyError
from factory_sim.study.trial import BINS, Setting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from factory_sim.plant.spec import Plant
    from factory_sim.records import Study

FIRST, FIRST_TYPED = 5, 2  # pairs before the first look at precision; with fewer than FIRST nothing is precise
MANY = 100  # trials: SimPy takes longer for more than another process for compiling


class Watcher:
    """Hears how a study goes; this one keeps it to itself."""

    def stage(self, name: str, total: int) -> None:
        """A new stage begins, of that many trials."""

    def reached(self, done: int) -> None:
        """So many trials of the stage are done."""

    def say(self, text: str) -> None:
        """Something worth knowing before it goes on."""

    def compared(self, study: Study) -> None:
        """All pairs of a comparison are there; what follows asks who earned the change."""

    def interim(self, study: Study) -> None:
        """A sequential study has looked at its precision and goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a person asks for."""

    base: Variant
    scenarios: tuple[Variant, ...] = ()
    replications: int = 30
    until_pct: float | None = None  # half-width of the line rate's change at which it is enough
    first: int = FIRST  # pairs before the first look, with `until_pct`
    duration_s: float = 8 * 3600.0
    warm_up_s: float | None = None  # None: found by a pilot
    seed: int = 1
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    engine: str = "auto"
    dask: str = ""  # a Dask scheduler instead of processes of this machine: `local`, or tcp://host:port
    file: Path | None = None  # None: named after what is compared, in the working folder
    pilots: tuple[Variant, ...] = ()  # further plants that the warm-up must suffice for
    design: Mapping[str, Any] = field(default_factory=dict)  # more of the header, which makes it this study
    words: Mapping[str, Any] = field(default_factory=dict)  # more of the header, for people; the latest win


@dataclass(slots=True)
class Session:
    """A study under way: its file, its plants, its workers."""

    kept: Store
    bench: Bench
    pool: Pool
    watcher: Watcher
    told: set[Choice] = field(default_factory=set)  # engines that the watcher has heard of

    @property
    def study(self) -> Study:
        """All that is finished."""
        return self.kept.study

    @property
    def setting(self) -> Setting:
        """What all trials have in common."""
        return store.setting_of(self.study)

    def ensure(self, stage: str, wanted: Sequence[tuple[str, int]]) -> None:
        """Run those of the (arm, replication) that are missing, keeping each. Raises TrialError, StudyError."""
        tasks = [self._task(arm, r) for arm, r in dict.fromkeys(wanted) if (arm, r) not in self.study.trials]
        self.watcher.stage(stage, len(wanted))
        done = len(wanted) - len(tasks)
        self.watcher.reached(done)
        if len(tasks) > MANY and not obstacle(tasks[0].plant):
            self.await_engine()
        tell(engines_of([task.plant for task in tasks], self.pool, self.setting.moment), self.told, self.watcher)
        for task, content in self.pool.run(tasks, self.setting):
            self.kept.add_trial(task.arm, task.replication, content)
            done += 1
            self.watcher.reached(done)

    def await_engine(self) -> None:
        """Wait for the compiled engine where another process compiles it: what comes is too much for SimPy."""
        if self.pool.engine == "auto" and not is_compiled():
            self.watcher.say("Waiting for the compiled engine ...")
            await_compiled()

    def _task(self, name: str, replication: int) -> Task:
        arm = self.study.arms[name]
        as_filed = arm.changes is None and not arm.overrides
        file = arm.file if as_filed else ""
        return Task(name, file, self.bench.of(arm), replication, arms.detail_of(arm))

    def probe(self, variant: Variant, name: str, about: dict[str, Any]) -> str:
        """Keep a variant as a probe; its name."""
        if name not in self.study.arms:
            plant = self.bench.load(variant)
            self.kept.add_arm(arms.arm(variant, plant, name, PROBE, self.setting.window, about))
        return name

    def names(self, *roles: str) -> list[str]:
        """The arms of these roles, in the order of the study."""
        return [arm.name for arm in self.study.arms.values() if arm.role in roles]


def engines_of(plants: Iterable[Plant], pool: Pool, moment: str = "") -> list[Choice]:
    """The engines that run trials of these plants now, and why; each is named once. Raises ConfigError."""
    if moment:
        return [Choice("calendar", "the one whose runs can be saved")] if plants else []
    return list(dict.fromkeys(choose(plant, pool.engine) for plant in plants))


def tell(choices: Sequence[Choice], told: set[Choice], watcher: Watcher) -> None:
    """Say which engines run what comes, and why, unless that is known."""
    for choice in choices:
        if choice not in told:
            told.add(choice)
            watcher.say(f"Engine {choice.engine}: {choice.reason}.")


def begin(request: Request, pool: Pool, watcher: Watcher) -> Session:
    """The study of a request: the one in its file, else a new one. Raises ConfigError, StudyError."""
    _check(request)
    bench = Bench()
    rows = arms.compared(bench, request.base, request.scenarios)
    path = request.file or Path(default_name(request, [(name, bench.load(v).digest) for v, name, _ in rows]))
    head, told = None, set[Choice]()
    if not path.parent.is_dir():
        msg = f"{path}: there is no folder {path.parent}. Make it, or name another file with --study."
        raise StudyError(msg)
    if not is_begun(path):
        plants = {bench.load(v).digest: bench.load(v) for v in (*(row[0] for row in rows), *request.pilots)}
        choices = engines_of(plants.values(), pool, request.design.get("moment", ""))
        tell(choices, told, watcher)
        setting, about = _setting(request, list(plants.values()), pool, watcher)
        engine = {"engine": [asdict(choice) for choice in choices]}
        head = store.header(setting, about) | engine | dict(request.design) | dict(request.words)
    with ExitStack() as on_error:
        kept = on_error.enter_context(Store(path, head))
        session = Session(kept, bench, pool, watcher, told)
        _same(kept, request, {name for _, name, _ in rows})
        kept.add_words(request.words)
        for variant, name, role in rows:
            kept.add_arm(arms.arm(variant, bench.load(variant), name, role, session.setting.window))
        on_error.pop_all()
    return session


def _check(request: Request) -> None:
    least = request.first if request.until_pct is not None else 2
    if request.replications < least:
        msg = f"an interval needs at least {least} replications, got {request.replications}"
        raise StudyError(msg)
    if request.duration_s <= 0:
        msg = f"the window must be longer than nothing, got {request.duration_s:g} s"
        raise StudyError(msg)
    # A pilot may find that all of it is warm-up.
    before_s = warmup.LENGTH * request.duration_s if request.warm_up_s is None else request.warm_up_s
    if not before_s + request.duration_s < LONGEST_RUN_US / 1e6:
        about = f"a warm-up of {before_s / 3600:g} h and a window of {request.duration_s / 3600:g} h"
        msg = f"{about} are longer than the clock counts: {LONGEST_RUN_US / 3.6e9:.4g} h"
        raise StudyError(msg)


def _setting(request: Request, plants: list[Any], pool: Pool, watcher: Watcher) -> tuple[Setting, dict[str, Any]]:
    bin_s = request.duration_s / BINS
    if request.warm_up_s is not None:
        return Setting(request.seed, request.warm_up_s, request.duration_s, bin_s), {"by": "given"}
    watcher.stage("warm-up", warmup.PILOTS * len(plants))
    found = warmup.find(plants, Setting(request.seed, 0.0, request.duration_s, bin_s), pool, watcher.reached)
    if not found.settled:
        watcher.say(
            f"! The pilot of {1.5 * request.duration_s / 3600:g} h is too short to see where the warm-up ends: "
            f"{found.warm_up_s / 3600:.2g} h are dropped. Try a longer --duration, or decide with --warm-up."
        )
    about = {"by": "pilot", "mser5_s": found.mser5_s, "fill_s": found.fill_s, "settled": found.settled}
    return Setting(request.seed, found.warm_up_s, request.duration_s, bin_s), about


def _same(kept: Store, request: Request, names: set[str]) -> None:
    """Refuse to add to a study of something else."""
    head = kept.study.header
    wanted: dict[str, Any] = {"seed": request.seed, "duration_s": request.duration_s}
    if request.warm_up_s is not None:
        wanted["warm_up_s"] = request.warm_up_s
    made_by = store.versions()["program"]
    wanted["program"] = made_by
    differs = [f"{key} is {head[key]}, not {value}" for key, value in wanted.items() if head[key] != value]
    differs += [f"its {key} is another one" for key, value in request.design.items() if head.get(key) != value]
    others = {arm.name for arm in kept.study.arms.values() if arm.role != PROBE}
    if others and others != names:
        differs.append(f"it compares {', '.join(sorted(others))}, not {', '.join(sorted(names))}")
    if differs:
        what = "; ".join(differs)
        msg = f"{kept.path} is another study: {what}.\n  It is left as it is. Name another file with --study."
        raise StudyError(msg)


def default_name(request: Request, arms: Sequence[tuple[str, str]]) -> str:
    """A file name that the same request finds again, and another one does not."""
    identity = repr((arms, request.seed, request.duration_s, request.warm_up_s, store.versions()["program"]))
    names = ["".join(c if c.isalnum() or c in "_." else "_" for c in name)[:40] for name, _ in arms]
    words = "-vs-".join([*names[:0:-1][:2], names[0]])
    return f"{words}-{sha256(identity.encode()).hexdigest()[:8]}.study.jsonl"


def run(session: Session, request: Request) -> None:
    """Run the compared arms: all replications, or until the line rates are precise enough."""
    names = session.names(BASE, SCENARIO)
    for n in _looks(session, request):
        session.ensure("trials", [(name, r) for r in range(n) for name in names])


def _looks(session: Session, request: Request) -> Iterator[int]:
    """Numbers of replications at which to stop, decided by results alone: as many workers, the same numbers."""
    if request.until_pct is None:
        yield request.replications
        return
    n = min(request.first, request.replications)
    while True:
        yield n
        session.watcher.interim(session.study)
        widest = max(line_rate(session.study, name).half_width for name in session.names(SCENARIO))
        enough = widest <= request.until_pct and n >= FIRST  # two windows may make the same number of parts by chance
        if enough or n >= request.replications:
            return
        growth = min(2.0, (widest / request.until_pct) ** 2)  # an interval shrinks with the root of n
        n = min(request.replications, max(n + 1, round(growth * n)))


def opened(path: Path, pool: Pool, watcher: Watcher) -> Session:
    """The study in a file, to be added to. Raises StudyError."""
    return Session(Store(path), Bench(), pool, watcher)
