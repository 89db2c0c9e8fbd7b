from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub
from wire_feeds import small_meta

from factory_sim.records import UnitInfo
from factory_sim.wire import topics

LEVEL = st.sampled_from(["a", "b", "", "$SYS", "state"])


def test_every_unit_has_three_levels_below_the_root() -> None:
    assert topics.unit_topics(small_meta(), "Works Ltd/site") == (
        "Works_Ltd/site/_line/sources/blanks",
        "Works_Ltd/site/housing_machining/OP10/M_1_a",
        "Works_Ltd/site/assembly/OP20/M2",
        "Works_Ltd/site/_line/vehicles/agv_1",
        "Works_Ltd/site/_line/crews/repair_1",
    )


def test_units_whose_names_become_equal_have_distinct_topics() -> None:
    meta = small_meta()
    units = (*meta.units, UnitInfo("agv 1", "vehicle"), UnitInfo("agv/1", "vehicle"))
    found = topics.unit_topics(replace(meta, units=units, failure_modes=((),) * 7), "r")
    assert len(set(found)) == len(units)


def test_a_sensor_named_like_a_state_tag_has_a_distinct_tag() -> None:
    assert topics.sensor_tags(small_meta())[5] == "state_2"


@given(st.text(max_size=30))
def test_a_level_can_always_be_published(name: str) -> None:
    made = topics.level(name)
    assert topics.problem_of(made) == ""
    assert "/" not in made
    made.encode()


@given(st.lists(LEVEL, min_size=1, max_size=4), st.lists(LEVEL | st.just("+"), max_size=4), st.booleans())
def test_filters_match_as_the_client_library_says(given_levels: list[str], wanted: list[str], rest: bool) -> None:
    topic_filter = "/".join([*wanted, "#"] if rest or not wanted else wanted)
    topic = "/".join(given_levels)
    assert topics.matches(topic_filter, topic) == topic_matches_sub(topic_filter, topic)


@pytest.mark.parametrize("topic", ["", "a b", "a/+/c", "a/#", "a\x00", "a\tb", "x" * 70_000])
def test_a_topic_that_brokers_disconnect_on_is_named(topic: str) -> None:
    assert topics.problem_of(topic)
