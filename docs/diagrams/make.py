"""Write the diagrams of docs/design.md as SVG: python docs/diagrams/make.py."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
STYLE = (
    "<style>text{font:14px system-ui,sans-serif;fill:#1c2733;text-anchor:middle}.small{font-size:12px;fill:#4a5866}"
    "rect{fill:#eef3f8;stroke:#5b7c99;rx:6}.own{fill:#dcebdf}path{stroke:#5b7c99;fill:none;marker-end:url(#tip)}</style>"
    '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0L8 4L0 8z" style="fill:#5b7c99;stroke:none;marker-end:none"/></marker>'
)
FLOORS = [
    ("6", ["cli"]),
    ("5", ["api", "validation", "demo"]),
    ("4", ["study", "live"]),
    ("3", ["registry"]),
    ("2", ["sim", "sensing", "wire", "analysis", "views"]),
    ("1", ["plant"]),
    ("0", ["records", "results", "errors", "clock", "units", "jit", "..."]),
]
FLOW = [
    ("plant file", "YAML, tables"),
    ("plant", "frozen data"),
    ("sim", "event log"),
    ("sensing", "readings"),
    ("wire", "MQTT messages"),
    ("analysis", "KPIs, constraint"),
    ("views", "tables, HTML"),
]


def box(x: float, y: float, width: float, height: float, *lines: str) -> str:
    """Return a box with one or two centred lines of text."""
    middle, first = x + width / 2, y + height / 2 + 5 - 9 * (len(lines) - 1)
    texts = "".join(
        f'<text x="{middle:g}" y="{first + 18 * i:g}" class="{"small" if i else "title"}">{line}</text>'
        for i, line in enumerate(lines)
    )
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"/>{texts}'


def svg(width: int, height: int, title: str, *parts: str) -> str:
    """Return a whole picture."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">'
    ground = f'<rect width="{width}" height="{height}" style="fill:#fff;stroke:none"/>'
    return "\n".join([head, STYLE, ground, *parts, "</svg>"]) + "\n"


def architecture() -> str:
    """Return the packages by floor."""
    parts, width = [], 860
    for row, (floor, names) in enumerate(FLOORS):
        y, each = 14 + 62 * row, (width - 110) / len(names)
        parts.append(f'<text x="45" y="{y + 25}" class="small">floor {floor}</text>')
        parts += [box(90 + each * i, y, each - 12, 40, name) for i, name in enumerate(names)]
        if row:
            parts.append(f'<path d="M{width / 2 + 35} {y - 21}V{y - 3}"/>')
    return svg(width, 62 * len(FLOORS) + 8, "Packages by floor; imports point downwards only", *parts)


def data_flow() -> str:
    """Return the stages from a plant file to KPIs."""
    parts, step = [], 132
    for i, (name, gives) in enumerate(FLOW):
        parts.append(box(10 + step * i, 20, step - 26, 62, name, gives))
        if i:
            parts.append(f'<path d="M{step * i - 15} 51H{step * i + 7}"/>')
    for x, text in ((10 + step * 3.4, "one process: run"), (10 + step * 5.4, "another process: listen")):
        parts.append(f'<text x="{x - step * 0.9:g}" y="108" class="small">{text}</text>')
    return svg(step * len(FLOW), 122, "From a plant file to KPIs", *parts)


if __name__ == "__main__":
    (HERE / "architecture.svg").write_text(architecture(), encoding="utf-8")
    (HERE / "data_flow.svg").write_text(data_flow(), encoding="utf-8")
