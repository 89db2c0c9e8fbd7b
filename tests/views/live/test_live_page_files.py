"""The files of the live page: one table, colours of the palette, readable letters, and nothing from elsewhere."""

from __future__ import annotations

import re

from factory_sim.plant.states import State
from factory_sim.views.html.palette import LETTERS, STATES
from factory_sim.views.live.page_files import PAGE, page_files
from factory_sim.views.live.state_marks import STATE_MARKS

OWN = [name for name in page_files() if not name.startswith(("uplot", "echarts"))]


def luminance(shade: str) -> float:
    levels = [int(shade[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in levels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_every_state_has_its_own_letter_and_mark() -> None:
    assert set(STATES) == set(LETTERS) == set(State)
    assert len(set(LETTERS.values())) == len(State)
    assert {mark.id for mark in STATE_MARKS} == {int(state) for state in State}


def test_every_letter_is_readable_on_its_colour() -> None:
    text = page_files()["states.css"].content.decode()
    light, dark = text.split("@media", 1)
    for sheet in (light, dark):
        for state in State:
            shades = [re.search(rf"--{key}{int(state)}:(#\w+);", sheet) for key in "st"]
            behind, ink = sorted(luminance(found[1]) for found in shades if found)
            assert (ink + 0.05) / (behind + 0.05) >= 4.5, state.name


def test_machines_at_work_differ_in_lightness_from_machines_that_failed() -> None:
    for shade in (0, 1):
        busy, *failed = (luminance(STATES[state][shade]) for state in (State.BUSY, State.DOWN, State.REPAIR))
        for each in failed:
            assert (max(busy, each) + 0.05) / (min(busy, each) + 0.05) > 1.5


def test_the_page_names_only_files_of_the_table() -> None:
    named = re.findall(r'(?:src|href)="static/([^"]+)"', page_files()[PAGE].content.decode())
    modules = [name for name in OWN if name.endswith(".js")]
    imported = [each for m in modules for each in re.findall(r'from "\./([^"]+)"', page_files()[m].content.decode())]
    assert {*named, *imported} <= set(page_files())
    assert {*named, *imported} >= {"live.css", "states.css", "theme.css", "uplot.min.js", *modules}


def test_no_file_asks_another_host_or_builds_markup_from_text() -> None:
    for name in OWN:
        text = page_files()[name].content.decode()
        assert not re.search(r"https?://(?!www\.w3\.org/)", text), name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), name


def test_the_libraries_come_with_their_licences() -> None:
    files = {name: each.content.decode() for name, each in page_files().items()}
    assert "MIT License" in files["uplot.LICENSE.txt"]
    assert "Apache License" in files["echarts.LICENSE.txt"]
    assert "Apache Software Foundation" in files["echarts.NOTICE.txt"]


def test_charts_are_loaded_when_there_is_something_to_draw() -> None:
    assert "echarts" not in page_files()[PAGE].content.decode()
    named = [name for name in OWN if name.endswith(".js") and b"echarts.min.js" in page_files()[name].content]
    assert named == ["charts.js"]
