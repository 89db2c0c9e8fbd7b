"""The search for good choices: Optuna's NSGA-II, seeded, in generations that do not depend on the workers.

It requires the extra `[optimise]`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from factory_sim.errors import require_extra

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from factory_sim.study.optimise.allocation import Choice, Space

    Evaluate = Callable[[Sequence[Choice]], Sequence[Sequence[float]]]

_GENERATION = (8, 40)  # fewest and most choices
_PATIENCE = 4  # suggestions per candidate, after which most are repetitions


def search(space: Space, better: Sequence[int], n: int, seed: int, evaluate: Evaluate) -> list[Choice]:
    """Return about n allowed choices, in the order in which they were found.

    better: by objective, 1 or -1. evaluate: returns the objectives of new choices, NaN where one is not defined. Each
    suggestion is moved to the nearest allowed choice. Raise MissingExtraError without Optuna.
    """
    optuna = import_optuna()
    size = min(max(_GENERATION[0], n // 5), _GENERATION[1])
    directions = ["maximize" if each > 0 else "minimize" for each in better]
    sampler = optuna.samplers.NSGAIISampler(population_size=size, seed=seed)
    study = optuna.create_study(directions=directions, sampler=sampler)
    for start in ("low", "high", "owned"):
        study.enqueue_trial({v.address: min(max(getattr(v, start), v.low), v.high) for v in space.variables})
    known: dict[Choice, Sequence[float]] = {}
    for _ in range(math.ceil(_PATIENCE * n / size)):
        if len(known) >= n:
            break
        asked = [study.ask() for _ in range(size)]
        choices = [_allowed(space, trial) for trial in asked]
        new = [choice for choice in dict.fromkeys(choices) if choice not in known]
        known |= zip(new, evaluate(new), strict=True)
        for trial, choice in zip(asked, choices, strict=True):
            if all(map(math.isfinite, known[choice])):
                study.tell(trial, known[choice])
            else:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
    return list(known)


def import_optuna() -> Any:
    """Return the library. Raise MissingExtraError where it is not installed."""
    what = "There are more allowed choices than candidates (a larger number of them tries all): the search"
    require_extra("optimise", what)
    import optuna  # noqa: PLC0415 - an extra

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _allowed(space: Space, trial: Any) -> Choice:
    raw = [trial.suggest_int(v.address, v.low, v.high) for v in space.variables]
    choice = space.nearest(raw)
    assert choice is not None  # an empty space was refused before
    return choice
