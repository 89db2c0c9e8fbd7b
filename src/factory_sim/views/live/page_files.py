"""The files of the live page, by name: a server offers these and no others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from factory_sim.views.live.state_marks import state_css

if TYPE_CHECKING:
    from collections.abc import Mapping

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}
PAGE = "page.html"


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file as it is sent."""

    content: bytes
    media_type: str


@cache
def page_files() -> Mapping[str, PageFile]:
    """Return name -> file: the page, its modules and styles, and the vendored libraries with their licences."""
    here, report = files("factory_sim.views.live"), files("factory_sim.views.html") / "page"
    charts = [each for each in (report / "vendor").iterdir() if each.name.startswith("echarts.")]
    found = [*here.iterdir(), *(here / "vendor").iterdir(), report / "theme.css", *charts]
    table = {
        each.name: PageFile(each.read_bytes(), MEDIA_TYPES[suffix])
        for each in found
        if (suffix := f".{each.name.rpartition('.')[2]}") in MEDIA_TYPES
    }
    return table | {"states.css": PageFile(state_css().encode(), MEDIA_TYPES[".css"])}
