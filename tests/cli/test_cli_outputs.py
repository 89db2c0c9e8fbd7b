"""Files to be written: a folder that is missing is said before any work, a full disk in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import pytest

from factory_sim.cli import application, main, options

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE = Path(__file__).parents[1] / "live" / "three.yaml"
SWEEP = """
sweep: three.yaml
factors: {WASH.buffer: [3, 4]}
replications: 2
duration: 10 min
warm_up: 0 s
"""
READ = {
    "password_file",
    "ca",
    "cert",
    "key",
    ("run", "resume"),
    "map",
    "map_file",
    "nist",
    "umh",
    "stops",
    "page_password_file",
}  # files and folders that must be there
MADE = {"journal", "folder", "record", "sink_buffer"}  # folders that are made


def path_options() -> Iterator[Any]:
    """(command, parameter, its option) of every option that is a path."""
    app = application()
    groups = [app, *(group.typer_instance for group in app.registered_groups)]
    for command in (each.callback for group in groups if group for each in group.registered_commands):
        assert command is not None
        for name, hint in get_type_hints(command, include_extras=True).items():
            kind, *rest = get_args(hint) or (hint,)
            if (kind is Path or Path in get_args(kind)) and rest and type(rest[0]).__name__ == "OptionInfo":
                yield command.__name__, name, rest[0]


def test_every_option_that_names_a_file_to_be_written_is_checked_before_any_work() -> None:
    found = list(path_options())
    assert {("sweep", "csv"), ("run", "log"), ("listen", "csv"), ("compare", "report"), ("detectors", "resume")} <= {
        (command, name) for command, name, _ in found
    }
    unchecked = {
        (command, name)
        for command, name, option in found
        if not {name, (command, name)} & (READ | MADE) and option.callback is not options.in_a_folder
    }
    assert unchecked == set()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "three.yaml").write_text(LINE.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


WORDS = [
    ("sweep", "sweep.yaml", "--workers", "1", "--engine", "simpy", "--csv"),
    ("optimise", "sweep.yaml", "--csv"),
    ("run", "three.yaml", "--engine", "simpy", "--duration", "1 min", "--log"),
    ("asyncapi", "three.yaml", "--out"),
    ("schema", "--out"),
]


@pytest.mark.parametrize("words", WORDS, ids=lambda words: words[0])
def test_a_missing_folder_is_said_before_any_work(
    words: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.iterdir())
    assert main([*words, "nowhere/x.csv"]) == 2
    assert "the folder nowhere does not exist" in capsys.readouterr().err
    assert sorted(folder.iterdir()) == before


def test_a_log_of_a_run_without_end_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("run", "three.yaml", "--duration", "forever", "--broker", "mqtt://127.0.0.1:1", "--log", "x.csv")
    assert main([*words]) == 2
    assert "written at the end of the run, and this run has none" in capsys.readouterr().err
    assert not (folder / "x.csv").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the full disk that Linux provides")
@pytest.mark.parametrize("words", [WORDS[n] for n in (0, 2, 3, 4)], ids=lambda words: words[0])
def test_a_full_disk_is_said_in_one_sentence(
    words: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full = folder / "full.csv"
    full.symlink_to("/dev/full")
    assert main([*words, str(full)]) == 2
    assert f"{full}: cannot be written: No space left on device" in capsys.readouterr().err


def test_new_says_where_it_cannot_write(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "mine", "--folder", str(folder / "three.yaml" / "deeper")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_kpis_of_a_recording_state_why_values_are_undefined_and_what_marks_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = tmp_path / "fast.yaml"
    plant.write_text(
        "plant: fast\nsources: {s: {interarrival: saturated}}\n"
        "sections: {x: {operations: {M: {cycle_time: 30 s, unit_time: 45 s, buffer: 2, from: s}}}}\n"
    )
    folder = str(tmp_path / "recording")
    words = ["--record", folder, "--start", "plant", "--duration", "1h", "--warm-up", "0 s", "--engine", "simpy"]
    assert main(["run", str(plant), *words]) == 0
    capsys.readouterr()
    assert main(["kpis", folder]) == 0
    found = " ".join(capsys.readouterr().out.split())
    assert "above 100 %: 45 s are planned for a part" in found
    assert "energy per good part: no meter and no stated power" in found
    assert "cost per good part: no prices are stated" in found
