"""Every query of the Grafana dashboard finds something in a database that was filled from a recording."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Server

THREE = Path(__file__).parents[1] / "live" / "three.yaml"
FACTORY_SIM = [sys.executable, "-m", "factory_sim"]
DASHBOARD: Any = json.loads(subprocess.run([*FACTORY_SIM, "dashboard"], capture_output=True, check=True).stdout)
QUERIES = [(panel["title"], target["rawSql"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]
FROM, TO = "'2026-01-05T05:00:00Z'::timestamptz", "'2026-01-05T11:00:00Z'::timestamptz"


@pytest.fixture(scope="module")
def filled(server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three hours of three stations in a database; its name."""
    folder = tmp_path_factory.mktemp("dashboard") / "recording"
    words = ["--duration", "3 h", "--warm-up", "0 s", "--start", "2026-01-05T06:00", "--record", str(folder)]
    subprocess.run([*FACTORY_SIM, "run", str(THREE), *words], check=True, capture_output=True)
    server.sql("CREATE DATABASE dashboard")
    subprocess.run([*FACTORY_SIM, "play", str(folder), "--sink", server.url("dashboard")], check=True)
    return "dashboard"


def expanded(query: str, values: dict[str, str]) -> str:
    """Return a query as Grafana sends it: macros and variables replaced."""
    query = re.sub(r"\$__timeFilter\(([\w.]+)\)", rf"\1 BETWEEN {FROM} AND {TO}", query)
    query = query.replace("$__timeFrom()", FROM).replace("$__timeTo()", TO)
    for name, value in values.items():
        query = re.sub(rf"\${name}\b", value, query)
    assert "$" not in query
    return query


def variables(server: Server, database: str) -> dict[str, str]:
    """Return the first value of each variable; several values are quoted and joined, as Grafana does."""
    found: dict[str, str] = {}
    for each in DASHBOARD["templating"]["list"]:
        if each["type"] == "query":
            values = [row[0] for row in server.sql(expanded(each["query"], found), database)]
            assert values, each["name"]
            found[each["name"]] = ", ".join(f"'{value}'" for value in values) if each["multi"] else values[0]
    return found


@pytest.mark.parametrize(("title", "query"), QUERIES, ids=[title for title, _ in QUERIES])
def test_a_panel_finds_something(title: str, query: str, server: Server, filled: str) -> None:
    rows = server.sql(expanded(query, variables(server, filled)), filled)
    assert rows, title
    assert all(row[0] for row in rows)


def test_every_panel_has_a_query_a_place_and_the_chosen_database() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        assert panel["datasource"] == panel["targets"][0]["datasource"]
        taken |= cells
