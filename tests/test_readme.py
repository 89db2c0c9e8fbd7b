"""README and docs show what the commands printed, and nothing that a person typed."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("refresh", ROOT / "docs" / "refresh.py")
assert SPEC is not None
assert SPEC.loader is not None
refresh = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(refresh)
README = (ROOT / "README.md").read_text(encoding="utf-8")


FIRST = ("demo", "demo", "calibration", "coverage", "places", "retrofit", "engines", "soak", "feed_read")
EXPECTED = list(zip(refresh.PAGES, FIRST, strict=True))


@pytest.mark.parametrize(("page", "block"), EXPECTED)
def test_every_block_of_output_is_the_generated_file(page: Path, block: str) -> None:
    content = page.read_text(encoding="utf-8")
    names = re.findall(r"<!-- generated (\w+) -->", content)
    assert block in names
    texts = {name: text for name, text in refresh.generated().items() if name in names}
    assert set(texts) == set(names)
    assert refresh.with_blocks(content, texts) == content


def test_the_guide_to_a_plants_feed_shows_the_mapping_that_its_output_comes_from() -> None:
    mapping = (ROOT / "docs" / "examples" / "cell" / "feed.yaml").read_text(encoding="utf-8")
    assert f"```yaml\n{mapping}```" in (ROOT / "docs" / "your_feed.md").read_text(encoding="utf-8")


CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README + CHINESE))))
def test_every_link_leads_to_a_file(link: str) -> None:
    assert (ROOT / link).exists()


def test_the_page_of_commands_shows_the_help_texts() -> None:
    spec = importlib.util.spec_from_file_location("make_commands", ROOT / "docs" / "make_commands.py")
    assert spec is not None
    assert spec.loader is not None
    make_commands = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_commands)
    assert make_commands.PAGE.read_text(encoding="utf-8") == make_commands.page(), "run: python docs/make_commands.py"
