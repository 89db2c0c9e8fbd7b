"""Sphinx configuration: `python -m sphinx -W -n docs site` builds the documentation; the extra [docs] installs it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from factory_sim.version import VERSION

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ANCHOR = re.compile(r'<a id="(\w+)"></a>')

project = "factory_sim"
author = "the factory_sim developers"
copyright = "the factory_sim developers, Apache-2.0"  # noqa: A001 - Sphinx's name
version = release = VERSION

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["generated/*"]
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]

napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_ivar = True  # attributes are described once, as members
autodoc_typehints = "description"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
nitpick_ignore_regex = [("py:.*", r".*")]  # types of pandas, NumPy and private modules have no page here

html_theme = "furo"
html_title = f"factory_sim {VERSION}"
html_static_path: list[str] = []


def move_anchors(_app: object, _name: str, source: list[str]) -> None:
    """Turn `<a id="x"></a>` in a paragraph, which GitHub needs, into a MyST target before it."""
    blocks = source[0].split("\n\n")
    for i, block in enumerate(blocks):
        if names := ANCHOR.findall(block):
            blocks[i] = "".join(f"({name})=\n" for name in names) + ANCHOR.sub("", block).lstrip("\n")
    source[0] = "\n\n".join(blocks)


def setup(app: Sphinx) -> None:
    """Connect the hook."""
    app.connect("source-read", move_anchors)
