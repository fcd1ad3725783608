"""Figures cut into panels for a page, what their points say, and scales whose labels can be read."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from analysis import plots
from analysis.figures import inline, layout, marks, scales
from analysis.figures.layout import STYLES
from analysis.pages import report
from tests.analysis.synthetic import PAGE, study

ARMS = [{"depth": depth, "skip": skip} for depth in (8, 20) for skip in ("none", "A")]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    root = tmp_path_factory.mktemp("inline")
    folder = study(
        root / "study", ARMS, 2, value=lambda run: 0.1 + 0.01 * run.seed, layers=lambda run: run.factors["depth"],
        fate=lambda run: "crashed" if run.seed == 1 and run.factors["skip"] == "A" else "completed",
    )  # fmt: skip
    return report.write(report.read(folder), root / "report", PAGE)[0].read_text()


@pytest.fixture
def runs():
    rows = [(f"r{i}", "A", layers, i, 0.1 * i) for i, layers in enumerate((8, 8, 20, 20))]
    return pd.DataFrame(rows, columns=["run", "label", "layers", "seed", "test_error"])


@pytest.mark.parametrize("colorbar", [False, True])
def test_the_panels_of_a_figure_cover_it_without_overlap(colorbar):
    figure, axes = layout.panels(2, 3, STYLES["screen"], sharey="row")
    for ax in (ax for line in axes for ax in line):
        ax.plot([1, 2], [1, 2], label="a")
    if colorbar:
        figure.colorbar(axes[0][0].imshow([[1, 2]]), ax=[ax for line in axes for ax in line])
    layout.legend_below(figure, axes[0][0])
    figure.get_layout_engine().execute(figure)
    width, columns, panels, (key,) = inline.cut(figure)
    assert sum(columns) == pytest.approx(width) == 720
    assert len(panels) == 6 + colorbar
    right, bottom = (max(panel.box[i] + panel.box[i + 2] for panel in panels) for i in (0, 1))
    area = sum(panel.box[2] * panel.box[3] for panel in panels)
    assert (right, area) == (pytest.approx(720), pytest.approx(right * bottom))
    assert bottom < key.box[1] + key.box[3] <= 72 * figure.get_figheight() + 3
    for panel in panels[:6]:  # the scale of y is that of the first of the row
        assert (panel.strip is None) == (panel.place[1] == 1)
    plt.close("all")


def test_a_panel_whose_scale_is_its_own_has_no_other_beside_it():
    figure, _ = layout.panels(1, 2, STYLES["screen"])
    figure.get_layout_engine().execute(figure)
    assert [panel.strip for panel in inline.cut(figure)[2]] == [None, None]


def test_a_point_says_its_arm_its_seed_and_its_value(runs):
    figure, ax = plt.subplots()
    plots.measure_by_depth(runs, hue="label", ax=ax)
    named = marks.named(figure)
    tips = [tip for mark in named.values() for tip in mark.tips]
    assert "A, 8 layers: mean test error 0.05 [0, 0.6853], 2 of 2 runs" in tips
    assert "A, seed 3, 20 layers: test error 0.3" in tips
    assert {mark.arm for mark in named.values()} == {"A"}
    plt.close(figure)


def test_a_page_has_no_id_twice_and_every_reference_is_there(page):
    ids = re.findall(r'<[^>]* id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    named = set(re.findall(r' href="#([^"]+)"|url\(#([^)]+)\)', page))
    assert {first or other for first, other in named} <= set(ids)


def test_arms_measures_and_points_of_a_page_can_be_told(page):
    assert set(re.findall(r'data-arm="([^"]+)"', page)) == {"skip=none", "skip=A"}
    assert {"test_error", "train_error"} <= set(re.findall(r'data-measure="([^"]+)"', page))
    assert 'data-tip="skip=none, seed 1, 8 layers: test error 0.11"' in page
    assert 'data-tip="skip=A, seed 1, 8 layers, crashed"' in page


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1e-3, 1e3, ["0.001", "0.1", "10", "1000"]),
        (1.2e5, 1.9e6, ["200k", "500k", "1M"]),
        (2.1, 3.4, ["2", "2.4", "2.8", "3.2", "3.6"]),
        (1e-7, 1e-4, ["10⁻⁷", "10⁻⁶", "10⁻⁵", "10⁻⁴"]),
    ],
)
def test_a_log_scale_has_labels_that_can_be_read_whatever_it_spans(low, high, expected):
    label = scales.count if low > 1e4 else scales.number
    labels = [label(tick) for tick in scales.LogTicks().tick_values(low, high)]
    assert 2 <= len(labels) <= scales.MOST_LABELS
    assert labels == expected if len(labels) == len(expected) else set(labels) <= set(expected)


def test_a_log_axis_within_a_decade_has_several_labels():
    figure, ax = plt.subplots()
    ax.plot([1, 2], [0.21, 0.34])
    scales.log(ax.yaxis)
    figure.draw_without_rendering()
    low, high = ax.get_ylim()
    assert sum(low <= tick <= high for tick in ax.get_yticks()) >= 2
    plt.close(figure)


def test_labels_of_depths_that_would_collide_are_left_out():
    assert scales.apart([8, 20, 56]) == pytest.approx([8, 20, 56])
    assert scales.apart([8, 9, 56]) == pytest.approx([8, 56])


def test_an_arm_that_explodes_does_not_set_the_scale_of_the_others():
    rows = [
        (label, 8, loss) for label, last in (("a", 2.0), ("b", 3.0), ("c", 1e9)) for loss in (last, last / 2, np.inf)
    ]
    end, beyond = scales.ceiling(pd.DataFrame(rows, columns=["label", "layers", "loss"]), "loss")
    assert end == 4.5
    assert beyond.to_numpy().tolist() == [["c", 8, 1e9]]
    assert scales.ceiling(pd.DataFrame(rows[:6], columns=["label", "layers", "loss"]), "loss") is None
    figure, ax = plt.subplots()
    ax.plot([1, 2, 3], [1, 5e8, 1e9])
    scales.cut_at(ax, end)
    assert ax.get_ylim()[1] == 4.5
    assert ax.get_lines()[-1].get_xdata().tolist() == [2]
    plt.close(figure)
