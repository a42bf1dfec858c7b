"""The lineage graph as SVG: a column per kind, a box per node; read out as one picture with its table below."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from xml.etree import ElementTree as Xml

from components.registry.lineage_graph import ORDER, LineageGraph, Node

_WIDE, _HIGH, _GAP, _LINE, _TOP = 158, 38, 36, 50, 30
_PAPER = """svg{background:#fff;font:13px system-ui,sans-serif}text{fill:#1b2326}.head{fill:#5d6a70;font-size:12px}
rect{fill:#fff;stroke:#8a969c}path{fill:none;stroke:#8a969c}a text{fill:#0f6e80;text-decoration:underline}
.good rect{fill:#e2f3e8;stroke:#17693a}.bad rect{fill:#fdeaea;stroke:#9b1c1c}.warn rect{fill:#fdf1da;stroke:#7a4b00}"""
_TONE = {
    "passed": "good", "champion": "good", "refused": "bad", "challenger": "warn", "not enough evidence": "warn",
}  # fmt: skip
Place = tuple[float, float]


def lineage_svg(
    graph: LineageGraph, *, title: str, href: Callable[[Node], str | None], alone: bool = False
) -> str:
    """``alone``: with its own style, to be saved; else the page's style sheet colours it, light or dark.

    Args:
        href: the page of a node, for those that have one.
    """
    places = _places(graph)
    width = len(ORDER) * (_WIDE + _GAP) - _GAP + 4
    height = max((y for _, y in places.values()), default=0.0) + _HIGH + 4
    size = {"viewBox": f"0 0 {width} {height:g}", "width": str(width), "height": f"{height:g}"}
    svg = Xml.Element("svg", {"class": "lineage", "role": "group", "aria-label": title, **size})
    Xml.SubElement(svg, "title").text = title
    if alone:
        svg.set("xmlns", "http://www.w3.org/2000/svg")
        Xml.SubElement(svg, "style").text = _PAPER
    for column, kinds in enumerate(ORDER):
        head = {"class": "head", "x": f"{column * (_WIDE + _GAP) + 2}", "y": "16"}
        Xml.SubElement(svg, "text", head).text = ", ".join(kinds)
    for edge in graph.edges:
        Xml.SubElement(svg, "path", {"d": _curve(places, edge), "aria-hidden": "true"})
    for node in graph.nodes:
        _box(svg, node, places[node.key], None if alone else href(node))
    return Xml.tostring(svg, encoding="unicode")


def _places(graph: LineageGraph) -> dict[str, Place]:
    """A line per version; what several versions share stands beside the first that has it."""
    lines = {n.key: line for line, n in enumerate(n for n in graph.nodes if n.kind == "model version")}
    wanted = dict(lines)
    for before, after in reversed(graph.edges):
        if after in wanted:
            wanted[before] = min(wanted[after], wanted.get(before, wanted[after]))
    for before, after in graph.edges:
        wanted.setdefault(after, wanted.get(before, 0))
    taken: dict[int, set[float]] = {}
    places = {}
    for node in sorted(graph.nodes, key=lambda one: wanted.get(one.key, 0)):
        column = graph.column(node)
        line = float(wanted.get(node.key, 0))
        while line in taken.setdefault(column, set()):
            line += 1.0
        taken[column].add(line)
        places[node.key] = (column * (_WIDE + _GAP) + 2.0, _TOP + line * _LINE)
    return places


def _curve(places: Mapping[str, Place], edge: tuple[str, str]) -> str:
    (x, y), (to_x, to_y) = (places[key] for key in edge)
    x, y, to_y = x + _WIDE, y + _HIGH / 2, to_y + _HIGH / 2
    middle = to_x - _GAP / 2
    return f"M{x:g} {y:g} H{middle - _GAP / 2:g} C{middle:g} {y:g} {middle:g} {to_y:g} {to_x:g} {to_y:g}"


def _box(svg: Xml.Element, node: Node, place: Place, href: str | None) -> None:
    x, y = place
    tone = next((_TONE[word] for word in (node.state, *node.state.split(", ")) if word in _TONE), "")
    group = Xml.SubElement(svg, "g", {"class": f"node {tone}".strip()})
    Xml.SubElement(
        group, "rect", {"x": f"{x:g}", "y": f"{y:g}", "width": str(_WIDE), "height": str(_HIGH), "rx": "6"}
    )
    parent = Xml.SubElement(group, "a", {"href": href}) if href else group
    said = f"{node.name}: {node.state}" if node.kind == "gate" else f"{node.name} {node.state}".strip()
    middle = {"x": f"{x + 10:g}", "y": f"{y + _HIGH / 2 + 5:g}"}
    Xml.SubElement(parent, "text", middle).text = said
