"""The AsyncAPI document: every message that is sent fits it, and the official parser accepts it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import orjson
import pytest
from wire_feeds import ROOT, random_readings, small_meta

from factory_sim.wire.asyncapi import document
from factory_sim.wire.formats import FORMATS

FOLDER = Path(os.environ.get("FACTORY_SIM_THIRD_PARTY", "/nonexistent"))
META = small_meta()
DOCUMENT: dict[str, Any] = document(META, ROOT, "1.0")
TYPES: dict[str, Any] = {"integer": int, "number": (int, float), "string": str, "boolean": bool, "array": list}


def channels_of(topic: str) -> list[str]:
    """The channels whose address, with their parameters' values, takes a topic."""
    found = []
    for name, channel in DOCUMENT["channels"].items():
        pattern = re.escape(channel["address"]).replace(r"\{", "{").replace(r"\}", "}")
        for parameter, facts in channel.get("parameters", {}).items():
            choice = "|".join(map(re.escape, facts.get("enum", []))) or "[^/]+"
            pattern = pattern.replace("{" + parameter + "}", f"(?:{choice})")
        if re.fullmatch(pattern, topic):
            found.append(name)
    return found


def fits(payload: bytes, message: dict[str, Any]) -> bool:
    if message["contentType"] != "application/json":
        return True
    schema, found = message["payload"], orjson.loads(payload)
    more = schema["additionalProperties"]
    if not set(schema["required"]) <= set(found):
        return False
    return all(_is(value, schema["properties"].get(key, more)) for key, value in found.items())


def _is(value: object, schema: Any) -> bool:
    if isinstance(schema, bool):
        return schema
    if "const" in schema or "enum" in schema:
        return value in schema.get("enum", [schema.get("const")])
    return isinstance(value, TYPES.get(schema["type"], object))


@pytest.mark.parametrize("name", FORMATS)
def test_every_message_has_a_channel_that_describes_it(name: str) -> None:
    for message in FORMATS[name].encoder(META, ROOT).data(random_readings(META, 1, rows=60, holes=True)):
        described = [
            reference["$ref"].rpartition("/")[2]
            for channel in channels_of(message.topic)
            for reference in DOCUMENT["channels"][channel]["messages"].values()
        ]
        assert any(fits(message.payload, DOCUMENT["components"]["messages"][one]) for one in described), message


@pytest.mark.skipif(not (FOLDER / "node_modules" / "@asyncapi").is_dir(), reason="npm @asyncapi/parser is not here")
def test_the_official_parser_accepts_it() -> None:
    script = Path(__file__).with_name("third_party_asyncapi.cjs")
    done = subprocess.run(
        ["node", script],
        input=json.dumps(DOCUMENT),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NODE_PATH": str(FOLDER / "node_modules")},
    )
    found = json.loads(done.stdout)
    assert found == {"parsed": True, "errors": [], "channels": len(DOCUMENT["channels"])}
