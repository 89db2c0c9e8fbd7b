"""`factory-sim optimise`: the best choice within limits and a budget, selected with a guarantee, and the Pareto front.

Three steps, each on common random numbers. *Search*: all allowed choices, or those that Optuna meets, `screening`
replications each. *Selection*: among the finalists, on replications that the search has not seen, so that its luck
does not count (`ranking`). *Front*: the choices that no other beats in every objective, on the selection's first
replications.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.analysis.paired import mean_estimate
from factory_sim.study.arms import Bench, variant_of
from factory_sim.study.compare.pairing import UNFINISHED, as_dict, base_of, line_values
from factory_sim.study.dask_pool import hired
from factory_sim.study.optimise import goals, ranking, search
from factory_sim.study.optimise.ranking import Rule, Selection
from factory_sim.study.runner import Request, Session, begin
from factory_sim.study.store import StudyError
from factory_sim.study.sweep import plans
from factory_sim.study.sweep.sensitivity import weights
from factory_sim.study.sweep.sweep_study import Answered, about_kpi, about_study, change, run_arms

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from factory_sim.records import F8, Study
    from factory_sim.study.optimise.allocation import Choice
    from factory_sim.study.optimise.goals import Goal
    from factory_sim.study.runner import Watcher
    from factory_sim.study.sweep.sweep_study import Running

RESAMPLES = 500


@dataclass(frozen=True, slots=True)
class Found:
    """What was tried, who came into the last round, and how it ended; choices by number in `tried`."""

    tried: tuple[Choice, ...]
    complete: bool  # all allowed choices were tried
    first: int  # number of the selection's first replication
    finalists: tuple[int, ...]
    front: tuple[int, ...]  # choices that were compared in all objectives
    selection: Selection  # numbers of finalists


def made(path: str | Path, running: Running, watcher: Watcher) -> Answered:
    """Make the optimisation that a file describes, or go on with it. Raises ConfigError, StudyError, TrialError."""
    bench = Bench()
    file, goal = goals.optimise_file(path, bench)
    every = goal.space.every(goal.candidates)
    if every is None:
        search.door()  # said before the first run
    shape, design = file.shape, goal.header()
    request = Request(
        base=goal.base,
        duration_s=shape.duration,
        warm_up_s=shape.warm_up,
        seed=shape.seed,
        workers=running.workers,
        engine=running.engine,
        dask=running.dask,
        pilots=goal.corners(),
        design=design,
        words=goal.words(),
        file=running.file or plans.file_name(goal.name, bench, goal.base, shape, design),
    )
    with hired(running.workers, running.engine, running.dask) as pool:
        session = begin(request, pool, watcher)
        with session.kept:
            found = _Maker(session.study, goal, session).found(every)
            return Answered(session.study, session.kept.path, answer(session.study, goal, found))


@dataclass(slots=True)
class _Maker:
    """Runs what the three steps ask for; without a session, all of it has been run."""

    study: Study
    goal: Goal
    session: Session | None = None

    def found(self, every: list[Choice] | None) -> Found:
        """The three steps."""
        if every is not None:
            return self.decided(tuple(every), complete=True)
        goal, seed = self.goal, self.study.header["seed"]
        met = search.searched(goal.space, goal.better, goal.candidates, seed, self.screened)
        return self.decided(tuple(met), complete=False)

    def screened(self, choices: Sequence[Choice]) -> list[list[float]]:
        """Mean objectives of new choices over the screening's replications."""
        self.ensure("search", choices, range(self.goal.screening))
        return [self._means(choice, range(self.goal.screening)).tolist() for choice in choices]

    def decided(self, tried: tuple[Choice, ...], *, complete: bool) -> Found:
        """The selection among the best, and all that may lie on the front."""
        goal, decision = self.goal, self.goal.decision
        first = 0 if complete else goal.screening
        rising = np.array([self._means(choice, range(first)) for choice in tried]) if first else None
        finalists, front = _chosen(rising, len(tried), goal)
        together = [tried[n] for n in dict.fromkeys((*finalists, *front))]
        self.base(range(first, first + decision.first))
        self.ensure("selection", together, range(first, first + decision.first))
        left = self._defined([*finalists], tried, first)
        rule = Rule(decision.confidence, self.delta(first), decision.first, decision.most)

        def observe(systems: Sequence[int], n: int) -> F8:
            wanted = range(first, first + n)
            self.base(wanted)
            self.ensure("selection", [tried[left[i]] for i in systems], wanted)
            values = goal.better[0] * np.array([self._values(tried[left[i]], 0, wanted) for i in systems])
            return np.where(np.isfinite(values), values, -np.inf)  # a window without a good part

        found = ranking.selected(len(left), rule, observe)
        return Found(tried, complete, first, tuple(left), tuple(front), found)

    def base(self, replications: Sequence[int]) -> None:
        """Run the plant as it is."""
        if self.session is not None:
            self.session.ensure("plant as it is", [(base_of(self.study).name, r) for r in replications])

    def ensure(self, stage: str, choices: Sequence[Choice], replications: Sequence[int]) -> None:
        """Run choices."""
        if self.session is not None:
            run_arms(self.session, stage, [self._arm(self.session, choice) for choice in choices], replications)

    def _arm(self, session: Session, choice: Choice) -> str:
        about = {"kind": "choice", "of": base_of(self.study).name, "values": list(choice)}
        return session.probe(self.goal.variant(choice), self.goal.arm(choice), about)

    def _values(self, choice: Choice, objective: int, replications: Sequence[int]) -> F8:
        return line_values(self.study, self.goal.arm(choice), self.goal.objectives[objective], replications)

    def _means(self, choice: Choice, replications: Sequence[int]) -> F8:
        return np.array([self._values(choice, n, replications).mean() for n in range(len(self.goal.objectives))])

    def _defined(self, finalists: list[int], tried: Sequence[Choice], first: int) -> list[int]:
        """Those finalists whose first objective is a number in every replication."""
        wanted = range(first, first + self.goal.decision.first)
        left = [n for n in finalists if np.isfinite(self._values(tried[n], 0, wanted)).all()]
        if not left:
            msg = f"{self.goal.objectives[0]} is not defined for any choice: no good part came out in some windows"
            raise StudyError(msg)
        return left

    def delta(self, first: int) -> float:
        """The indifference zone, in the first objective's unit."""
        decision = self.goal.decision
        if not decision.relative:
            return decision.indifference
        name, objective = base_of(self.study).name, self.goal.objectives[0]
        now = abs(float(line_values(self.study, name, objective, range(first, first + decision.first)).mean()))
        if not (np.isfinite(now) and now > 0):
            msg = (
                f"{objective} of the plant as it is is {now:g}, of which a share says nothing.\n"
                "  Write indifference as a number in its unit."
            )
            raise StudyError(msg)
        return decision.indifference * now


def _chosen(means: F8 | None, n: int, goal: Goal) -> tuple[list[int], list[int]]:
    """Finalists and candidates of the front, by the search's means (n, n_objectives); None: all of them are both."""
    if means is None:
        return list(range(n)), list(range(n))
    score = np.where(np.isfinite(means[:, 0]), goal.better[0] * means[:, 0], -np.inf)
    finalists = np.argsort(-score, kind="stable")[: goal.decision.finalists].tolist()
    ahead = [i for i, is_on in enumerate(ranking.on_front(means, goal.better)) if is_on]
    return finalists, list(dict.fromkeys((*finalists, *ahead)))


# ---- what it says


def saved(study: Study) -> dict[str, Any]:
    """The answer of a finished optimisation's study. Raises StudyError when it is not finished."""
    goal = goals.goal_of(study.header, variant_of(base_of(study)))
    try:
        kept = [each.probe["values"] for each in study.arms.values() if each.probe and each.probe["kind"] == "choice"]
        every = goal.space.every(goal.candidates)
        maker = _Maker(study, goal)
        found = maker.found(every) if every else maker.decided(tuple(map(tuple, kept)), complete=False)
        return answer(study, goal, found)
    except KeyError:
        raise StudyError(UNFINISHED) from None


def answer(study: Study, goal: Goal, found: Found) -> dict[str, Any]:
    """Everything that `--json` writes (docs/sweeps.md)."""
    base, decision = base_of(study), goal.decision
    teller = _Teller(study, goal, base.name)
    common = range(found.first, found.first + decision.first)
    final = range(found.first, found.first + found.selection.replications)
    best = found.tried[found.finalists[found.selection.best]]
    maker = _Maker(study, goal)
    return {
        "title": goal.title,
        "question": goal.question,
        "base": base.name,
        "currency": base.currency,
        "objectives": {kpi: about_kpi(kpi, base.currency) for kpi in goal.objectives},
        "variables": [asdict(each) for each in goal.space.variables],
        "limits": [asdict(each) | {"members": list(each.members)} for each in goal.space.limits],
        "budget": goal.space.budget,
        "tried": len(found.tried),
        "complete": found.complete,
        "before": teller.responses(base.name, common),
        "front_replications": len(common),
        "selected": teller.choice(best, final),
        "guarantee": {
            "procedure": ranking.PROCEDURE,
            "decided": found.selection.decided,
            "confidence": decision.confidence,
            "indifference": maker.delta(found.first),
            "finalists": len(found.finalists),
            "left": [teller.values(found.tried[found.finalists[n]]) for n in found.selection.left],
            "replications": found.selection.replications,
        },
        "front": teller.front([found.tried[n] for n in found.front], common, best),
        "study": about_study(study),
    }


@dataclass(frozen=True, slots=True)
class _Teller:
    """Choices as an answer has them."""

    study: Study
    goal: Goal
    base: str

    def values(self, choice: Choice) -> dict[str, int]:
        """The variables by address."""
        return {v.address: value for v, value in zip(self.goal.space.variables, choice, strict=True)}

    def responses(self, arm: str, replications: Sequence[int]) -> dict[str, dict[str, float | None]]:
        """Every objective of an arm with its interval."""
        return {kpi: as_dict(mean_estimate(self.of(arm, kpi, replications))) for kpi in self.goal.objectives}

    def of(self, arm: str, kpi: str, replications: Sequence[int]) -> F8:
        """An objective by replication."""
        return line_values(self.study, arm, kpi, replications)

    def choice(self, choice: Choice, replications: Sequence[int]) -> dict[str, Any]:
        """A choice, what it costs, what comes of it, and by how much that differs from the plant as it is."""
        arm = self.goal.arm(choice)
        return {
            "values": self.values(choice),
            "cost": self.goal.space.cost(choice),
            "responses": self.responses(arm, replications),
            "change_pct": {
                kpi: change(self.of(self.base, kpi, replications), self.of(arm, kpi, replications))
                for kpi in self.goal.objectives
            },
        }

    def front(self, choices: Sequence[Choice], replications: Sequence[int], best: Choice) -> list[dict[str, Any]]:
        """The choices that no other beats in every objective, and the selected one; the best in the first one first.

        `share_on_front`: in how many of 500 resamples of the replications, drawn for all choices alike.
        """
        y = np.array(
            [[self.of(self.goal.arm(choice), kpi, replications) for kpi in self.goal.objectives] for choice in choices]
        )  # (n, n_objectives, n_replications)
        better = self.goal.better
        on = ranking.on_front(y.mean(axis=2), better)
        drawn = weights(self.study.header["seed"], "front", len(replications), RESAMPLES) / len(replications)
        often = np.mean([ranking.on_front(y @ each, better) for each in drawn], axis=0)
        shown = [n for n, is_on in enumerate(on) if is_on or choices[n] == best]
        ranked = sorted(shown, key=lambda n: -better[0] * float(y[n, 0].mean()))
        return [
            self.choice(choices[n], replications) | {"share_on_front": float(often[n]), "selected": choices[n] == best}
            for n in ranked
        ]
