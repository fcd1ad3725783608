"""Layout of figures: styles, panels, legends, and the texts of a figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from analysis.figures.drawing import levels_of
from analysis.figures.inline import say_arms

MOST_ARMS = 8
"""Most arms of a figure. If there are more, the first are drawn, since more lines cannot be told apart."""
MOST_PANELS = 4
ALONE = 7.0  # inches, the width of a panel that is alone: a wider one is too small to read on a narrow screen
MOST_ROWS = 40
MOST_WORDS = 12  # most values in the alternative text of a figure
INK, PAPER_WHITE = "#1b1b1c", "#ffffff"
"""Colours of text and background, which the page swaps in dark mode."""


@dataclass(frozen=True)
class Style:
    """A layout of figures.

    Attributes:
        width: Width of a figure, in inches.
        row: Height of a row of panels, in inches.
        narrow: Whether the panels of a row are stacked.
        suffixes: Suffixes of the files that are written.
        settings: Settings of matplotlib.
    """

    width: float
    row: float
    narrow: bool
    suffixes: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


_SETTINGS: dict[str, Any] = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    "axes.facecolor": PAPER_WHITE, "figure.facecolor": PAPER_WHITE, "savefig.facecolor": PAPER_WHITE,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
    "grid.alpha": 0.3, "axes.titlesize": "medium", "figure.dpi": 100, "savefig.dpi": 160,
    "svg.hashsalt": "resnet-report", "legend.frameon": False,
}  # fmt: skip
_PAPER: dict[str, Any] = {
    **_SETTINGS, "font.size": 7, "legend.fontsize": 6, "lines.linewidth": 1.0, "lines.markersize": 3,
    "axes.linewidth": 0.6, "savefig.dpi": 600, "pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none",
}  # fmt: skip
STYLES = {
    "screen": Style(10.0, 3.0, False, ("svg", "png"), _SETTINGS),
    # 89 mm is a single column of Nature's, 3.5 inches one of IEEE's; 183 mm and 7.2 inches are two of them. Both ask
    # for TrueType fonts and text as text.
    "paper": Style(3.5, 2.0, True, ("svg", "png", "pdf"), _PAPER),
    "paper-wide": Style(7.2, 2.0, False, ("svg", "png", "pdf"), _PAPER),
}


@dataclass(frozen=True)
class Drawn:
    """A figure with its texts.

    Attributes:
        name: File name without its suffix.
        title: Title of the figure.
        figure: The figure.
        alt: Alternative text: what the figure shows.
        caption: Caption: how to read the figure.
    """

    name: str
    title: str
    figure: Figure
    alt: str
    caption: str


@dataclass(frozen=True)
class Arms:
    """The labels that are drawn, and the number of all labels."""

    drawn: list[str]
    total: int

    @classmethod
    def from_labels(cls, labels: "pd.Series[Any]") -> "Arms":
        """Return an instance with the first labels of the data."""
        levels = [str(level) for level in levels_of(labels)]
        return cls(levels[:MOST_ARMS], len(levels))

    def rows(self, data: pd.DataFrame) -> pd.DataFrame:
        """Return the rows whose label is drawn."""
        return data[data["label"].isin(self.drawn)]

    @property
    def note(self) -> str:
        """Return a sentence on the arms that are not drawn, or an empty text."""
        left = self.total - len(self.drawn)
        return f" The first {len(self.drawn)} of {self.total} arms are drawn; the tables have all." if left else ""


def some(levels: Sequence[Any], most: int) -> list[Any]:
    """Return at most `most` levels, spaced evenly from the first to the last."""
    if len(levels) <= most:
        return list(levels)
    return [levels[round(i * (len(levels) - 1) / (most - 1))] for i in range(most)]


def panels(
    rows: int, columns: int, style: Style, *, height: float | None = None, transposed: bool = True, **options: Any
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure and its axes by row and column. In a narrow style, rows and columns are swapped."""
    turned = style.narrow and transposed
    lines, across = (columns, rows) if turned else (rows, columns)
    width = min(style.width, ALONE) if rows == columns == 1 else style.width
    figure = Figure(figsize=(width, (height or style.row) * lines + 0.6), layout="constrained")
    axes = figure.subplots(lines, across, squeeze=False, **options)
    return figure, [list(line) for line in (axes.T if turned else axes)]


def outer(axes: list[list[Axes]], style: Style) -> None:
    """Remove labels of y right of the first panel of a row, and labels of x above the last panel of a column."""
    for line in axes:
        for ax in line[1:] if not style.narrow else []:
            ax.set_ylabel("")
    last = [line[-1] for line in axes] if style.narrow else axes[-1]
    if axes[0][0].get_xlabel() == axes[-1][0].get_xlabel():
        for ax in (ax for line in axes for ax in line if ax not in last):
            ax.set_xlabel("")


def legend_below(figure: Figure, *axes: Axes, arms: bool = True) -> None:
    """Add a legend for the lines of axes, with each name once.

    Args:
        figure: The figure.
        *axes: Axes with labelled lines.
        arms: Whether the entries are arms, which a page highlights when the entry is clicked.
    """
    named = {text: handle for ax in axes for handle, text in zip(*ax.get_legend_handles_labels(), strict=True)}
    longest = max(map(len, named), default=0)
    size = FontProperties(size=rcParams["legend.fontsize"]).get_size_in_points()
    fit = int(figure.get_figwidth() / (size * (0.05 + 0.0075 * longest)))
    columns = max(1, min(1 if figure.get_figwidth() < 5 else 2 if longest > 40 else 4, fit))
    legend = figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=columns)
    if arms:
        say_arms(legend, list(named.values()))
