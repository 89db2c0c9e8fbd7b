"""`validate feed` on a small scale: the proofs find nothing wrong, and say what they did."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from factory_sim.cli import main

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")


def test_fuzz_refuses_or_reads_every_payload_and_writes_what_it_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.json"
    main(["validate", "feed", "--part", "fuzz", "--payloads", "600", "--seed", "5", "--json", str(out)])
    found = json.loads(out.read_text())  # how long they took is not judged here
    names = [one["reader"] for one in found["fuzz"]]
    assert {"machine", "uns", "bulk", "sparkplug", "meta", "host", "edge", "marks", "acks"} == set(names)
    for one in found["fuzz"]:
        assert (one["payloads"], one["partial"]) == (600, 0)
        assert 300 < one["refused"] < 600  # some mutants mean something
    printed = capsys.readouterr().out
    assert all(f"fuzz {name}" in printed for name in names)


def test_an_unknown_part_is_told_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "feed", "--part", "soap"]) == 2
    assert "Did you mean soak?" in capsys.readouterr().err
