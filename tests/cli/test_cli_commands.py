"""The command line as a person meets it: help with examples, clear refusals, exit codes, files written."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pandas as pd
import pytest
import typer

from factory_sim import registry, units
from factory_sim.cli import application, main, validate_commands
from factory_sim.wire.broker.embedded import Broker

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE = Path(__file__).parents[1] / "live" / "three.yaml"
COMMANDS = sorted(typer.main.get_command(application()).commands)  # type: ignore[attr-defined]
VISIBLE = [name for name in COMMANDS if name not in {"exact", "selftest"}]
PROGRAM = [sys.executable, "-m", "factory_sim"]


def run(*words: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([*PROGRAM, *words], stdout=subprocess.PIPE, text=True) as program:
        try:
            yield program
        finally:
            program.kill()  # a test that fails must not wait for it


@pytest.mark.parametrize("command", VISIBLE)
def test_every_help_has_an_example_that_names_its_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(command, "--help", capsys=capsys)
    assert code == 0
    assert f"Example: factory-sim {command}" in out


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run("--help", capsys=capsys)
    assert all(re.search(rf"\b{command}\b", out) for command in VISIBLE)
    assert "selftest" not in out


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom factory_sim.cli import main\nmain(['--help'])\n"
        "heavy = {'numpy', 'pandas', 'scipy', 'numba', 'simpy', 'pydantic', 'paho', 'yaml'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [["list"], ["check", "gearbox_line"]])
def test_check_and_list_load_no_compiler(words: list[str]) -> None:
    code = f"import sys\nsys.modules['numba'] = None\nfrom factory_sim.cli import main\nmain({words})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_check_sums_a_plant_up(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run("check", LINE, capsys=capsys)
    assert code == 0
    assert "3 operations, 3 machines" in out
    assert "WASH, 45 s" in out
    assert "hint:" not in out


def test_check_reports_values_that_are_seldom_intended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bare.yaml"
    file.write_text(
        "plant: p\nsources: {s: {interarrival: saturated}}\n"
        "sections: {a: {operations: {A: {cycle_time: 1 s, buffer: 0, from: s}}}}\n"
    )
    code, out, _ = run("check", file, capsys=capsys)
    assert code == 0
    assert "hint: No machine has a sensor" in out


SWEEP = "sweep: three.yaml\nfactors: {WASH.buffer: [3, 4]}\nreplications: 2\n"
OPTIMISE = "optimise: three.yaml\nvariables: {WASH.buffer: {low: 1, high: 6}}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SWEEP, "sweep of three.yaml, design grid: 2 points of 1 factor, 2 replications each"),
        (OPTIMISE, "optimisation of three.yaml: 1 variable, 6 allowed choices, at least 10 replications each"),
    ],
    ids=["sweep", "optimise"],
)
def test_check_sums_a_study_file_up(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "three.yaml").write_text(LINE.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert run("check", "study.yaml", capsys=capsys) == (0, f"study\n  {said}\n", "")


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        (SWEEP.replace("WASH", "WAHS") + "design: gird\nduration: 8\n", ["WASH", "grid", "duration"]),
        (OPTIMISE.replace("high: 6", "high: 0") + "confidence: 2\nfinalist: 3\n", ["high", "confidence", "finalists"]),
    ],
    ids=["sweep", "optimise"],
)
def test_check_reports_all_mistakes_of_a_study_file(
    text: str, mistakes: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "three.yaml").write_text(LINE.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    code, out, err = run("check", tmp_path / "study.yaml", capsys=capsys)
    assert (code, out) == (2, "")
    assert [each for each in mistakes if each not in err] == []


def test_a_mistake_in_a_file_is_told_with_its_place_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "line.yaml"
    file.write_text(LINE.read_text().replace("cycle_time", "cycle_tme", 1))
    code, out, err = run("check", file, capsys=capsys)
    assert code == 2
    assert out == ""
    assert re.search(r"line\.yaml:\d+:\d+: .*cycle_tme", err)
    assert "Did you mean cycle_time?" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "three_machines"], "no such file"),
        (["run", LINE, "--duration", "8 hours"], "not a unit of time"),
        (["run", LINE, "--duration", "8"], "has no unit"),
        (["run", LINE, "--speed", "-1"], "expected a number above 0"),
        (["run", LINE, "--format", "bulky"], "Did you mean bulk?"),
        (["run", LINE, "--log", "events.xlsx"], ".parquet"),
        (["run", LINE, "--speed", "60", "--start", "tomorrow"], "2026-05-04T06:00"),
        (["list", "sensor"], "Did you mean sensors?"),
        (["listen", "--format", "bulky"], "Did you mean bulk?"),
        (["listen", "--ack-as", "a/b"], "Did you mean a_b?"),
        (["listen", "--broker", "mqtt://127.0.0.1:1", "--ca", LINE], "--ca: mqtt://127.0.0.1:1: TLS files"),
        (["run", LINE, "--broker", "mqtt://127.0.0.1:1", "--key", LINE], "TLS files need mqtts://"),
        (["run", LINE, "--broker", "mqtt://127.0.0.1:1", "--bind", "127.0.0.1"], "--bind applies to our own broker"),
        (["run", LINE, "--journal", "j", "--ack", "consumer:a/b"], "Did you mean a_b?"),
        (["new", "my line"], "letters, digits"),
        (["validate", "calibration", "--replications", "1"], "2"),
        (["dmeo"], "dmeo"),
    ],
)
def test_wrong_input_ends_with_code_2_and_a_sentence(
    words: list[object], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    code, _, err = run(*words, capsys=capsys)
    assert code == 2
    assert said in err


def test_files_of_tls_from_the_environment_need_mqtts_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACTORY_SIM_MQTT_CA", str(LINE))
    code, _, err = run("listen", capsys=capsys)
    assert code == 2
    assert "--ca: mqtt://127.0.0.1:1883: TLS files need mqtts://" in err


@pytest.mark.parametrize("command", [["listen"], ["run", LINE]])
def test_no_broker_is_code_3(command: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(*command, "--broker", "mqtt://127.0.0.1:1", capsys=capsys)
    assert code == 3
    assert "nothing is listening there" in err


def test_the_schema_is_json_that_knows_the_sensor_kinds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "schema.json"
    code, said, _ = run("schema", "--out", out, capsys=capsys)
    assert code == 0
    assert f"$schema={out}" in said
    assert "vibration" in out.read_text()
    assert json.loads(out.read_text())["$schema"].startswith("https://json-schema.org/")


def test_a_new_plant_is_valid_and_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("new", "mine", capsys=capsys)[0] == 0
    assert run("check", "mine.yaml", capsys=capsys)[0] == 0
    assert run("new", "mine", capsys=capsys)[0] == 2
    assert run("new", "mine", "--force", capsys=capsys)[0] == 0


def test_list_shows_every_entry_of_every_table(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run("list", capsys=capsys)
    assert code == 0
    for title, entries in registry.listed().items():
        assert title in out.splitlines()
        assert entries
        assert all(f"  {name} " in out for name in entries)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_run_writes_the_log_of_the_whole_run(tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / f"events.{suffix}"
    code, out, _ = run("run", LINE, "--warm-up", "0 s", "--duration", "30 min", "--log", file, capsys=capsys)
    assert code == 0
    found = pd.read_csv(file) if suffix == "csv" else pd.read_parquet(file)
    assert f"{len(found):,} events" in out
    assert f"{(found.outcome == 'LEFT').sum()} good parts" in out
    assert set(found.unit) == {"blanks", "M001", "M002", "M003"}
    assert found.t_us.is_monotonic_increasing


def test_run_in_one_terminal_and_listen_in_another_meet_at_a_broker(tmp_path: Path) -> None:
    out, table = tmp_path / "kpis.json", tmp_path / "kpis.csv"
    with Broker() as broker:
        at = ["--broker", broker.url]
        with started("listen", *at, "--json", str(out), "--csv", str(table)) as listener:
            assert listener.stdout is not None
            assert listener.stdout.readline().startswith("listening")
            publisher = [*PROGRAM, "run", str(LINE), *at, "--duration", "30 min", "--speed", "max"]
            sent = subprocess.run(publisher, capture_output=True, text=True, check=True, timeout=300)
            shown, _ = listener.communicate(timeout=300)
    assert listener.returncode == 0
    found = json.loads(out.read_text())
    assert found["ended"]
    assert found["feed"]["lost"] == 0
    assert f"{found['feed']['readings']:,} readings" in sent.stdout
    assert "constraint by critical path" in shown
    kpis = pd.read_csv(table).set_index(["kpi", "name"])
    assert kpis.value["machine.parts", "M002"] == found["kpis"]["machine.parts"]["values"]["M002"] > 0


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_ends_run_and_listen_with_what_is_done(tmp_path: Path) -> None:
    out = tmp_path / "kpis.json"
    with Broker() as broker:
        at = ["--broker", broker.url]
        with started("listen", *at, "--json", str(out)) as listener, started("run", str(LINE), *at) as publisher:
            assert listener.stdout is not None
            while "below test/site/area" not in listener.stdout.readline():
                assert listener.poll() is None
            time.sleep(2.0)  # some seconds of a run in real time
            publisher.send_signal(signal.SIGINT)
            said, _ = publisher.communicate(timeout=300)
            listener.communicate(timeout=300)
    assert publisher.returncode == 0
    assert re.search(r"Sent \d+ readings", said)
    assert listener.returncode == 0
    assert json.loads(out.read_text())["ended"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("40m", 2400.0), ("1h30m", 5400.0), ("90s", 90.0), ("1 h 30 min", 5400.0), ("1.5 h", 5400.0)]
)
def test_a_duration_may_have_several_parts(text: str, seconds: float) -> None:
    assert units.parse(text, "time") == seconds


@pytest.mark.parametrize("text", ["1h30", "1h30x", "30 min h", "-1h30m"])
def test_a_duration_with_a_wrong_part_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time with a unit"):
        units.parse(text, "time")


def test_listen_without_a_broker_suggests_a_feed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("factory_sim.cli.listen_command.LOCAL", "mqtt://127.0.0.1:1")
    code, _, err = run("listen", "--broker", "mqtt://127.0.0.1:1", capsys=capsys)
    assert code == 3
    assert "factory-sim run" in err


def test_the_completion_of_a_shell_knows_the_commands() -> None:
    words = {"_FACTORY_SIM_COMPLETE": "complete_bash", "COMP_WORDS": "factory-sim comp", "COMP_CWORD": "1"}
    done = subprocess.run(PROGRAM, capture_output=True, text=True, check=False, env={**os.environ, **words})
    assert done.stdout.split() == ["compare", "compile"]


def test_a_help_text_keeps_square_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run("optimise", "--help", capsys=capsys)
    assert "extra [optimise]" in out


def test_a_run_fills_the_line_before_its_window(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = tmp_path / "full.csv", tmp_path / "empty.csv"
    words = ("--start", "plant", "--duration", "10 min")
    _, _, said = run("run", LINE, *words, "--log", files[0], capsys=capsys)
    found = re.search(r"Warm-up ([\d.]+) min", said)
    assert found is not None
    run("run", LINE, *words, "--warm-up", "0 s", "--log", files[1], capsys=capsys)
    full, empty = (pd.read_csv(file) for file in files)
    begin_us = 60e6 * float(found[1])
    first = [frame[frame.outcome == "LEFT"].t_us.to_numpy() for frame in (full, empty)]
    assert (first[0] >= begin_us).sum() >= len(first[1]) > 0
    assert full.t_us.max() < begin_us + 600e6


def test_the_table_of_pairs_of_features_fits_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    names = [f"feature{n}" for n in range(18)]
    pairs = {frozenset(pair): 1000 for pair in itertools.combinations(names, 2)}
    found = SimpleNamespace(features=dict.fromkeys(names, 4000), count_of=lambda a, b: pairs[frozenset((a, b))])
    lines = list(validate_commands._pairs_of_features(found))  # type: ignore[arg-type]
    assert max(map(len, lines)) <= 80
    assert sum(line.count("1000") for line in lines) == len(pairs)
