"""The drawing of a plant: complete, safe against names, and inside its own area."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from factory_sim import registry
from factory_sim.plant.load import packaged
from factory_sim.views.html.plant_drawing import VEHICLE, Feed, Outline, outline, svg

SVG = "{http://www.w3.org/2000/svg}"
SMALL = Outline(
    title="<b>Two & two</b>",
    operations=("CUT <1>", "WASH", "TEST"),
    titles=("", "Washing", ""),
    sections=("one", "one", "two"),
    machines=(2, 1, 3),
    feeds=((Feed(-1, 0, ""),), (Feed(0, 4, ""),), (Feed(1, 6, VEHICLE),)),
)


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - our own output


def test_every_operation_machine_and_buffer_is_drawn_inside_the_picture() -> None:
    plan = outline(registry.load("gearbox_line"))
    root = parsed(svg(plan))
    width, height = (float(root.get(name, "")) for name in ("width", "height"))
    boxes = [each for each in root.iter(f"{SVG}rect") if "fs-operation" in each.get("class", "")]
    squares = [each for each in root.iter(f"{SVG}rect") if each.get("class") == "fs-machine"]
    assert len(boxes) == len(plan.operations) == 92
    assert len(squares) == sum(plan.machines) + 1 == 153 + 1  # one in the key
    for box in boxes:
        assert float(box.get("x", "")) + float(box.get("width", "")) <= width
        assert float(box.get("y", "")) + float(box.get("height", "")) <= height
    assert len({(box.get("x"), box.get("y")) for box in boxes}) == len(boxes)
    assert sum("fs-pacing" in box.get("class", "") for box in boxes) == 1


def test_names_stay_text_and_lines_name_their_ends() -> None:
    text = svg(SMALL)
    titles = [each.text for each in parsed(text).iter(f"{SVG}title")]
    assert "WASH to TEST by vehicle" in titles
    assert "CUT <1> : 2 machines" in titles
    assert not re.search(r"<b>|<1>", text)


def test_sections_that_feed_each_other_in_a_circle_are_drawn() -> None:
    looped = replace(SMALL, feeds=((Feed(2, 1, ""),), *SMALL.feeds[1:]))
    assert svg(looped).count("fs-section") > 2


@pytest.mark.parametrize("name", sorted(packaged()))
def test_every_packaged_plant_can_be_drawn(name: str) -> None:
    assert parsed(svg(outline(registry.load(name)))).tag == f"{SVG}svg"
