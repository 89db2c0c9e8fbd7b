from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from factory_sim.errors import ConfigError
from factory_sim.records import Message
from factory_sim.wire.delivery.journal import BLOCK_MESSAGES, Journal


def messages(call: int, n: int = 3) -> list[Message]:
    return [Message(f"a/b/{k}", f"{call}-{k}".encode() * 10, qos=1, retain=k == 0) for k in range(n)]


def all_of(journal: Journal) -> list[Message]:
    return [m for n in range(journal.acknowledged, journal.blocks) for m in journal.block(n).messages]


def all_in(folder: Path) -> list[Message]:
    with closing(Journal(folder)) as journal:
        return all_of(journal)


def test_what_is_appended_comes_back_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=500)
    for call in range(20):
        journal.append(messages(call))
    assert all_of(journal) == [m for call in range(20) for m in messages(call)]
    journal.close()


def test_a_reopened_journal_continues(tmp_path: Path) -> None:
    for start in (0, 10):
        journal = Journal(tmp_path, segment_bytes=500)
        assert journal.calls == start
        for call in range(start, start + 10):
            journal.append(messages(call))
        journal.close()
    assert all_in(tmp_path) == [m for call in range(20) for m in messages(call)]


def test_an_empty_call_and_one_of_many_messages_count_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([])
    journal.append(messages(1, 2 * BLOCK_MESSAGES + 1))
    assert (journal.calls, journal.blocks) == (2, 4)
    journal.close()
    assert len(all_in(tmp_path)) == 2 * BLOCK_MESSAGES + 1


def test_a_file_cut_at_any_byte_keeps_its_whole_calls(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "whole")
    for call in range(4):
        journal.append(messages(call))
    journal.close()
    (file,) = (tmp_path / "whole").glob("*.log")
    data = file.read_bytes()
    size = len(data) // 4
    for cut in range(0, len(data), 3):
        folder = tmp_path / "cut"
        folder.mkdir(exist_ok=True)
        (folder / file.name).write_bytes(data[:cut])
        found = Journal(folder)
        assert found.calls == cut // size
        assert all_of(found) == [m for call in range(found.calls) for m in messages(call)]
        found.append(messages(9))
        found.close()
        assert all_in(folder)[-3:] == messages(9)


def test_a_call_of_several_blocks_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=1)
    journal.append(messages(0))
    journal.append(messages(1, 3 * BLOCK_MESSAGES))
    journal.close()
    last = max(tmp_path.glob("*.log"))
    last.write_bytes(last.read_bytes()[:-1])
    found = Journal(tmp_path)
    assert (found.calls, all_of(found)) == (1, messages(0))


def test_damage_anywhere_gives_an_earlier_journal_or_an_error_but_no_crash(tmp_path: Path) -> None:
    rng = random.Random(3)
    journal = Journal(tmp_path, segment_bytes=400)
    for call in range(6):
        journal.append(messages(call))
    journal.close()
    good = {path: path.read_bytes() for path in tmp_path.iterdir() if path.name != "lock"}
    for _ in range(200):
        for path in tmp_path.iterdir():
            path.unlink()
        for path, data in good.items():
            path.write_bytes(data)
        victim = rng.choice(sorted(good))
        data = bytearray(good[victim])
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        victim.write_bytes(bytes(data))
        try:
            found = Journal(tmp_path)
        except ConfigError:
            continue
        calls = {bytes(m.payload[:1]) for m in all_of(found)}
        assert len(all_of(found)) == 3 * len(calls)  # whole calls only
        assert calls <= {b"%d" % call for call in range(6)}
        found.close()


def test_acknowledged_segments_leave_the_disk(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=1_000)
    for call in range(100):
        journal.append(messages(call))
    before = journal.bytes
    journal.acknowledge(90)
    assert journal.bytes < before / 5
    assert journal.bytes == sum(path.stat().st_size for path in tmp_path.glob("*.log"))
    journal.close()
    found = Journal(tmp_path)
    assert (found.calls, found.blocks, found.acknowledged) == (100, 100, 90)
    assert all_of(found) == [m for call in range(90, 100) for m in messages(call)]


def test_a_journal_of_another_run_is_refused_with_the_difference(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.identity({"seed": 1, "_run_id": "x"}) == {"seed": 1, "_run_id": "x"}
    assert journal.identity({"seed": 1, "_run_id": "y"}) == {"seed": 1, "_run_id": "x"}
    with pytest.raises(ConfigError, match="seed was 1, now 2"):
        journal.identity({"seed": 2, "_run_id": "y"})


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="cannot be used"):
        Journal(tmp_path / "file")


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_two_processes_do_not_share_a_journal(tmp_path: Path) -> None:
    with closing(Journal(tmp_path)), pytest.raises(ConfigError, match=r"another process uses it.*\n.*One run"):
        Journal(tmp_path)
    assert all_in(tmp_path) == []


def test_a_file_that_disappears_during_a_run_is_reported(tmp_path: Path) -> None:
    with closing(Journal(tmp_path)) as journal:
        journal.append(messages(0))
        for damage in (lambda file: file.write_bytes(b""), lambda file: file.unlink()):
            damage(tmp_path / "0000000000.log")
            with pytest.raises(ConfigError, match=r"0000000000\.log was damaged during the run"):
                journal.block(0)


def test_a_full_disk_is_reported_at_the_next_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Journal(tmp_path)) as journal:
        journal.append(messages(0))
        with monkeypatch.context() as full:
            full.setattr("factory_sim.wire.delivery.journal.os.write", _no_room)
            with pytest.raises(ConfigError, match=r"cannot be written: No space left on device\n.*Make room"):
                journal.append(messages(1))


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_killed_process_leaves_every_finished_call(tmp_path: Path) -> None:
    program = textwrap.dedent(f"""
        import itertools, os, pathlib, sys
        from factory_sim.records import Message
        from factory_sim.wire.delivery.journal import Journal
        journal = Journal(pathlib.Path({str(tmp_path)!r}), segment_bytes=5000)
        for call in itertools.count():
            journal.append([Message(f"t/{{call}}", b"x" * 100) for _ in range(5)])
            sys.stdout.write(f"{{call}}\\n"); sys.stdout.flush()
    """)
    source = str(Path(__file__).parents[2] / "src")
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env={"PYTHONPATH": source}) as child:
        assert child.stdout is not None
        said = [int(child.stdout.readline()) for _ in range(300)][-1]
        child.kill()
    found = Journal(tmp_path)
    assert found.calls > said
    assert [m.topic for m in all_of(found)][: 5 * said : 5] == [f"t/{k}" for k in range(said)]


def test_a_full_disk_is_reported_when_a_journal_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    monkeypatch.setattr(Path, "write_bytes", _no_room)
    with pytest.raises(ConfigError, match="No space left on device"):
        journal.identity({"run": 1})


def test_an_acknowledgement_makes_room_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path, segment_bytes=500)
    for call in range(20):
        journal.append(messages(call))
    before = journal.bytes
    monkeypatch.setattr(Path, "write_bytes", _no_room)
    journal.acknowledge(15)
    journal.close()
    assert journal.bytes < before
    again = Journal(tmp_path)
    assert 0 < again.acknowledged <= 15
    assert all_of(again)[-3:] == messages(19)


def _no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
