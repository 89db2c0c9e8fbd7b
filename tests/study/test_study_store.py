"""The study file: read back as written, cut anywhere and resumed, never written over, clear about what it is not."""

from __future__ import annotations

import json
import resource
import shlex
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pytest
from study_lines import LINE, Compared, N, request_of

from factory_sim.cli import main
from factory_sim.errors import TrialError
from factory_sim.study import store
from factory_sim.study.append_log import AppendLog, LockedError
from factory_sim.study.arms import Variant
from factory_sim.study.compare.compare_study import replay_study, run_study, why_in
from factory_sim.study.pool import Pool
from factory_sim.study.runner import Progress, start_session
from factory_sim.study.store import StudyError
from factory_sim.study.study_json import study_digest
from factory_sim.validation.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection


class Counting(Progress):
    """Counts the trials that really ran."""

    def __init__(self) -> None:
        self.before, self.ran = 0, 0

    def stage(self, name: str, total: int) -> None:  # noqa: ARG002 - required by the interface
        self.before = -1

    def advance(self, done: int) -> None:
        self.ran += max(0, done - self.before) if self.before >= 0 else 0
        self.before = done


def test_what_is_read_is_what_was_written(finished: Compared) -> None:
    again = store.load(finished.file)
    assert study_digest(again) == study_digest(finished.study)
    assert again.arms == finished.study.arms
    assert set(again.trials) == set(finished.study.trials)


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.55, 0.97])
def test_a_study_cut_anywhere_goes_on_and_ends_with_the_same_digest(
    cut: float, folder: Path, finished: Compared, tmp_path: Path
) -> None:
    content = finished.file.read_bytes()
    torn = tmp_path / "torn.jsonl"
    torn.write_bytes(content[: int(len(content) * cut)])
    progress = Counting()
    again = run_study(request_of(folder, file=torn), progress, budget_s=3600.0)
    assert study_digest(again.study) == study_digest(finished.study)
    assert 0 < progress.ran < len(finished.study.trials)


@pytest.mark.usefixtures("finished")
def test_a_finished_study_is_not_simulated_again(folder: Path) -> None:
    progress = Counting()
    run_study(request_of(folder), progress, budget_s=3600.0)
    assert progress.ran == 0


def test_more_replications_are_added_to_those_that_are_there(folder: Path, finished: Compared, tmp_path: Path) -> None:
    file = tmp_path / "more.jsonl"
    file.write_bytes(finished.file.read_bytes())
    progress = Counting()
    more = run_study(request_of(folder, file=file, replications=N + 1), progress, attribution=False)
    assert progress.ran == 2
    assert more.result.to_dict()["replications"] == N + 1


def test_replay_makes_the_same_digits(finished: Compared) -> None:
    found = replay_study(finished.file, Pool(1), Progress())
    assert found.same
    assert found.differing == ()
    assert found.replayed == found.digest == study_digest(finished.study)


def test_replay_names_what_differs(finished: Compared, tmp_path: Path) -> None:
    lines = finished.file.read_text(encoding="utf-8").splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith('{"trial"'))
    entry = json.loads(lines[at])
    entry["trial"]["line"]["good_parts"] += 1
    forged = tmp_path / "forged.jsonl"
    forged.write_text("\n".join([*lines[:at], json.dumps(entry), *lines[at + 1 :], ""]), encoding="utf-8")
    found = replay_study(forged, Pool(1), Progress())
    assert not found.same
    assert found.differing == ((entry["trial"]["arm"], entry["trial"]["replication"]),)


def _other_seed(head: dict[str, object]) -> None:
    head["seed"] = 2


def _other_program(head: dict[str, object]) -> None:
    head["program"] = "0.0.1"


def _other_format(head: dict[str, object]) -> None:
    head["study"] = 99


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_other_seed, "seed is 2, not 1"),
        (_other_program, "program is 0.0.1"),
        (_other_format, "format 99, written by version"),
    ],
)
def test_a_study_of_something_else_is_refused_and_left_as_it_is(
    change: Callable[[dict[str, object]], None], said: str, folder: Path, finished: Compared, tmp_path: Path
) -> None:
    first, rest = finished.file.read_text(encoding="utf-8").split("\n", 1)
    head = json.loads(first)
    change(head)
    file = tmp_path / "other.jsonl"
    file.write_text(json.dumps(head) + "\n" + rest, encoding="utf-8")
    before = file.read_bytes()
    with pytest.raises(StudyError, match=said):
        run_study(request_of(folder, file=file), Progress())
    assert file.read_bytes() == before


def test_a_study_of_another_version_is_read_but_nothing_is_added(finished: Compared, tmp_path: Path) -> None:
    first, rest = finished.file.read_text(encoding="utf-8").split("\n", 1)
    file = tmp_path / "old.jsonl"
    file.write_text(json.dumps({**json.loads(first), "program": "0.0.1"}) + "\n" + rest, encoding="utf-8")
    before = file.read_bytes()
    assert replay_study(file, Pool(1, "simpy"), Progress()).same
    assert why_in(file, Pool(1, "simpy"), Progress()).by == "path share"  # reliefs would have to be added
    assert file.read_bytes() == before


def test_a_disk_that_fills_up_keeps_whole_lines_and_the_same_command_goes_on(
    folder: Path, finished: Compared, tmp_path: Path
) -> None:
    request = request_of(folder, file=tmp_path / "full.jsonl")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(StudyError, match="cannot be written"):
            run_study(request, Progress())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "full.jsonl").read_bytes().endswith(b"}}\n")
    assert 0 < len(store.load(tmp_path / "full.jsonl").trials) < len(finished.study.trials)
    assert study_digest(run_study(request, Progress()).study) == study_digest(finished.study)


def test_a_place_that_cannot_hold_a_study_is_said_before_anything_runs(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="does not exist"):
        run_study(request_of(folder, file=tmp_path / "nowhere" / "s.jsonl"), Progress())
    with pytest.raises(StudyError, match="is not a regular file"):
        run_study(request_of(folder, file=tmp_path), Progress())


@pytest.mark.parametrize("content", [b"my notes\n", b"[1]\n", b"\xff\xfe\n", b'{"plant": 1}\n'])
def test_a_file_that_is_no_study_is_left_as_it_is(content: bytes, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(content)
    with pytest.raises(StudyError, match="not a study file"):
        run_study(request_of(folder, file=file), Progress())
    assert file.read_bytes() == content


def test_a_damaged_line_is_named(finished: Compared, tmp_path: Path) -> None:
    lines = finished.file.read_bytes().split(b"\n")
    lines[3] = lines[3][:50]
    file = tmp_path / "damaged.jsonl"
    file.write_bytes(b"\n".join(lines))
    with pytest.raises(StudyError, match=r"damaged\.jsonl:4: not a line of a study"):
        store.load(file)


def test_the_latest_words_win_and_are_kept(finished: Compared, tmp_path: Path) -> None:
    file = tmp_path / "words.jsonl"
    file.write_bytes(finished.file.read_bytes())
    with store.Store(file) as kept:
        for title in ("first", "first", "second"):
            kept.add_words({"title": title, "seed": kept.study.header.seed})
        assert kept.study.header.more["title"] == "second"
    added = file.read_bytes().removeprefix(finished.file.read_bytes())
    assert added == b'{"words": {"title": "first"}}\n{"words": {"title": "second"}}\n'
    assert store.load(file).header == replace(
        finished.study.header, more={**finished.study.header.more, "title": "second"}
    )


def _hold(file: Path, ready: Connection) -> None:
    with store.Store(file):
        ready.send("open")
        ready.recv()


def test_one_process_at_a_time_writes_and_nobody_else_cuts_what_it_is_writing(
    folder: Path, finished: Compared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "held.jsonl"
    file.write_bytes(finished.file.read_bytes())
    here, there = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_hold, args=(file, there))
    process.start()
    there.close()  # else a process that cannot start would be waited for without end
    assert here.recv()
    with file.open("ab") as line:
        line.write(b'{"trial": {"arm": "line", "repl')  # the writer is in the middle of it
    before = file.read_bytes()
    try:
        with pytest.raises(LockedError, match="is being written by another process"):
            run_study(request_of(folder, file=file), Progress())
        assert main(["why", str(file), "--workers", "1", "--engine", "simpy"]) == 2
        assert "is being written by another process" in capsys.readouterr().err
        assert study_digest(store.load(file)) == study_digest(finished.study)
        assert file.read_bytes() == before
    finally:
        process.kill()
        process.join()
    run_study(request_of(folder, file=file), Progress(), budget_s=3600.0)  # the killed one's lock is gone
    assert file.read_bytes() == finished.file.read_bytes()


def test_finished_pieces_too_are_written_by_one_process_at_a_time(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.jsonl", {"of": 1}) as ledger:
        ledger.add({"n": 1})
        with pytest.raises(LockedError, match="another process"):
            Ledger(tmp_path / "l.jsonl", {"of": 1})
    with Ledger(tmp_path / "l.jsonl", {"of": 1}) as ledger:
        assert ledger.pieces == [{"n": 1}]


@pytest.mark.parametrize("kept", ["header", "arms", "one trial"])
def test_of_an_unfinished_study_every_command_says_so(
    kept: str, finished: Compared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head, *lines = finished.file.read_text(encoding="utf-8").splitlines(keepends=True)
    arms = [line for line in lines if line.startswith('{"arm"')]
    trial = next(line for line in lines if line.startswith('{"trial"'))
    study = tmp_path / "s.study.jsonl"
    content = {"header": [head], "arms": [head, *arms], "one trial": [head, *arms, trial]}[kept]
    study.write_text("".join(content), encoding="utf-8")
    for command in ("report", "why", "validate study"):
        words = ["--workers", "1", "--engine", "simpy"] if command != "report" else []
        code = main([*command.split(), str(study), *words])
        if (command, kept) == ("validate study", "one trial"):
            assert code == 0
            continue
        assert code == 2
        assert "is not finished. Repeat the command that started it: it resumes." in capsys.readouterr().err
    assert study.read_text(encoding="utf-8") == "".join(content)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the full disk that Linux provides")
def test_a_changed_plant_file_is_not_mixed_with_its_past(folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "plants"
    moved.mkdir()
    for name in ("line.yaml", "better.yaml"):
        (moved / name).write_text((folder / name).read_text(encoding="utf-8"), encoding="utf-8")
    file = tmp_path / "study.jsonl"
    run_study(request_of(moved, file=file, replications=2), Progress(), attribution=False)
    (moved / "line.yaml").write_text(
        (moved / "line.yaml").read_text(encoding="utf-8").replace("45 s", "44 s"), encoding="utf-8"
    )
    before = file.read_bytes()
    with pytest.raises(StudyError, match="another plant under the name line"):
        run_study(request_of(moved, file=file), Progress())
    with pytest.raises(StudyError, match="has changed since"):
        replay_study(file, Pool(1), Progress())
    assert file.read_bytes() == before


def test_a_trial_that_fails_says_how_to_make_it_again(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks_itself = "buffer: 3, inspection: {rework: 90 %, rework_to: CUT}}"
    file = tmp_path / "its line.yaml"
    with_rework = blocks_itself.join(LINE.rsplit("buffer: 3}", 1))
    file.write_text(
        with_rework.replace("from: blanks,", "from: blanks, rework_places: 1, rework_first: no,"), encoding="utf-8"
    )
    stuck = request_of(folder, base=Variant(str(file)), scenarios=(), file=tmp_path / "s.jsonl")
    with pytest.raises(TrialError, match=r"line\.yaml' --seed 1 --replication 0 --warm-up 900.0s") as error:
        run_study(stuck, Progress())
    again = shlex.split(str(error.value).rpartition("Reproduce: factory-sim ")[2])
    assert main([*again[:-1], str(tmp_path / "trial.parquet"), "--engine", "simpy"]) == 1
    assert capsys.readouterr().err.partition("asked for.")[2].strip() in str(error.value)
    typed = replace(stuck, base=replace(stuck.base, overrides=("WASH.cycle_time=44 s",)), file=tmp_path / "t.jsonl")
    with pytest.raises(TrialError, match=r"Reproduce: .*the same command"):
        run_study(typed, Progress())


def test_a_study_that_was_killed_before_its_first_line_begins(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "empty.jsonl"
    file.touch()
    with Pool(1, "simpy") as pool, start_session(request_of(folder, file=file), pool, Progress()).store as kept:
        assert list(kept.study.arms) == ["line", "better"]


def test_who_makes_a_file_leaves_it_to_who_locks_it_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    file, lock, first = tmp_path / "f.jsonl", fcntl.flock, []

    def late(mine: BinaryIO, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        first.append(AppendLog(file, "theirs"))
        lock(mine, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(LockedError):
        AppendLog(file, "mine")
    first[0].add("more")
    first[0].close()
    assert file.read_text(encoding="utf-8") == "theirs\nmore\n"
