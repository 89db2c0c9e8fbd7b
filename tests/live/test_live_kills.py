"""A listener that records, or a recorder, is killed ten times while a run continues, with and without a journal."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from factory_sim.live.play import runs_of
from factory_sim.validation.feed.processes import EMPTY, Program, program, wait_for, wait_for_end
from factory_sim.wire.broker.embedded import Broker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.recordings.recorded_run import RecordedRun

PLANT = str(Path(__file__).with_name("three.yaml"))
ROOT, SPEED, KILLS = "t/kills", 240.0, 10
RUN = ("run", PLANT, *EMPTY, "--root", ROOT, "--format", "bulk", "--start", "plant", "--speed", f"{SPEED:g}")
FOREVER = ("--duration", "forever", "--engine", "simpy")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")


@contextmanager
def recording(folder: Path, url: str, *words: str) -> Iterator[Program]:
    """A listener that records and has received something."""
    out = folder / "feed.json"
    command = ("listen", "--root", ROOT, "--broker", url, "--record", str(folder / "r"), "--json", str(out))
    log = folder / "listen.log"
    with program(log, *command, "--every", "0.2 s", *words) as listener:
        before = reports(listener)
        wait_for("readings", lambda: reports(listener) > before or listener.has_ended(), log)
        yield listener


def reports(listener: Program) -> int:
    """The number of reports so far by a listener that had received messages."""
    return listener.wrote(" readings in ") - listener.wrote(" readings in 0 messages")


def disturbed(folder: Path, run: tuple[str, ...], *words: str, ends_itself: bool) -> dict[str, Any]:
    """Kill the listener ten times; return what the last one concludes at the end of the run."""
    with Broker() as broker, program(folder / "run.log", *run, "--broker", broker.url) as publisher:
        for _ in range(KILLS):
            with recording(folder, broker.url, *words) as listener:
                listener.process.kill()
        with recording(folder, broker.url, *words) as listener:
            if not ends_itself:
                publisher.process.send_signal(signal.SIGTERM)
            wait_for_end("the run", publisher, listener)
    found: dict[str, Any] = json.loads((folder / "feed.json").read_text(encoding="utf-8"))
    return found


def present(run: RecordedRun) -> int:
    """The number of readings that were recorded."""
    count = 4 * len(run.rows())
    for period, first, ticks in run.meta.sent_ticks:
        samples = run.samples(period, first, first + ticks)
        count += samples.raw.size if samples.present is None else int(samples.present.sum())
    return count


def gaps(run: RecordedRun) -> int:
    """The readings missing between the first and the last one of each unit and sensor."""
    rows, missing = run.rows(), 0
    for unit in np.unique(rows.unit):
        seq = rows.seq[rows.unit == unit]
        missing += 4 * int(seq.max() - seq.min() + 1 - len(seq))
    for period, first, ticks in run.meta.sent_ticks:
        there = run.samples(period, first, first + ticks).present
        for column in () if there is None else there.T:
            at = np.flatnonzero(column)
            missing += int(at[-1] - at[0] + 1 - len(at))
    return missing


def sent(run: RecordedRun) -> int:
    """The number of readings that the publisher has counted."""
    sensors = {s.period_us: sum(each.period_us == s.period_us for each in run.meta.sensors) for s in run.meta.sensors}
    return 4 * sum(run.meta.sent_rows) + sum(ticks * sensors[period] for period, _, ticks in run.meta.sent_ticks)


@pytest.mark.long(reason="starts a listener eleven times: about a minute")
def test_ten_kills_lose_nothing_that_a_journal_keeps(tmp_path: Path) -> None:
    journal = (
        "--duration",
        "2 h",
        "--engine",
        "simpy",
        "--journal",
        str(tmp_path / "journal"),
        "--ack",
        "consumer:rec",
    )
    found = disturbed(tmp_path, (*RUN, *journal), "--ack-as", "rec", ends_itself=True)
    (run,) = runs_of(tmp_path / "r")
    assert (found["ended"], found["feed"]["lost"], found["joined_us"]) == (True, 0, None)
    assert present(run) == sent(run) == found["feed"]["readings"] - found["feed"]["duplicates"]


@pytest.mark.long(reason="starts a listener eleven times: about a minute")
def test_without_a_journal_every_gap_is_reported(tmp_path: Path) -> None:
    found = disturbed(tmp_path, (*RUN, *FOREVER), ends_itself=False)
    (run,) = runs_of(tmp_path / "r")
    assert found["ended"]
    has_joined_late = found["joined_us"] is not None  # the publisher begins before the first listener
    assert found["feed"]["lost"] == (gaps(run) if has_joined_late else sent(run) - present(run)) > 0
    assert json.loads(run.folder.losses.read_text(encoding="utf-8"))["lost"] == found["feed"]["lost"]
    assert np.isfinite(found["kpis"]["line.good_parts"]["values"]["line"])


@contextmanager
def recorder(folder: Path, url: str, *words: str) -> Iterator[Program]:
    """A `record` that has stored something."""
    log = folder / "record.log"
    with program(log, "record", str(folder / "r"), "--root", ROOT, "--broker", url, *words) as recording:
        before = stored(folder)
        wait_for("what is stored", lambda: stored(folder) > before or recording.has_ended(), log)
        yield recording


def stored(folder: Path) -> int:
    """The bytes of the tails of a recording that are on the disk."""
    files = (Path(each, name) for each, _, names in os.walk(folder / "r") for name in names)
    return sum(size(file) for file in files if file.suffix == ".arrows")


def size(path: Path) -> int:
    """The bytes of a file; none of one that was compacted since it was listed."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@pytest.mark.long(reason="starts a recorder eleven times: about a minute")
def test_ten_kills_of_a_recorder_lose_nothing_that_a_journal_keeps(tmp_path: Path) -> None:
    journal = ("--journal", str(tmp_path / "journal"), "--ack", "consumer:rec", "--duration", "2 h")
    run = (*RUN, *journal, "--engine", "simpy")
    with Broker() as broker, program(tmp_path / "run.log", *run, "--broker", broker.url) as publisher:
        before = 0
        for _ in range(KILLS):
            with recorder(tmp_path, broker.url, "--ack-as", "rec") as recording:
                recording.process.kill()
            (kept,) = runs_of(tmp_path / "r")
            assert count(kept) >= before  # what was on the disk is not damaged
            before = count(kept)
        with recorder(tmp_path, broker.url, "--ack-as", "rec") as recording:
            wait_for_end("the run", publisher, recording)
    (kept,) = runs_of(tmp_path / "r")
    assert before > 0
    said = (tmp_path / "record.log").read_text(encoding="utf-8")
    assert f"run {kept.meta.run_id}\n" in said
    assert "; 0 lost," in said
    assert present(kept) == sent(kept)
    assert json.loads(kept.folder.losses.read_text(encoding="utf-8"))["lost"] == 0
    assert not kept.damaged


@pytest.mark.long(reason="waits ten times until a recorder flushes: about three minutes")
def test_ten_kills_of_a_recorder_without_a_journal_keep_what_was_flushed(tmp_path: Path) -> None:
    run = (*RUN, *FOREVER)
    with Broker() as broker, program(tmp_path / "run.log", *run, "--broker", broker.url) as publisher:
        before = 0
        for _ in range(KILLS):
            with recorder(tmp_path, broker.url) as recording:
                wait_for("a flush", partial(has_more, tmp_path, before), tmp_path / "record.log")
                before = flushed(tmp_path)
                recording.process.kill()
            assert flushed(tmp_path) >= before
        with recorder(tmp_path, broker.url) as recording:
            publisher.process.send_signal(signal.SIGTERM)
            wait_for_end("the run", publisher, recording)
    (kept,) = runs_of(tmp_path / "r")
    assert not kept.damaged
    lost = json.loads(kept.folder.losses.read_text(encoding="utf-8"))["lost"]
    assert lost in {gaps(kept), sent(kept) - present(kept)}  # without the readings before a recorder that joined late
    assert lost > 0


def has_more(folder: Path, before: int) -> bool:
    return flushed(folder) > before


def flushed(folder: Path) -> int:
    """The number of readings that are on the disk."""
    (run,) = runs_of(folder / "r")
    return count(run)


def count(run: RecordedRun) -> int:
    """The number of readings in a recording that may be open."""
    found = 4 * len(run.rows())
    for period in {each.period_us for each in run.meta.sensors}:
        samples = run.samples(period, *run.span(period))
        found += samples.raw.size if samples.present is None else int(samples.present.sum())
    return found


@pytest.mark.slow
def test_sigterm_ends_an_endless_run_and_its_listener_properly(tmp_path: Path) -> None:
    run = (*RUN, *FOREVER)
    with Broker() as broker, program(tmp_path / "run.log", *run, "--broker", broker.url) as publisher:
        with recording(tmp_path, broker.url) as listener:
            listener.process.send_signal(signal.SIGTERM)
            assert listener.process.wait(60) == 0
        found = json.loads((tmp_path / "feed.json").read_text(encoding="utf-8"))
        assert (found["ended"], found["kpis_of"]) == (False, "shift")
        publisher.process.send_signal(signal.SIGTERM)
        assert publisher.process.wait(60) == 0
    (recorded,) = runs_of(tmp_path / "r")
    assert len(recorded.rows()) > 0
    assert recorded.folder.losses.exists()
