from __future__ import annotations

import random
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path
from shutil import rmtree

import pytest

from factory_sim.errors import ConfigError
from factory_sim.records import Message
from factory_sim.wire.delivery.journal import BLOCK_MESSAGES, Journal


def messages(call: int, n: int = 3) -> list[Message]:
    return [Message(f"a/b/{k}", f"{call}-{k}".encode() * 10, qos=1, retain=k == 0) for k in range(n)]


def all_of(journal: Journal) -> list[Message]:
    return [m for n in range(journal.acknowledged, journal.blocks) for m in journal.block(n)]


def all_in(folder: Path) -> list[Message]:
    with closing(Journal(folder)) as journal:
        return all_of(journal)


def test_what_is_appended_comes_back_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for call in range(20):
        journal.append(messages(call))
    assert all_of(journal) == [m for call in range(20) for m in messages(call)]
    journal.close()


def test_a_reopened_journal_continues(tmp_path: Path) -> None:
    for start in (0, 10):
        journal = Journal(tmp_path)
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


def killed(folder: Path, *, calls: int) -> dict[str, bytes]:
    """Return the files that a process leaves which is killed after so many calls."""
    with closing(Journal(folder)) as journal:
        for call in range(calls):
            journal.append(messages(call))
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def restored(folder: Path, files: dict[str, bytes]) -> Journal:
    rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return Journal(folder)


def test_a_log_cut_at_any_byte_keeps_its_whole_calls(tmp_path: Path) -> None:
    files = killed(tmp_path / "whole", calls=4)
    (log,) = (name for name in files if name.endswith("-wal"))
    seen = set()
    for cut in range(0, len(files[log]), 501):
        folder = tmp_path / "cut"
        try:
            found = restored(folder, files | {log: files[log][:cut]})
        except ConfigError:  # cut before the tables were complete
            continue
        seen.add(found.calls)
        assert all_of(found) == [m for call in range(found.calls) for m in messages(call)]
        found.append(messages(9))
        found.close()
        assert all_in(folder)[-3:] == messages(9)
    assert seen == {0, 1, 2, 3}


def test_a_call_of_several_blocks_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    with closing(Journal(tmp_path)) as journal:
        journal.append(messages(0))
        journal.append(messages(1, 3 * BLOCK_MESSAGES))
        files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (log,) = (name for name in files if name.endswith("-wal"))
    with closing(restored(tmp_path / "cut", files | {log: files[log][:-1]})) as found:
        assert (found.calls, all_of(found)) == (1, messages(0))


@pytest.mark.parametrize("is_killed", [True, False])
def test_damage_anywhere_gives_an_earlier_journal_or_an_error_but_no_crash(tmp_path: Path, *, is_killed: bool) -> None:
    rng = random.Random(3)
    good = killed(tmp_path / "good", calls=6)
    if not is_killed:
        good = {path.name: path.read_bytes() for path in (tmp_path / "good").iterdir()}
    outcomes = set()
    for _ in range(200):
        victim = rng.choice(sorted(name for name, data in good.items() if data))
        data = bytearray(good[victim])
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        found = None
        try:
            found = restored(tmp_path / "damaged", good | {victim: bytes(data)})
            kept = all_of(found)
        except ConfigError:
            outcomes.add("error")
        else:
            assert kept == [m for call in range(len(kept) // 3) for m in messages(call)]  # whole calls only
            outcomes.add(len(kept))
        finally:
            if found is not None:
                found.close()
    assert len(outcomes) > 1


def test_acknowledged_messages_leave_the_disk(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for call in range(100):
        journal.append(messages(call, 100))
    before = journal.bytes
    journal.acknowledge(90)
    assert journal.bytes < before / 5
    journal.close()
    found = Journal(tmp_path)
    assert (found.calls, found.blocks, found.acknowledged) == (100, 100, 90)
    assert all_of(found) == [m for call in range(90, 100) for m in messages(call, 100)]
    found.close()


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


def test_two_processes_do_not_share_a_journal(tmp_path: Path) -> None:
    with closing(Journal(tmp_path)), pytest.raises(ConfigError, match=r"another process uses it.*\n.*One run"):
        Journal(tmp_path)
    assert all_in(tmp_path) == []


def test_a_journal_of_an_earlier_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0000000000.log").write_bytes(b"FSJ1")
    with pytest.raises(ConfigError, match=r"written by version 0\.1\.0\n.*Deliver it with that version"):
        Journal(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of file sizes")
def test_a_full_disk_is_reported_and_leaves_whole_calls(tmp_path: Path) -> None:
    program = textwrap.dedent(f"""
        import itertools, pathlib, resource, signal
        from factory_sim.records import Message
        from factory_sim.wire.delivery.journal import Journal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        journal = Journal(pathlib.Path({str(tmp_path)!r}))
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        try:
            for call in itertools.count():
                journal.append([Message(f"t/{{call}}", b"x" * 100) for _ in range(5)])
        except Exception as error:
            print(type(error).__name__, error, journal.calls, sep="\\n")
        before = journal.bytes
        journal.acknowledge(journal.calls - 1)
        print(journal.bytes < before)
    """)
    source = str(Path(__file__).parents[2] / "src")
    words = [sys.executable, "-c", program]
    said = subprocess.run(words, capture_output=True, text=True, env={"PYTHONPATH": source}, check=True).stdout
    assert "ConfigError" in said
    assert "cannot be written" in said
    assert "Make room on the disk" in said
    with closing(Journal(tmp_path)) as found:
        assert found.calls == int(said.splitlines()[-2])
        assert [m.topic for m in all_of(found)][-5:] == [f"t/{found.calls - 1}"] * 5


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_killed_process_leaves_every_finished_call(tmp_path: Path) -> None:
    program = textwrap.dedent(f"""
        import itertools, os, pathlib, sys
        from factory_sim.records import Message
        from factory_sim.wire.delivery.journal import Journal
        journal = Journal(pathlib.Path({str(tmp_path)!r}))
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
