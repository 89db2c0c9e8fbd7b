"""A comparison as one offline HTML file: text, tables and charts, with all their data and scripts."""

from __future__ import annotations

import base64
import json
import math
import zlib
from dataclasses import asdict
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from factory_sim.views import wording
from factory_sim.views.html import palette

if TYPE_CHECKING:
    from factory_sim.views.html.report_data import ReportData

FORMAT = 1  # of the data inside the page


def part(name: str) -> Markup:
    """Return a file of the page as it is."""
    page = files("factory_sim.views.html") / "page"
    return Markup(page.joinpath(name).read_text(encoding="utf-8"))  # noqa: S704 - our own files


def environment() -> Environment:
    """Return what all pages are rendered with."""
    found = Environment(
        loader=PackageLoader("factory_sim.views.html", "page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    found.filters |= wording.FILTERS
    found.globals |= {"part": part}
    return found


def html(data: ReportData) -> str:
    """Return the page."""
    return (
        environment()
        .get_template("report.html")
        .render(
            data=data,
            rows={row.key: row for row in data.rows},
            drawing=Markup(data.drawing),  # noqa: S704 - texts in it are escaped
            embedded=Markup(_embedded(data)),  # noqa: S704 - escaped below
            groups=wording.grouped(data.assumptions),
            scale=wording.scale(data.rows),
            palette=palette,
        )
    )


def _embedded(data: ReportData) -> str:
    """Return the data of the charts as JSON that is safe inside a script element."""
    content = asdict(data)
    for name in ("assumptions", "drawing", "rows", "versions"):
        del content[name]
    for side in content["sides"]:
        side["strip_length"] = len(side["strip"])
        side["strip"] = base64.b64encode(zlib.compress(side["strip"].encode("ascii"), 9)).decode("ascii")
    content |= {
        "format": FORMAT,
        "states": [
            {"code": int(state), "light": light, "dark": dark, "name": name}
            for state, (light, dark, name) in palette.MACHINE_STATES.items()
        ],
        "energy_states": {cause: int(state) for cause, state in palette.ENERGY_CAUSES.items()},
        "loss_states": {reason: int(state) for reason, state in palette.LOSS_REASONS.items()},
        "colours": palette.SCENARIOS,
    }
    text = json.dumps(_finite(content), ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e").replace("\u2028", "\\u2028")


def _finite(value: Any) -> Any:
    """Replace infinity and NaN by null, and round to the six digits that a chart needs."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value
