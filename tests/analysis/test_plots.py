import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex

from analysis import plots, tables
from analysis.figures import search_plots
from resnet_core.errors import UserError


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


@pytest.fixture
def runs():
    rows = [(f"r{i}", skip, layers, seed) for i, (skip, layers, seed) in enumerate(
        (skip, layers, seed) for skip in ("none", "A") for layers in (8, 20) for seed in range(3)
    )]  # fmt: skip
    data = pd.DataFrame(rows, columns=["run", "skip", "layers", "seed"])
    skips = pd.Categorical(data["skip"], ["none", "A"], ordered=True)
    return data.assign(skip=skips, test_error=np.arange(12) / 20, macs=data["layers"] * 100.0)


@pytest.fixture
def probes(runs):
    sites = pd.DataFrame([(step, index) for step in (0, 5) for index in range(4)], columns=["step", "index"])
    table = runs[["run", "skip"]].merge(sites, how="cross").assign(probe="weight_gradient_l2")
    return table.assign(value=10.0 ** -table["index"] * (1 + table["step"]))


@pytest.fixture
def epochs(runs):
    table = runs[["run", "skip"]].merge(pd.DataFrame({"step": [1, 2, 3]}), how="cross")
    return table.assign(loss=1.0 / table["step"])


@pytest.fixture
def trials():
    return pd.DataFrame({
        "trial": [1, 2, 3, 4, 5], "status": ["completed", "completed", "diverged", "completed", "crashed"],
        "skip": ["A", "none", "A", "none", "A"], "width": [4.0, 8.0, np.nan, 4.0, 16.0],
        "rate": [0.001, 0.01, 0.1, 0.01, 0.02],
        "val_accuracy": [0.5, 0.7, 0.9, 0.6, np.nan], "macs": [1e4, 2e4, 1e3, 4e4, 2e4],
    })  # fmt: skip


EFFECTS = pd.DataFrame({"label": ["a", "b"], "effect": [0.1, np.nan], "low": [0.0, np.nan], "high": [0.2, np.nan]})


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize(
    ("function", "table", "options"),
    [
        (plots.measure_by_depth, "runs", {"hue": "skip"}),
        (plots.measure_by_arm, "runs", {"y": "skip"}),
        (plots.gradient_by_depth, "probes", {"hue": "skip", "style": "step"}),
        (plots.gradient_over_training, "probes", {}),
        (plots.learning_curve, "epochs", {"hue": "skip"}),
        (plots.distribution, "runs", {"hue": "skip"}),
        (plots.measure_against_cost, "runs", {"y": "test_error", "hue": "skip"}),
        (plots.forest, "effects", {}),
        (plots.best_so_far, "trials", {"hue": "skip"}),
        (plots.pareto_front, "trials", {"hue": "skip"}),
        (plots.parallel_coordinates, "trials", {"columns": ["skip", "width", "rate"], "hue": "val_accuracy"}),
    ],
)
def test_a_figure_is_drawn_on_the_axes_given_or_the_current_ones_and_returns_them(
    function, table, options, ax, request
):  # fmt: skip
    data = EFFECTS if table == "effects" else request.getfixturevalue(table)
    before = data.copy()
    assert function(data, **options, ax=ax) is ax
    assert ax.has_data()
    other, current = plt.subplots()
    assert function(data, **options) is current
    plt.close(other)
    pd.testing.assert_frame_equal(data, before)
    with pytest.raises(UserError, match=r"needs the columns that it is of, but the table has no `nothing`"):
        function(data, **options | {"hue" if "hue" in options else "x": "nothing"}, ax=ax)


def test_the_line_is_the_mean_and_the_band_its_interval(runs, ax):
    plots.measure_by_depth(runs, hue="skip", ax=ax)
    expected = tables.means(runs[runs["skip"] == "A"], ["layers"], "test_error")
    line = ax.get_lines()[1]
    assert line.get_ydata().tolist() == expected["mean"].tolist()
    assert labels(ax) == ["none (6 of 6)", "A (6 of 6)"]


@pytest.mark.parametrize(
    ("failed", "word", "marker"),
    [([True], "failed", 1), ([False], "no result", 1), ([True, False], "failed or no result", 2), (None, "failed", 1)],
)
@pytest.mark.parametrize("draw", [plots.measure_by_depth, plots.measure_by_arm])
def test_runs_without_a_value_are_in_a_lane_outside_the_scale(draw, failed, word, marker, runs, ax):
    count = len(failed or [None])
    runs.loc[: count - 1, "test_error"] = np.nan
    if failed:
        runs["failed"] = False
        runs.loc[: count - 1, "failed"] = failed
    across = draw is plots.measure_by_arm
    draw(runs, hue="skip", ax=ax, **({"y": "skip"} if across else {}))
    assert labels(ax)[0] == f"none ({6 - count} of 6)"
    (lane,) = ax.child_axes
    drawn = np.concatenate([points.get_offsets() for points in lane.collections])
    assert len(drawn) == count
    assert len(lane.collections) == marker
    assert ((drawn[:, 0 if across else 1] > 0) & (drawn[:, 0 if across else 1] < 1)).all()
    assert len(np.unique(drawn, axis=0)) == count
    assert [tick.get_text() for tick in (lane.get_xticklabels() if across else lane.get_yticklabels())] == [word]
    ax.figure.draw_without_rendering()
    outside, inside = lane.get_window_extent(), ax.get_window_extent()
    assert (outside.x0 > inside.x1) if across else (outside.y0 > inside.y1)


def test_hue_order_decides_the_order_of_the_colours(runs, ax):
    plots.distribution(runs, hue="skip", hue_order=["A", "none"], palette=["#112233", "#445566"], ax=ax)
    assert [to_hex(line.get_color()) for line in ax.get_lines()] == ["#112233", "#445566"]
    assert labels(ax) == ["A (6 of 6)", "none (6 of 6)"]


def test_a_distribution_of_lost_runs_ends_below_one(runs, ax):
    runs.loc[[0, 1, 2], "test_error"] = np.nan
    plots.distribution(runs, hue="skip", ax=ax)
    assert ax.get_lines()[0].get_ydata().max() == 0.5
    assert ax.get_lines()[1].get_ydata().max() == 1.0


def test_the_gradient_is_that_of_the_values_above_0_on_a_log_scale(probes, ax):
    probes.loc[probes["index"] == 3, "value"] = 0.0
    plots.gradient_by_depth(probes[probes["step"] == 0], hue="skip", ax=ax)
    assert ax.get_yscale() == "log"
    assert np.asarray(ax.get_lines()[0].get_ydata())[:3] == pytest.approx([1.0, 0.1, 0.01])
    assert np.isnan(ax.get_lines()[0].get_ydata()[3])


def test_gradients_of_two_probes_are_refused(probes, ax):
    both = pd.concat([probes, probes.assign(probe="activation_gradient_l2")])
    with pytest.raises(UserError, match="must be of one probe, but the table has activation_gradient_l2, weight_"):
        plots.gradient_by_depth(both, ax=ax)


def test_a_heat_map_is_log10_layer_by_step(probes, ax):
    plots.gradient_over_training(probes, ax=ax)
    assert ax.collections[0].get_array().reshape(4, 2)[:, 0].tolist() == pytest.approx([0, -1, -2, -3])


def test_the_mean_of_a_learning_curve_is_of_the_runs_that_reached_its_end(epochs, ax):
    epochs = epochs[~((epochs["run"] == "r0") & (epochs["step"] == 3))].assign(
        loss=lambda rows: rows["loss"].where(rows["run"] != "r0", 100.0)
    )
    plots.learning_curve(epochs, hue="skip", ax=ax)
    assert labels(ax)[0] == "none (5 of 6)"
    assert np.asarray(ax.get_lines()[1].get_ydata()) == pytest.approx([1.0, 1 / 2, 1 / 3])


def test_of_many_runs_a_learning_curve_has_their_range(ax):
    data = pd.DataFrame(
        [(f"r{i}", step, float(i)) for i in range(100) for step in (1, 2)], columns=["run", "step", "loss"]
    )
    plots.learning_curve(data, ax=ax)
    assert len(ax.get_lines()) == 1
    assert ax.collections[0].get_datalim(ax.transData).ymax == 99


def test_best_so_far_is_of_what_was_completed_and_goes_on_to_the_last_trial(trials, ax):
    plots.best_so_far(trials, ax=ax)
    line = ax.get_lines()[0]
    assert line.get_xdata().tolist() == [1, 2, 3, 4, 5, 5]
    assert line.get_ydata().tolist() == [0.5, 0.7, 0.7, 0.7, 0.7, 0.7]
    points = [points.get_offsets().tolist() for points in ax.collections]
    assert points == [[[1, 0.5], [2, 0.7], [4, 0.6]], [[3, 0.9]]]
    assert [points.get_offsets().tolist() for points in ax.child_axes[0].collections] == [[[5, 0.5]]]


def test_the_least_may_be_the_best(trials, ax):
    plots.best_so_far(trials.drop(columns="status"), direction="min", ax=ax)
    assert ax.get_lines()[0].get_ydata().tolist() == [0.5] * 6


def test_the_front_is_of_what_was_completed_and_that_of_all_colours(trials, ax):
    plots.pareto_front(trials, hue="skip", ax=ax)
    assert ax.get_lines()[0].get_xydata().tolist() == [[1e4, 0.5], [2e4, 0.7]]
    assert ax.get_xscale() == "log"
    assert labels(ax) == ["A (2 of 3)", "none (2 of 2)", "front (2)"]


@pytest.mark.parametrize(
    ("directions", "front", "where"),
    [
        (("min", "max"), [[1, 1], [2, 3]], "steps-post"),
        (("max", "max"), [[2, 3], [3, 2]], "steps-pre"),
        (("min", "min"), [[1, 1]], "steps-post"),
        (("max", "min"), [[1, 1], [3, 2]], "steps-pre"),
    ],
)
def test_a_front_is_a_staircase_on_the_side_of_what_is_reached(directions, front, where, ax):
    data = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [1.0, 3.0, 2.0]})
    plots.pareto_front(data, x="x", y="y", directions=directions, ax=ax)
    line = ax.get_lines()[0]
    assert line.get_xydata().tolist() == front
    assert line.get_drawstyle() == where


def test_parallel_coordinates_go_through_levels_logarithms_and_beside_what_is_inactive(trials, ax):
    plots.parallel_coordinates(trials, columns=["skip", "rate", "width"], ax=ax)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["skip", "rate", "width", "validation accuracy"]
    lines = next(each for each in ax.collections if len(each.get_segments()) == 4 and each.get_array() is not None)
    assert lines.get_array().tolist() == [0.5, 0.6, 0.7, 0.9]  # the best is on top
    places = np.array([line[:, 0] for line in lines.get_segments()])
    expected = [[0, 0, 0, 0], [1, 0.5, 0, 0.25], [1, 0.5, 1, 0.5], [0, 1, search_plots.ASIDE, 1]]
    assert places == pytest.approx(np.array(expected), abs=1.01 * search_plots.SPREAD)
    assert places[:, -1] == pytest.approx([0, 0.25, 0.5, 1])
    assert {text.get_text() for text in ax.texts} >= {"A", "none", "inactive", "4", "8", "0.001", "0.1"}


def test_parallel_coordinates_of_one_trial_are_drawn(trials, ax):
    plots.parallel_coordinates(trials.head(1), columns=["skip", "width"], direction="min", cbar=False, ax=ax)
    assert len(ax.get_figure().axes) == 1
    assert {text.get_text() for text in ax.texts} == {"A", "4", "0.5"}


def test_the_complementary_distribution_is_the_share_with_as_much_or_more(runs, ax):
    runs.loc[[0, 1, 2], "test_error"] = np.nan
    plots.distribution(runs, hue="skip", complementary=True, ax=ax)
    first, second = (line.get_ydata().tolist() for line in ax.get_lines())
    assert first == pytest.approx([3 / 6, 2 / 6, 1 / 6])  # a run without a value is below all
    assert second[0] == 1.0


def test_a_level_has_one_colour_in_panels_whose_tables_have_another_order(runs, probes):
    _, (left, right) = plt.subplots(1, 2)
    plots.measure_by_depth(runs.astype({"skip": str}), hue="skip", ax=left)
    plots.gradient_by_depth(probes.astype({"skip": str}).iloc[::-1], hue="skip", ax=right)
    legends = [ax.get_legend() for ax in (left, right)]
    first, second = (
        {
            text.get_text().split()[0]: line.get_color()
            for line, text in zip(each.get_lines(), each.get_texts(), strict=True)
        }
        for each in legends
    )
    assert first == second
    assert len(set(first.values())) == 2
    assert right.get_ylabel() == "‖∂L/∂W‖₂ of each layer"
    plt.close("all")
