"""A figure within a page: its SVG is cut into panels, which stand side by side, or below each other on narrow screens.

Each panel is a part of the figure, so nothing is drawn twice. If panels stand below each other, a panel that shares the
y scale of the first panel of its row is shown with a copy of that scale. Entries of the legend are parts, too.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis.figures.marks import Mark, arm_of, measure_of

_SVG = "{http://www.w3.org/2000/svg}"
COLORBAR = "<colorbar>"
Box = tuple[float, float, float, float]
"""Left, top, width and height in points, from the figure's upper left corner."""


@dataclass(frozen=True)
class Panel:
    """A panel of a figure.

    Attributes:
        box: Part of the figure that the panel takes.
        place: Row, column, and numbers of rows and columns of the panel, counted from 1.
        axes: Number of the panel's axes in the figure, counted from 1.
        strip: If the panel shares the y scale of the first panel of its row: the part with that scale, and the number
            of its axes.
        measure: Measure that the panel shows; empty if unknown.
    """

    box: Box
    place: tuple[int, int, int, int]
    axes: int
    strip: tuple[Box, int] | None = None
    measure: str = ""


@dataclass(frozen=True)
class Key:
    """An entry of a legend: the part of the figure, the text, and the arm that it explains."""

    box: Box
    text: str
    arm: str


@dataclass(frozen=True)
class Inline:
    """A figure that is cut into parts.

    Attributes:
        width: Width of the figure, in points.
        columns: Widths of the columns of panels.
        panels, keys: Panels, and entries of the legend.
        svg: Content of each panel by the number of its axes; `store` has shared definitions and the legend.
    """

    width: float
    columns: tuple[float, ...]
    panels: tuple[Panel, ...]
    keys: tuple[Key, ...]
    svg: Mapping[int, str]
    store: str
    name: str


def cut(figure: Figure) -> tuple[float, tuple[float, ...], tuple[Panel, ...], tuple[Key, ...]]:
    """Return the width, the widths of the columns, the panels and the keys of a figure after its layout."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = {ax: _box(figure, ax.get_tightbbox(renderer)) for ax in figure.axes}
    grid = [ax for ax in figure.axes if ax.get_label() != COLORBAR and ax.get_subplotspec() is not None and ax.axison]
    bars = [ax for ax in figure.axes if ax.get_label() == COLORBAR]
    width, height = (72 * inches for inches in figure.get_size_inches())
    legends = [_box(figure, legend.get_tightbbox(renderer)) for legend in figure.legends]
    right = min((boxes[ax][0] - 2 for ax in bars), default=width)
    bottom = min((box[1] for box in legends), default=height)
    spans = {ax: _span(ax) for ax in grid}
    xs = _edges([(spans[ax][0], boxes[ax][0], boxes[ax][0] + boxes[ax][2]) for ax in grid], right)
    ys = _edges([(spans[ax][1], boxes[ax][1], boxes[ax][1] + boxes[ax][3]) for ax in grid], bottom)
    panels = [_panel(ax, spans[ax], xs, ys, figure, boxes) for ax in grid]
    for ax in bars:
        place = (1, len(xs), len(ys) - 1, 1)
        panels.append(Panel((right, 0.0, width - right, bottom), place, figure.axes.index(ax) + 1))
    columns = [b - a for a, b in itertools.pairwise(xs)] + ([width - right] if bars else [])
    return width, tuple(columns), tuple(panels), tuple(_keys(figure, renderer))


def _span(ax: Any) -> tuple[range, range]:
    """Return the columns and the rows that axes take."""
    place = ax.get_subplotspec()
    return place.colspan, place.rowspan


def _panel(
    ax: Axes, span: tuple[range, range], xs: Sequence[float], ys: Sequence[float], figure: Figure,
    boxes: Mapping[Axes, Box],
) -> Panel:  # fmt: skip
    across, down = span
    left, top = xs[across.start], ys[down.start]
    box = (left, top, xs[across.stop] - left, ys[down.stop] - top)
    shared = [other for other in ax.get_shared_y_axes().get_siblings(ax) if other in boxes and other is not ax]
    row = [other for other in shared if _span(other)[1] == down]
    first = min(row, key=lambda other: boxes[other][0], default=None)
    strip = None
    if first is not None and _span(first)[0].start < across.start:
        spine = first.get_position().x0 * 72 * figure.get_figwidth()
        start = xs[_span(first)[0].start]
        strip = ((start, top, spine - start, box[3]), figure.axes.index(first) + 1)
    place = (down.start + 1, across.start + 1, len(down), len(across))
    return Panel(box, place, figure.axes.index(ax) + 1, strip, measure_of(ax))


def _edges(spans: Sequence[tuple[range, float, float]], end: float) -> list[float]:
    """Return the edges between rows or columns: halfway between the elements on both sides."""
    count = max((span.stop for span, _, _ in spans), default=1)
    edges = [0.0]
    for i in range(1, count):
        before = max((high for span, _, high in spans if span.stop == i), default=edges[-1])
        after = min((low for span, low, _ in spans if span.start == i), default=before)
        edges.append((before + after) / 2)
    return [*edges, end]


def _box(figure: Figure, bbox: Any) -> Box:
    width, height = (72 * inches for inches in figure.get_size_inches())
    (x0, y0), (x1, y1) = figure.transSubfigure.inverted().transform(bbox.get_points())
    return x0 * width, (1 - y1) * height, (x1 - x0) * width, (y1 - y0) * height


def _keys(figure: Figure, renderer: Any) -> Iterator[Key]:
    for legend in figure.legends:
        legend.draw(renderer)  # this places its texts
        size = float(legend.get_texts()[0].get_fontsize()) if legend.get_texts() else 0.0
        before = (legend.handlelength + legend.handletextpad) * size
        for text, arm in zip(legend.get_texts(), arms_of(legend), strict=True):
            left, top, width, height = _box(figure, text.get_window_extent(renderer))
            yield Key((left - before - 2, top - 3, width + before + 4, height + 6), text.get_text(), arm)


def say_arms(legend: Any, handles: Sequence[Any]) -> None:
    """Store the arms that the entries of a legend explain."""
    legend._resnet_arms = [arm_of(handle) for handle in handles]


def arms_of(legend: Any) -> list[str]:
    """Return the arms that the entries explain; empty texts for entries that explain none."""
    return getattr(legend, "_resnet_arms", None) or [""] * len(legend.get_texts())


def inlined(
    svg: bytes, name: str, parts: tuple[float, tuple[float, ...], tuple[Panel, ...], tuple[Key, ...]],
    marks: Mapping[str, Mark],
) -> Inline:  # fmt: skip
    """Return a figure's SVG in parts. Ids begin with `name`, so the ids of two figures differ.

    Args:
        svg: SVG that matplotlib has written.
        name: Name of the figure.
        parts: What `cut` returns.
        marks: Meaning of elements, by their ids.
    """
    ElementTree.register_namespace("", _SVG[1:-1])
    root = ElementTree.fromstring(_prefixed(svg.decode(), name))
    groups = {child.get("id", ""): child for child in root.iter(f"{_SVG}g")}
    for gid, mark in marks.items():
        if f"{name}-{gid}" in groups:
            _say(groups[f"{name}-{gid}"], mark)
    for image in root.iter(f"{_SVG}image"):
        image.attrib.pop("id", None)  # equal images have the same id, and nothing refers to it
    whole = groups[f"{name}-figure_1"]
    axes = [child for child in whole if child.get("id", "").startswith(f"{name}-axes_")]
    contents = {i: _text(child) for i, child in enumerate(axes, 1)}
    rest = [child for child in whole if child.get("id", "").startswith(f"{name}-legend_")]
    defs = [child for child in root if child.tag == f"{_SVG}defs"]
    store = "".join(map(_text, [*defs, *rest]))
    width, columns, panels, keys = parts
    return Inline(width, columns, panels, keys, contents, store, name)


def _prefixed(svg: str, name: str) -> str:
    svg = svg[svg.index("<svg") :].replace("xlink:href", "href")
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.S)
    return re.sub(r'( id="| href="#|url\(#)', rf"\g<1>{name}-", svg)


def _say(group: ElementTree.Element, mark: Mark) -> None:
    """Write the meaning of an element into its attributes, and that of its points into theirs."""
    if mark.arm:
        group.set("data-arm", mark.arm)
    points = [use for use in group.iter(f"{_SVG}use") if use.get("x") is not None] or list(group.iter(f"{_SVG}path"))
    if len(points) != len(mark.tips):
        return
    for i, (point, tip) in enumerate(zip(points, mark.tips, strict=True)):
        point.set("data-tip", tip)
        if mark.arms:
            point.set("data-arm", mark.arms[i])


def _text(element: ElementTree.Element) -> str:
    text = ElementTree.tostring(element, encoding="unicode").replace(' xmlns="http://www.w3.org/2000/svg"', "")
    return re.sub(r"\s*\n\s*", " ", text)
