"""What was recorded before the work comes out the same: logs, feeds, studies, and the keys of --json files."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from recorded_calls import (
    BENCHMARKS,
    RECORDED,
    VERSION,
    counters_of,
    feed_of,
    fork_of,
    main,
    read_study,
    run_of,
    with_keys_of_today,
)
from recorded_checks import differences, key_structure, lacking, messages_record, readable, result, stored

if TYPE_CHECKING:
    from factory_sim.records import Message

TOLERANCE = 1e-9  # of the numbers in answers: SciPy and BLAS may change the last digits; logs and trials must be equal


def recorded(name: str) -> Any:
    return json.loads((RECORDED / name).read_text(encoding="utf-8"))


RUNS, FORKS = recorded("logs.json")["runs"], recorded("logs.json")["forks"]
FEEDS = recorded("feeds.json")
STUDIES = recorded("studies.json")
KEYS = recorded("json_keys.json")
WHY = {"less", "relief", "relieved"}  # kinds of probes
RECORD = ("rows", "columns", "truth")
STUDY_COMMANDS = [(study, answer) for study, answers in STUDIES.items() for answer in answers]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a copy of the recorded files: commands name them relative to it."""
    copy = shutil.copytree(RECORDED, tmp_path / "recorded")
    monkeypatch.chdir(copy)
    return copy


def run(*words: str, code: int = 0) -> None:
    assert main(list(words)) == code


def answer_of(*words: str, code: int = 0) -> Any:
    run(*words, "--json", "found.json", code=code)
    return json.loads(Path("found.json").read_text(encoding="utf-8"))


def assert_same(record: Any, found: Any, **options: Any) -> None:
    different = list(differences(record, found, **options))
    assert not different, "\n".join([f"{len(different)} differences:", *different[:20]])


def assert_same_answer(answer: str, found: Any, *, changing: tuple[str, ...] = ()) -> None:
    """Check keys and values of a --json file against the recorded one. changing : rows' keys that differ every time."""
    record = recorded(f"answers/{answer}.json")
    for row in (*record.get("rows", ()), *found.get("rows", ())):
        row.update(dict.fromkeys(changing))
    for each in KEYS.values():
        if each["answer"] == answer:
            assert list(lacking(each["keys"], key_structure(found, each["wildcards"]))) == []
    assert_same(record, found, tolerance=TOLERANCE, may_have_more=True)


@pytest.mark.parametrize(
    ("name", "engine"), [(name, engine) for name, case in RUNS.items() for engine in case["engines"]]
)
def test_every_column_of_a_log_is_the_recorded_one(name: str, engine: str) -> None:
    assert_same({key: RUNS[name][key] for key in RECORD}, run_of(RUNS[name], engine))


@pytest.mark.parametrize("name", [name for name, case in RUNS.items() if "calendar" in case["engines"]])
def test_counting_without_a_log_gives_the_recorded_counters(name: str) -> None:
    assert_same(RUNS[name]["truth"], counters_of(RUNS[name]))


@pytest.mark.parametrize("name", FORKS)
def test_a_fork_continues_as_recorded(name: str) -> None:
    assert_same({key: FORKS[name][key] for key in RECORD}, fork_of(FORKS[name]))


@pytest.mark.parametrize("engine", ["calendar", "simpy"])
def test_the_command_line_writes_the_recorded_csv_log(engine: str, folder: Path) -> None:
    words = ("run", "plants/three_machines.yaml", "--duration", "20 min", "--seed", "1", "--engine", engine)
    run(*words, "--warm-up", "0 s", "--log", "found.csv")
    assert (folder / "found.csv").read_bytes() == (RECORDED / "three_machines_log.csv").read_bytes()


@pytest.mark.parametrize(
    ("name", "payload_format"), [(name, key) for name, formats in FEEDS.items() for key in formats if key != "settings"]
)
def test_every_message_of_a_feed_is_the_recorded_one(name: str, payload_format: str) -> None:
    messages = feed_of(FEEDS[name]["settings"], payload_format)
    messages["kpis"] = [without_notes(message) for message in messages["kpis"]]
    assert_same(FEEDS[name][payload_format], {origin: messages_record(some) for origin, some in messages.items()})


def without_notes(message: Message) -> Message:
    """Return a message of KPIs as 0.1.0 sent it: without reasons, marks and bounds."""
    content = orjson.loads(message.payload)
    for kpi in content["kpis"].values():
        for key in ("reason", "mark", "low", "high"):
            kpi.pop(key, None)
    return replace(message, payload=orjson.dumps(content))


def test_a_feed_begins_with_the_recorded_lines() -> None:
    feed = feed_of(FEEDS["three machines"]["settings"], "machine")["feed"]
    lines = (RECORDED / "three_machines_feed.txt").read_text(encoding="utf-8").splitlines()
    assert readable(feed[: len(lines)]).splitlines() == lines


@pytest.mark.parametrize("study", STUDIES)
def test_a_stored_study_is_read_value_by_value(study: str) -> None:
    path = RECORDED / f"{study}.study.jsonl"
    record, found = with_keys_of_today(stored(path)), read_study(path)
    for name, trial in record["trials"].items():
        if "strip" in trial:
            trial["strip"] = trial["strip"]["codes"]
        found["trials"][name] = {
            key: found["trials"][name].get(key) for key in trial
        }  # the others are empty in the file
    assert_same_study(record, found)


@pytest.mark.parametrize(("study", "answer"), STUDY_COMMANDS)
def test_a_stored_study_gives_the_recorded_answer(study: str, answer: str, folder: Path) -> None:
    path = folder / f"{study}.study.jsonl"
    before = path.read_bytes()
    if not answer.startswith("why"):  # which measures more than version 0.1 did, and only reads other versions' studies
        before = before.replace(b'"program": "0.1.0"', b'"program": "%s"' % VERSION.encode(), 1)
        path.write_bytes(before)  # a study of another version is readable, but must not be extended
    assert_same_answer(answer, answer_of(*STUDIES[study][answer]))
    assert path.read_bytes() == before, "a finished study has been added to"


@pytest.mark.parametrize("study", STUDIES)
def test_the_same_commands_make_the_recorded_study_again(study: str, folder: Path) -> None:
    path = folder / f"{study}.study.jsonl"
    path.unlink()
    for words in STUDIES[study].values():
        if words[0] != "validate":
            run(*words)
    record, found = (result(each) for each in (with_keys_of_today(stored(RECORDED / path.name)), stored(path)))
    assert_same_study(without_why(record), without_why(found))


def without_why(study: Any) -> Any:
    """Leave out the probes of `why`, which measures other changes than version 0.1 did."""
    arms = {name: arm for name, arm in study["arms"].items() if not WHY & {(arm["probe"] or {}).get("kind")}}
    trials = {name: trial for name, trial in study["trials"].items() if trial["arm"] in arms}
    return {**study, "arms": arms, "trials": trials}


def assert_same_study(record: Any, found: Any) -> None:
    """Check all values to the last bit; records may have keys more, but the study no arm or trial more."""
    assert record["arms"].keys() == found["arms"].keys()
    assert record["trials"].keys() == found["trials"].keys()
    assert_same(record, found, may_have_more=True)


@pytest.mark.usefixtures("folder")
def test_exact_has_the_recorded_keys_and_values() -> None:
    found = answer_of("validate", "exact", "exact_rows.json", "--workers", "1", "--engine", "calendar")
    assert_same_answer("exact", found, changing=("seconds",))


@pytest.mark.usefixtures("folder")
def test_the_demo_has_the_recorded_keys_and_values() -> None:
    assert_same_answer("demo", answer_of("demo", "--quick"))


@pytest.mark.usefixtures("folder")
def test_the_calibration_has_the_recorded_keys_and_values() -> None:
    two_pairs = ("--replications", "2")  # too few to find the published gain, so the exit code is 1
    assert_same_answer("bench_calibration", answer_of("validate", "calibration", *two_pairs, code=1))


def test_the_bench_has_the_recorded_rows() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in BENCHMARKS.glob("test_*.py"))
    measured = set(re.findall(r"^def test_(\w+)", code, re.MULTILINE))
    assert set(KEYS["bench"]["keys"]) <= measured


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_a_row_of_the_bench_has_the_recorded_keys() -> None:
    found = answer_of("bench", "--quick", "--only", "analyze_readings")
    [row] = found.keys() - {"format", "version"}
    assert list(lacking({row: KEYS["bench"]["keys"][row]}, key_structure(found))) == []


@pytest.mark.parametrize("file", sorted(path.name for path in RECORDED.rglob("*") if path.is_file()))
def test_no_recorded_file_names_a_folder_of_the_machine_that_recorded_it(file: str) -> None:
    [path] = RECORDED.rglob(file)
    assert not re.search(r"/(tmp|work|home|root)/", path.read_text(encoding="utf-8"))
