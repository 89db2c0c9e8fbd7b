"""`factory-sim optimise`: the best choice within limits and a budget, selected with a guarantee, and the Pareto front.

Three steps, each on common random numbers. *Search*: all allowed choices, or those that Optuna suggests, `screening`
replications each. *Selection*: among the finalists, on replications that the search did not use, so that luck in the
search has no effect (`ranking`). *Front*: the choices that no other dominates, on the first replications of the
selection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.results import optimise as results
from factory_sim.results.optimise import Guarantee, OptimisationResult
from factory_sim.study import file_study
from factory_sim.study.arms import PlantCache, variant_of
from factory_sim.study.compare.comparison import summary
from factory_sim.study.compare.pairing import UNFINISHED, base_of, line_values
from factory_sim.study.optimise import goals, ranking, search
from factory_sim.study.optimise.ranking import Rule, Selection
from factory_sim.study.runner import FinishedStudy
from factory_sim.study.store import StudyError
from factory_sim.study.sweep.sensitivity import weights
from factory_sim.study_records import Probe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from factory_sim.records import F8
    from factory_sim.study.arms import Variant
    from factory_sim.study.file_study import Execution
    from factory_sim.study.optimise.allocation import Choice
    from factory_sim.study.optimise.goals import Goal
    from factory_sim.study.runner import Progress, Session
    from factory_sim.study_records import Study

RESAMPLES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """The tried choices and the outcome of the selection among them."""

    tried: Sequence[Choice]
    complete: bool  # all allowed choices were tried
    first: int  # number of the selection's first replication
    finalists: Sequence[Choice]
    front: Sequence[Choice]  # choices that were compared in all objectives
    selection: Selection  # numbers of finalists
    indifference: float  # in the unit of the first objective


def run_optimisation(
    path: str | Path, execution: Execution, progress: Progress, plant: Variant | None = None
) -> FinishedStudy[OptimisationResult]:
    """Run or resume the optimisation that a file describes; `plant` replaces the one that it names.

    Raise ConfigError, StudyError or TrialError.
    """
    file, goal = goals.read_goal(path, PlantCache(), plant)
    every = goal.space.every(goal.candidates)
    if every is None:
        search.import_optuna()  # refused before the first run
    with file_study.session_of(
        file, goal.base, execution, progress, pilots=goal.corners(), design=goal.design(), words=goals.words(file, goal)
    ) as session:
        optimiser = _Optimiser(session.study, goal, session)
        result = optimiser.result(optimiser.decide(every))
        return FinishedStudy(study=session.study, file=session.store.path, result=result)


def optimisation_result(study: Study) -> OptimisationResult:
    """Return the result of a finished optimisation. Raise StudyError when it is not finished."""
    goal = goals.goal_from_header(study.header.more, variant_of(base_of(study)))
    optimiser = _Optimiser(study, goal)
    try:
        every = goal.space.every(goal.candidates)
        if every is None:
            probes = [each.probe for each in study.arms.values() if each.probe]
            tried = [probe.values for probe in probes if probe.kind == "choice" and probe.values is not None]
            return optimiser.result(optimiser.select(tried, complete=False))
        return optimiser.result(optimiser.decide(every))
    except KeyError:
        raise StudyError(UNFINISHED) from None


@dataclass(slots=True)
class _Optimiser:
    """The three steps; without a session they use the stored trials and raise KeyError where one is missing."""

    study: Study
    goal: Goal
    session: Session | None = None

    def decide(self, every: list[Choice] | None) -> _Decided:
        """Return the selection among all allowed choices, or among those that the search finds."""
        if every is not None:
            return self.select(every, complete=True)
        goal, seed = self.goal, self.study.header.seed
        return self.select(search.search(goal.space, goal.better, goal.candidates, seed, self._screen), complete=False)

    def _screen(self, choices: Sequence[Choice]) -> list[list[float]]:
        """Return the mean objectives of choices over the replications of the search."""
        replications = range(self.goal.screening)
        self._run("search", choices, replications)
        return [self._objectives(choice, replications).mean(axis=1).tolist() for choice in choices]

    def select(self, tried: Sequence[Choice], *, complete: bool) -> _Decided:
        """Return the selection among the best of the tried choices."""
        goal, decision = self.goal, self.goal.decision
        first = 0 if complete else goal.screening
        finalists, front = [*tried], [*tried]
        if not complete:
            y = np.array([self._objectives(choice, range(first)).mean(axis=1) for choice in tried])
            score = np.where(np.isfinite(y[:, 0]), goal.better[0] * y[:, 0], -np.inf)
            finalists = [tried[n] for n in np.argsort(-score, kind="stable")[: decision.finalists]]
            on_front = [tried[n] for n, is_on in enumerate(ranking.on_front(y, goal.better)) if is_on]
            front = list(dict.fromkeys((*finalists, *on_front)))
        replications = range(first, first + decision.first)
        self._run("selection", front, replications, base=True)
        finalists = [each for each in finalists if np.isfinite(self._objectives(each, replications)[0]).all()]
        if not finalists:
            msg = f"{goal.objectives[0]} is not defined for any choice: some windows have no good part."
            raise StudyError(msg)
        delta = self._indifference(replications)

        def observe(systems: Sequence[int], n: int) -> F8:
            wanted, choices = range(first, first + n), [finalists[i] for i in systems]
            self._run("selection", choices, wanted, base=True)
            values = goal.better[0] * np.array([self._objectives(choice, wanted)[0] for choice in choices])
            return np.where(np.isfinite(values), values, -np.inf)  # a window without a good part

        rule = Rule(decision.confidence, delta, decision.first, decision.most)
        return _Decided(
            tried=tried,
            complete=complete,
            first=first,
            finalists=finalists,
            front=front,
            selection=ranking.select(len(finalists), rule, observe),
            indifference=delta,
        )

    def _run(self, stage: str, choices: Sequence[Choice], replications: Sequence[int], *, base: bool = False) -> None:
        """Run choices, and on request the plant as it is."""
        if self.session is None:
            return
        if base:
            file_study.run_base(self.session, replications)
        of, arms = base_of(self.study).name, []
        for choice in choices:
            about = Probe(kind="choice", of=of, values=tuple(choice))
            arms.append(self.session.add_probe(self.goal.variant(choice), self._arm(choice), about))
        file_study.run_arms(self.session, stage, arms, replications)

    def _arm(self, choice: Choice) -> str:
        return self.goal.variant(choice).name

    def _objectives(self, choice: Choice, replications: Sequence[int]) -> F8:
        """Return the objectives of a choice, shape (n_objectives, n_replications)."""
        arm = self._arm(choice)
        return np.array([line_values(self.study, arm, kpi, replications) for kpi in self.goal.objectives])

    def _indifference(self, replications: Sequence[int]) -> float:
        """Return the indifference zone in the unit of the first objective."""
        decision = self.goal.decision
        if not decision.relative:
            return decision.indifference
        objective = self.goal.objectives[0]
        now = abs(float(line_values(self.study, base_of(self.study).name, objective, replications).mean()))
        if not (np.isfinite(now) and now > 0):
            msg = (
                f"{objective} of the plant as it is is {now:g}, so indifference cannot be a share of it.\n"
                "  Write indifference as a number in its unit."
            )
            raise StudyError(msg)
        return decision.indifference * now

    def result(self, decided: _Decided) -> OptimisationResult:
        """Return the result of the three steps."""
        study, goal, base, selection = self.study, self.goal, base_of(self.study), decided.selection
        common = range(decided.first, decided.first + goal.decision.first)
        best = decided.finalists[selection.best]
        more: Any = study.header.more
        return OptimisationResult(
            title=more["title"],
            question=more["question"],
            base=base.name,
            currency=base.currency,
            objectives=file_study.responses(goal.objectives, base.currency),
            variables=goal.space.variables,
            limits=goal.space.limits,
            budget=goal.space.budget,
            tried=len(decided.tried),
            complete=decided.complete,
            before=file_study.means(file_study.line_kpis(study, base.name, goal.objectives, common)),
            front_replications=len(common),
            selected=self._choice(best, range(decided.first, decided.first + selection.replications)),
            guarantee=Guarantee(
                procedure=ranking.PROCEDURE,
                decided=selection.decided,
                confidence=goal.decision.confidence,
                indifference=decided.indifference,
                finalists=len(decided.finalists),
                left=tuple(self._values(decided.finalists[n]) for n in selection.left),
                replications=selection.replications,
            ),
            front=tuple(self._front(decided.front, common, best)),
            study=summary(study),
        )

    def _values(self, choice: Choice) -> dict[str, int]:
        return {v.address: value for v, value in zip(self.goal.space.variables, choice, strict=True)}

    def _choice(
        self, choice: Choice, replications: Sequence[int], share: float | None = None, *, selected: bool = True
    ) -> results.Choice:
        """Return a choice with its outcome."""
        names = (base_of(self.study).name, self._arm(choice))
        before, after = (file_study.line_kpis(self.study, name, self.goal.objectives, replications) for name in names)
        return results.Choice(
            values=self._values(choice),
            cost=self.goal.space.cost(choice),
            responses=file_study.means(after),
            change_pct=file_study.changes(before, after),
            share_on_front=share,
            selected=selected,
        )

    def _front(self, choices: Sequence[Choice], replications: Sequence[int], best: Choice) -> list[results.Choice]:
        """Return the choices that no other dominates, and the selected one; the best first objective first.

        The share on the front is that of 500 resamples of the replications, which all choices share.
        """
        y = np.array([self._objectives(choice, replications) for choice in choices])
        better = self.goal.better  # y (n_choices, n_objectives, n_replications)
        on = ranking.on_front(y.mean(axis=2), better)
        drawn = weights(self.study.header.seed, "front", len(replications), RESAMPLES) / len(replications)
        shares = np.mean([ranking.on_front(y @ each, better) for each in drawn], axis=0)
        shown = [n for n, is_on in enumerate(on) if is_on or choices[n] == best]
        ranked = sorted(shown, key=lambda n: -better[0] * float(y[n, 0].mean()))
        return [self._choice(choices[n], replications, float(shares[n]), selected=choices[n] == best) for n in ranked]
