"""Making trials: results do not depend on workers; the warm-up that pilots find; precision on request; why."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace as Namespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from study_lines import Compared, N, arm, request_of, study, trial

from factory_sim import registry
from factory_sim.results.compare import GAIN, PATH_SHARE
from factory_sim.results.resource import Resource
from factory_sim.sim import engines
from factory_sim.study import warmup
from factory_sim.study.arms import Variant
from factory_sim.study.compare import why
from factory_sim.study.compare.compare_study import run_study, why_in
from factory_sim.study.pool import Pool
from factory_sim.study.runner import FIRST, Progress, Request, looks
from factory_sim.study.study_json import study_digest
from factory_sim.study.trial import Detail, Setting, run_trial
from factory_sim.views.frames import trial_frame

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from factory_sim.results.whatif import InterimResult

SETTING = Setting(seed=1, warm_up_s=900.0, duration_s=3600.0, bin_s=60.0)


@pytest.mark.slow
def test_two_workers_find_the_digits_of_one(folder: Path, finished: Compared, tmp_path: Path) -> None:
    request = request_of(folder, workers=2, file=tmp_path / "two.jsonl")
    assert study_digest(run_study(request, Progress(), 3600.0).study) == study_digest(finished.study)


class Hearing(Progress):
    """Progress that keeps its messages."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def message(self, text: str) -> None:
        self.said.append(text)


def test_two_pairs_that_agree_by_chance_are_not_enough() -> None:
    arms = [arm("base", "base"), arm("after")]
    alike = study(arms, [trial(name, r, 60.0) for name in ("base", "after") for r in range(9)])
    session = Namespace(study=alike, progress=Progress(), names=lambda *_: ["after"])
    request = Request(base=Variant("base"), until_pct=0.5, first=2)
    assert list(looks(session, request))[-1] == FIRST  # type: ignore[arg-type]


def test_a_study_says_which_engine_runs_it_and_why_and_keeps_it(
    folder: Path, finished: Compared, tmp_path: Path
) -> None:
    heard = Hearing()
    asked = run_study(request_of(folder, engine="simpy", file=tmp_path / "simpy.jsonl"), heard, budget_s=3600.0)
    assert heard.said[0] == "Engine simpy: asked for."
    assert asked.study.header.more["engine"] == [{"engine": "simpy", "reason": "asked for"}]
    assert study_digest(asked.study) == study_digest(finished.study)


def test_a_study_compiles_the_engine_before_its_first_trial_and_reports_that(
    folder: Path, finished: Compared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_marker", lambda name: tmp_path / name)
    monkeypatch.setattr(engines, "compile_now", (tmp_path / "ready").touch)
    heard = Hearing()
    cold = run_study(request_of(folder, engine="auto", file=tmp_path / "cold.jsonl"), heard, budget_s=3600.0)
    assert heard.said[0] == "Compiling the simulation engine (once, about a minute) ..."
    assert heard.said[1].startswith("Engine calendar: compiled")
    assert sum(said.startswith("Compiling") for said in heard.said) == 1
    assert study_digest(cold.study) == study_digest(finished.study)


def test_a_study_waits_for_another_process_that_compiles_the_engine(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_marker", lambda name: tmp_path / name)
    monkeypatch.setattr(engines, "compile_now", lambda: pytest.fail("another process compiles the engine"))
    (tmp_path / "compiling").touch()

    class Waiting(Hearing):
        def message(self, text: str) -> None:
            super().message(text)
            if text.startswith("Compiling"):
                (tmp_path / "ready").touch()

    heard = Waiting()
    run_study(request_of(folder, engine="auto", file=tmp_path / "cold.jsonl"), heard, attribution=False)
    assert [said.split(":")[0] for said in heard.said[1:2]] == ["Engine calendar"]


def test_a_trial_counts_the_parts_that_its_course_shows(folder: Path) -> None:
    found = run_trial(registry.load(folder / "line.yaml"), SETTING, 0, Detail.FULL, "simpy")
    assert len(found.out) == len(found.wip) == 75
    assert sum(found.out[15:]) == found.line["good_parts"]
    assert np.mean(found.wip[15:]) == pytest.approx(found.line["wip"], rel=0.1)
    assert sum(shares[0] for shares in found.state_share.values()) == pytest.approx(1)


def test_a_trial_without_parts_has_no_numbers_instead_of_wrong_ones(folder: Path) -> None:
    short = replace(SETTING, warm_up_s=0.0, duration_s=30.0)
    found = run_trial(registry.load(folder / "line.yaml"), short, 0, Detail.PROBE, "simpy")
    assert found.line["good_parts"] == 0
    assert np.isnan(found.line["cost_per_part"])
    assert found.operation.keys() == {"critical_path_share"}


def test_more_precision_takes_more_pairs_and_ends(folder: Path, tmp_path: Path) -> None:
    reached: list[int] = []

    class Looking(Progress):
        def interim(self, results: Sequence[InterimResult]) -> None:
            reached.append(results[0].line_rate.n)

    request = request_of(folder, until_pct=3.0, first=2, replications=12, file=tmp_path / "until.jsonl")
    answer = run_study(request, Looking(), attribution=False).result.to_dict()
    rate = answer["change"]["line_rate_pct"]
    assert reached[0] == 2
    assert reached == sorted(set(reached))
    assert (rate["high"] - rate["low"]) / 2 <= 3.0 or reached[-1] == 12
    assert answer["replications"] == reached[-1]


def test_a_line_that_makes_nothing_is_not_refined_for_ever(folder: Path, tmp_path: Path) -> None:
    request = request_of(folder, until_pct=1.0, first=2, replications=5, duration_s=20.0, warm_up_s=0.0)
    answer = run_study(
        replace(request, file=tmp_path / "nothing.jsonl"), Progress(), attribution=False
    ).result.to_dict()
    assert answer["replications"] == 5
    assert answer["change"]["line_rate_pct"] is None


def test_the_pilots_drop_at_least_the_filling(folder: Path, tmp_path: Path) -> None:
    request = request_of(folder, warm_up_s=None, replications=2, file=tmp_path / "auto.jsonl")
    head = run_study(request, Progress(), attribution=False).study.header
    assert head.warm_up.by == "pilot"
    assert head.warm_up_s == max(head.warm_up.mser5_s or 0, head.warm_up.fill_s or 0) > 0


def test_output_that_settles_is_cut_where_it_does_and_a_break_is_no_settling() -> None:
    rng = np.random.default_rng(3)
    out = rng.poisson(60.0, (4, 144)).astype(np.float64)
    out[:, :30] *= np.linspace(0.0, 0.7, 30)
    assert 20 <= warmup.settling_bin(out, np.ones(144, bool)) <= 40
    open_ = np.ones(144, bool)
    open_[60:66] = False
    out[:, 60:66] = 0
    assert 20 <= warmup.settling_bin(out, open_) <= 40


def test_output_that_never_settles_is_said_so() -> None:
    assert warmup.settling_bin(np.tile(np.arange(144.0), (4, 1)), np.ones(144, bool)) == -1


def test_the_filling_ends_when_the_work_in_progress_has_come_up() -> None:
    assert warmup.filling_bin(np.minimum(np.arange(1.0, 101.0), 40.0)) == 40


def test_why_names_the_constraint_its_worth_and_the_next_one(finished: Compared, tmp_path: Path) -> None:
    file = tmp_path / "study.jsonl"  # why adds to it
    file.write_bytes(finished.file.read_bytes())
    with Pool(1, "simpy") as pool:
        found = why_in(file, pool, Progress(), top=2)
    first = found.operations[0]
    assert found.constraint == Resource(kind="operation", name="WASH")
    assert found.by == GAIN
    assert first.operation == "WASH"
    assert first.one_second_less is not None
    assert first.one_second_less.mean > 2
    assert first.ranks["critical_path_share"] == 1
    assert first.critical_path_share.mean > 0.5
    assert found.next is not None
    assert found.next.operation == "CUT"
    assert found.next.parts_per_shift.mean > first.one_second_less.mean
    assert found.replications == N


def test_a_detector_that_points_at_no_operation_ranks_none() -> None:
    shares = [(0.2, 0.8), (0.4, 0.6)]
    silent = {name: (0.0, 0.0) for name in why.DETECTORS if name != "critical_path_share"}
    trials = [trial("base", r, 100.0, share, operation=silent) for r, share in enumerate(shares)]
    found = why.why(study([arm("base", "base")], trials), "base")
    assert found.constraint == Resource(kind="operation", name="B")
    assert found.by == PATH_SHARE
    assert found.first_by == {"critical_path_share": "B"}
    assert found.operations[0].ranks["arrow"] is None
    assert found.next is None


def test_a_line_without_output_has_no_constraint() -> None:
    none = trial("base", 0, 0.0, (float("nan"), float("nan")))
    found = why.why(study([arm("base", "base")], [none]), "base")
    assert found.constraint is None
    assert found.reason == why.NO_PARTS


def test_a_frame_has_a_row_a_trial(finished: Compared) -> None:
    frame = trial_frame(finished.study)
    assert len(frame) == len(finished.study.trials)
    assert list(frame.columns[:3]) == ["arm", "role", "replication"]
    assert (frame[frame.role == "base"].good_parts > 0).all()
