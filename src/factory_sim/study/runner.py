"""A study under way: find the warm-up, run the missing trials, write each, and add pairs until it is precise enough."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from factory_sim.plant import clock_changes
from factory_sim.results.record import Result
from factory_sim.results.study_summary import GIVEN, WarmUp
from factory_sim.results.whatif import InterimResult
from factory_sim.sim.engines import Choice, choose, compile_first
from factory_sim.study import arms, warmup
from factory_sim.study.append_log import has_content
from factory_sim.study.arms import BASE, PROBE, SCENARIO, PlantCache, Variant
from factory_sim.study.compare.pairing import line_rate
from factory_sim.study.pool import Task
from factory_sim.study.store import Store, StudyError, versions
from factory_sim.study.trial import BINS, Setting, setting_of
from factory_sim.study_records import StudyHeader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from factory_sim.plant.spec import Plant
    from factory_sim.results.compare import ComparisonResult
    from factory_sim.results.record import Json
    from factory_sim.study.pool import Pool
    from factory_sim.study_records import Probe, Study

ResultT = TypeVar("ResultT", bound=Result)
FIRST, FIRST_TYPED = 5, 2  # pairs before the first look at precision; fewer than FIRST are never precise enough


class Progress:
    """The progress of a study; subclasses show it, this class ignores it."""

    def stage(self, name: str, total: int) -> None:
        """Start a stage of `total` trials."""

    def advance(self, done: int) -> None:
        """Report that `done` trials of the stage are finished."""

    def message(self, text: str) -> None:
        """Report a sentence."""

    def compared(self, result: ComparisonResult) -> None:
        """Report the comparison, before its attribution is known."""

    def interim(self, results: Sequence[InterimResult]) -> None:
        """Report the precision reached so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The study that is asked for."""

    base: Variant
    scenarios: tuple[Variant, ...] = ()
    replications: int = 30
    until_pct: float | None = None  # half-width of the line rate's change that is precise enough [percentage points]
    first: int = FIRST  # pairs before the first look, with `until_pct`
    duration_s: float = 8 * 3600.0
    warm_up_s: float | None = None  # None: found by pilot runs
    seed: int = 1
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    engine: str = "auto"
    dask: str = ""  # a Dask scheduler instead of local processes: `local`, or tcp://host:port
    file: Path | None = None  # None: named after what is compared, in the working folder
    pilots: tuple[Variant, ...] = ()  # further plants that the warm-up must suffice for
    snapshot: str = ""  # file of the snapshot that every trial resumes
    snapshot_sha: str = ""
    warm_up: WarmUp | None = None  # how the warm-up was decided; None: given or found here
    design: Mapping[str, Json] = field(default_factory=dict)  # keys of the header that identify the study
    words: Mapping[str, Json] = field(default_factory=dict)  # keys of the header that may change later


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedStudy(Generic[ResultT]):
    """A finished study, its file and its result."""

    study: Study
    file: Path
    result: ResultT


@dataclass(slots=True)
class Session:
    """A study that runs: its file, its plants and its workers."""

    store: Store
    plants: PlantCache
    pool: Pool
    progress: Progress
    reported: set[Choice] = field(default_factory=set)  # engines that were reported

    @property
    def study(self) -> Study:
        """Everything that is finished."""
        return self.store.study

    @property
    def setting(self) -> Setting:
        """What all trials have in common."""
        return setting_of(self.study.header)

    def ensure(self, stage: str, wanted: Sequence[tuple[str, int]]) -> None:
        """Run the missing ones of the (arm, replication) and write each. Raise TrialError, StudyError."""
        finished = self.study.trials
        tasks = [self._task(arm, r) for arm, r in dict.fromkeys(wanted) if (arm, r) not in finished]
        self.progress.stage(stage, len(wanted))
        done = len(wanted) - len(tasks)
        self.progress.advance(done)
        compile_first((task.plant for task in tasks), self.pool.engine, self.progress.message)
        self.report_engines(engines_of([task.plant for task in tasks], self.pool, self.setting.snapshot))
        for done_now, (_, trial) in enumerate(self.pool.run(tasks, self.setting), done + 1):
            self.store.add_trial(trial)
            self.progress.advance(done_now)

    def report_engines(self, choices: Sequence[Choice]) -> None:
        """Report the engines that run the next trials, each once."""
        for choice in choices:
            if choice not in self.reported:
                self.reported.add(choice)
                self.progress.message(f"Engine {choice.engine}: {choice.reason}.")

    def _task(self, name: str, replication: int) -> Task:
        arm = self.study.arms[name]
        as_filed = arm.changes is None and not arm.overrides
        file = arm.file if as_filed else ""
        return Task(name, file, self.plants.plant_of(arm), replication, arms.detail_of(arm))

    def add_probe(self, variant: Variant, name: str, probe: Probe) -> str:
        """Add a variant as a probe, if it is new; return its name."""
        if name not in self.study.arms:
            plant = self.plants.load(variant)
            self.store.add_arm(arms.arm_of(name, PROBE, variant, plant, self.setting.window, probe))
        return name

    def names(self, *roles: str) -> list[str]:
        """Return the arms of these roles, in the order of the study."""
        return [arm.name for arm in self.study.arms.values() if arm.role in roles]


def engines_of(plants: Iterable[Plant], pool: Pool, snapshot: str = "") -> list[Choice]:
    """Return the engines that run trials of these plants now, each once. Raise ConfigError."""
    if snapshot:
        return [Choice("calendar", "the one whose runs can be saved")] if plants else []
    return list(dict.fromkeys(choose(plant, pool.engine) for plant in plants))


def start_session(request: Request, pool: Pool, progress: Progress) -> Session:
    """Open the study of a request: the one in its file, or a new one. Raise ConfigError, StudyError."""
    _check(request)
    plants = PlantCache()
    variants = arms.named_variants(plants, (request.base, *request.scenarios))
    path = request.file or Path(default_name(request, [(n, plants.load(each).digest) for n, each in variants.items()]))
    if not path.parent.is_dir():
        msg = f"{path}: the folder {path.parent} does not exist. Create it, or name another file with --study."
        raise StudyError(msg)
    header = None
    new = not has_content(path)
    if new:
        loaded = {plant.digest: plant for plant in map(plants.load, (*variants.values(), *request.pilots))}
        compile_first(loaded.values(), pool.engine, progress.message)
        choices = engines_of(loaded.values(), pool, request.snapshot)
        for choice in choices:
            progress.message(f"Engine {choice.engine}: {choice.reason}.")
        header = _header(request, list(loaded.values()), choices, pool, progress)
    with ExitStack() as on_error:
        store = on_error.enter_context(Store(path, header))
        session = Session(store, plants, pool, progress, set(choices) if new else set())
        _check_same_study(store, request, set(variants))
        store.add_words(request.words if request.warm_up is None else {"warm_up": request.warm_up.to_dict()})
        for name, variant in variants.items():
            role = BASE if variant is request.base else SCENARIO
            store.add_arm(arms.arm_of(name, role, variant, plants.load(variant), session.setting.window))
        on_error.pop_all()
    _note_clock_changes(session, [plants.load(each) for each in variants.values()])
    return session


def _note_clock_changes(session: Session, plants: Sequence[Plant]) -> None:
    """Report each local time of the runs that a change of the clock skips or repeats, once (CAL-5)."""
    until_us = min(session.setting.window.t1_us, clock_changes.NOTED_US)
    lines = [line for plant in plants for line in clock_changes.notes(plant, 0, until_us)]
    for line in dict.fromkeys(lines):
        session.progress.message(line)


def _check(request: Request) -> None:
    least = request.first if request.until_pct is not None else 2
    if request.replications < least:
        msg = f"An interval requires at least {least} replications; {request.replications} were asked for."
        raise StudyError(msg)
    if request.duration_s <= 0:
        msg = f"The window must be longer than 0 s; {request.duration_s:g} s were asked for."
        raise StudyError(msg)


def _header(
    request: Request, plants: list[Plant], choices: Sequence[Choice], pool: Pool, progress: Progress
) -> StudyHeader:
    bin_s = request.duration_s / BINS
    warm_up_s, warm_up = request.warm_up_s, request.warm_up or WarmUp(by=GIVEN)
    if warm_up_s is None:
        progress.stage("warm-up", warmup.PILOTS * len(plants))
        empty = Setting(request.seed, 0.0, request.duration_s, bin_s)
        warm_up_s, warm_up = warmup.find_warm_up(plants, empty, pool, progress.advance)
        if not warm_up.settled:
            progress.message(
                f"! The pilot of {1.5 * request.duration_s / 3600:g} h is too short to show where the warm-up ends; "
                f"{warm_up_s / 3600:.2g} h are dropped. Use a longer duration, or set the warm-up."
            )
    return StudyHeader(
        **versions(),
        seed=request.seed,
        warm_up_s=warm_up_s,
        duration_s=request.duration_s,
        bin_s=bin_s,
        warm_up=warm_up,
        snapshot=request.snapshot,
        snapshot_sha=request.snapshot_sha,
        more={"engine": [asdict(choice) for choice in choices], **request.design, **request.words},
    )


def _check_same_study(store: Store, request: Request, names: set[str]) -> None:
    """Raise StudyError when the file contains another study."""
    head = store.study.header
    wanted: dict[str, str | float] = {"seed": request.seed, "duration_s": request.duration_s}
    if request.warm_up_s is not None:
        wanted["warm_up_s"] = request.warm_up_s
    wanted["program"] = versions()["program"]
    differs = [f"{key} is {was}, not {value}" for key, value in wanted.items() if (was := getattr(head, key)) != value]
    snapshot = (request.snapshot, request.snapshot_sha)
    same_design = {"snapshot": (head.snapshot, head.snapshot_sha) == snapshot}
    same_design |= {key: head.more.get(key) == value for key, value in request.design.items()}
    differs += [f"its {key} differs" for key, same in same_design.items() if not same]
    others = {arm.name for arm in store.study.arms.values() if arm.role != PROBE}
    if others and others != names:
        differs.append(f"it compares {', '.join(sorted(others))}, not {', '.join(sorted(names))}")
    if differs:
        what = "; ".join(differs)
        msg = f"{store.path} is another study: {what}.\n  The file is unchanged. Name another file with --study."
        raise StudyError(msg)


def default_name(request: Request, arms: Sequence[tuple[str, str]]) -> str:
    """Return a file name that depends on the request alone."""
    identity = repr((arms, request.seed, request.duration_s, request.warm_up_s, versions()["program"]))
    names = ["".join(c if c.isalnum() or c in "_." else "_" for c in name)[:40] for name, _ in arms]
    words = "-vs-".join([*names[:0:-1][:2], names[0]])
    return f"{words}-{sha256(identity.encode()).hexdigest()[:8]}.study.jsonl"


def run_replications(session: Session, request: Request) -> None:
    """Run the compared arms: all replications, or until the line rates are precise enough."""
    names = session.names(BASE, SCENARIO)
    for n in looks(session, request):
        session.ensure("trials", [(name, r) for r in range(n) for name in names])


def looks(session: Session, request: Request) -> Iterator[int]:
    """Yield the numbers of replications at which to stop; they depend on the results alone, never on workers."""
    if request.until_pct is None:
        yield request.replications
        return
    n = min(request.first, request.replications)
    while True:
        yield n
        found = [
            InterimResult(scenario=name, line_rate=line_rate(session.study, name)) for name in session.names(SCENARIO)
        ]
        session.progress.interim(found)
        widest = max(each.line_rate.half_width for each in found)
        enough = widest <= request.until_pct and n >= FIRST  # two windows can agree by chance
        if enough or n >= request.replications:
            return
        growth = min(2.0, (widest / request.until_pct) ** 2)  # an interval shrinks with the root of n
        n = min(request.replications, max(n + 1, round(growth * n)))
