import numpy as np
import pandas as pd
import pytest

from analysis import labels, tables
from analysis.measures import measured
from analysis.statistics import rate_interval, t_interval
from resnet_core.runs.records.frames import Frames

FACTORS = ["depth", "skip"]


@pytest.fixture
def planned():
    """Two arms of three seeds and one of two, in the order a study lists them."""
    rows = [(20, "none", seed) for seed in range(3)] + [(20, "A", seed) for seed in range(3)]
    rows += [(56, "none", seed) for seed in range(2)]
    frame = pd.DataFrame(rows, columns=[*FACTORS, "seed"])
    frame.insert(0, "run", [f"r{i}" for i in range(len(frame))])
    return frame.assign(skip=tables.in_order(frame["skip"]))


@pytest.fixture
def runs(planned):
    """All but the last are recorded; one of each of the first two arms was lost."""
    runs = planned.iloc[:-1].copy()
    runs["status"] = ["completed", "completed", "diverged", "completed", "crashed", "completed", "completed"]
    runs["step"] = [9, 9, 4, 9, 2, 9, 9]
    runs["test_accuracy"] = [0.5, 0.7, np.nan, 0.9, np.nan, 1.0, 0.1]
    return runs.assign(
        layers=runs["depth"], parameters=10, macs=100, train_accuracy=1.0, train_loss=0.5, test_loss=0.25
    )


@pytest.fixture
def frames(runs):
    runs.loc[runs["status"] != "completed", ["train_accuracy", "train_loss", "test_loss"]] = np.nan
    return Frames(runs.drop(columns=FACTORS), pd.DataFrame(), pd.DataFrame())


def accuracy(planned, frames):
    summarised = tables.summaries(tables.values(planned, frames), FACTORS, 0)
    return tables.accuracy(measured("train_accuracy", planned, frames), FACTORS, summarised)


def test_no_measure_changes_the_numbers_of_another(planned, frames):
    values = tables.values(planned, frames)
    assert len(values) > 2
    together = tables.summaries(values, FACTORS, 0)
    for name, rows in values.items():
        alone = tables.summaries({name: rows}, FACTORS, 0)
        pd.testing.assert_frame_equal(alone, together[together["measure"] == name].reset_index(drop=True))


def test_outcomes_count_every_planned_run(planned, runs):
    counted = tables.outcomes(planned, runs, FACTORS)
    assert counted.iloc[:, :8].to_dict("split")["data"] == [
        [20, "none", 3, 2, 0, 1, 0, 0],
        [20, "A", 3, 2, 0, 0, 1, 0],
        [56, "none", 2, 1, 0, 0, 0, 1],
    ]
    names = ["planned", "completed", "failed_to_train", "diverged", "crashed", "missing"]
    assert list(counted) == [*FACTORS, *names, "failed_rate", "failed_rate_low", "failed_rate_high"]
    assert counted.iloc[0, 8:].tolist() == pytest.approx([1 / 3, *rate_interval(1, 3)])


def test_a_run_that_failed_has_no_value_and_others_are_lost(planned, frames):
    rows = measured("test_accuracy", planned, frames)
    assert rows["value"].fillna(-1).tolist() == [0.5, 0.7, -1, 0.9, -1, 1.0, 0.1, -1]
    assert rows["failed"].tolist() == [False, False, True, *[False] * 5]
    assert rows["status"].tolist()[-2:] == ["completed", "missing"]
    assert np.isnan(measured("test_loss", planned, frames.__class__(
        frames.runs.assign(test_loss=[0.1, np.inf, np.nan, 0.1, 0.1, 0.1, 0.1]), frames.epochs, frames.probes
    ))["value"].tolist()[1])  # fmt: skip


def test_accuracy_is_that_of_plain_pandas_with_n_of_N(planned, frames):
    summary = accuracy(planned, frames)
    assert summary[[*FACTORS, "n", "N", "failed", "lost"]].to_numpy().tolist() == [
        [20, "none", 2, 3, 1, 0],
        [20, "A", 2, 3, 0, 1],
        [56, "none", 1, 2, 0, 1],
    ]
    assert summary["test_accuracy"].tolist() == pytest.approx([0.6, 0.95, 0.1])
    low, high = t_interval(np.array([0.5, 0.7]))
    assert low < 0  # an accuracy is not: the interval ends there
    assert summary.loc[0, ["test_accuracy_low", "test_accuracy_high"]].tolist() == pytest.approx([0.0, min(1, high)])
    assert summary.loc[2, ["test_accuracy_low", "test_accuracy_high"]].isna().all()


def test_an_arm_of_which_nothing_was_completed_has_no_mean(planned, frames):
    runs = frames.runs.assign(status="crashed").drop(columns=["test_accuracy", "train_accuracy", "train_loss"])
    summary = accuracy(planned, Frames(runs, frames.epochs, frames.probes))
    assert summary["n"].tolist() == [0, 0, 0]
    assert summary[["test_accuracy", "train_loss"]].isna().all(axis=None)


def test_ours_stand_beside_published_figures(planned, frames):
    figure = {"source": "X, table 1", "measure": "test_error", "arm": {"depth": 20, "skip": "A"}, "value": 0.0875}
    row = tables.published(planned, frames, [figure]).iloc[0]
    assert row[["measure", "arm", "published", "n", "N", "source"]].tolist() == [
        "test_error", "depth=20 skip=A", 0.0875, 2, 3, "X, table 1",
    ]  # fmt: skip
    assert row["statistic"] == "not known"
    assert row[["ours", "difference", "mean"]].tolist() == pytest.approx([0.05, 0.05 - 0.0875, 0.05])
    assert row[["low", "high"]].tolist() == pytest.approx(np.clip(t_interval(np.array([0.1, 0.0])), 0, 1))


ERRORS = [0.3, 0.1, 0.2, 0.0, 0.05]


@pytest.mark.parametrize(
    ("changes", "published", "statistic", "ours", "failed"),
    [
        ({"statistic": "best", "runs": 5}, 0.0643, "best of 5", 0.0, 1 / 6),
        ({"statistic": "mean", "runs": 5, "spread": 0.0016}, 0.0643, "mean of 5 ± 0.0016", 0.13, 1 / 6),
        ({"statistic": "median", "runs": 5}, 0.0643, "median of 5", 0.1, 1 / 6),
        ({"runs": 3}, 0.0643, "not known of 3", 0.13, 1 / 6),
        ({"measure": "test_accuracy", "statistic": "best"}, 0.0643, "best", 1.0, 1 / 6),
        ({"value": 0.2, "failed": True, "runs": 5}, None, "failed: above 0.2, not known of 5", 0.13, 2 / 6),
        ({"value": None, "failed": True}, None, "failed", 0.13, 1 / 6),
    ],
)
def test_ours_is_the_statistic_that_theirs_is(changes, published, statistic, ours, failed):
    """Of five runs that trained, one of them above 0.2, and one that diverged."""
    planned = pd.DataFrame({"run": list("abcdef"), "seed": range(6), "depth": 110})
    runs = planned[["run"]].assign(
        status=[*["completed"] * 5, "diverged"], test_accuracy=1 - np.array([*ERRORS, np.nan]), layers=9, parameters=9,
        macs=9,
    )  # fmt: skip
    figure = {"source": "X", "measure": "test_error", "arm": {"depth": 110}, "value": 0.0643} | changes
    row = tables.published(planned, Frames(runs, pd.DataFrame(), pd.DataFrame()), [figure]).iloc[0]
    assert (row["statistic"], row["ours"], row["failed"]) == (statistic, pytest.approx(ours), pytest.approx(failed))
    assert np.isnan(row["published"]) if published is None else row["published"] == published
    assert np.isnan(row["difference"]) == (published is None)


def test_labels_name_what_varies_beside_depth(runs):
    assert labels.arm_labels(runs, FACTORS).unique().tolist() == ["skip=none", "skip=A"]
    assert labels.arm_labels(runs[runs["skip"] == "A"], FACTORS).unique().tolist() == ["all"]
    both = labels.arm_labels(runs.assign(width=[1, 1, 1, 2, 2, 2, 2]), [*FACTORS, "width"])
    assert both.unique().tolist() == ["skip=none width=1", "skip=A width=2", "skip=none width=2"]


@pytest.fixture
def probes(runs):
    """Five convolution sites at steps 0, 4 and 9; the gradient of site i of run r at step s is (r + 1) 10^i (s + 1)."""
    rows = [
        {"run": f"r{r}", "step": step, "epoch": 0, "probe": "weight_gradient_l2", "layer": f"l{i}", "index": i,
         "path": "main", "value": (r + 1) * 10.0**i * (step + 1)}
        for r in range(7) for step in (0, 4, 9) for i in range(5)
    ]  # fmt: skip
    skip = {**rows[0], "path": "skip", "value": 1e9}
    return pd.DataFrame([*rows, skip])


def test_the_ends_are_step_0_and_the_last_step_of_completed_runs_on_the_main_path(runs, probes):
    ends = tables.at_init_and_end(runs, probes, FACTORS)
    steps = ends.groupby(["when", "run"], observed=True)["step"].agg(["min", "max", "size"])
    assert steps.loc["step 0"].to_numpy().tolist() == [[0, 0, 5]] * 7
    assert steps.loc["last step"].index.tolist() == ["r0", "r1", "r3", "r5", "r6"]
    assert steps.loc["last step"].to_numpy().tolist() == [[9, 9, 5]] * 5


def test_a_profile_is_the_geometric_mean_over_seeds(runs, probes):
    probes.loc[(probes["run"] == "r1") & (probes["index"] == 2), "value"] = 0.0
    ends = tables.at_init_and_end(runs, probes, FACTORS)
    profile = tables.profile(ends, [*FACTORS, "when", "index"])
    chosen = (profile["skip"] == "none") & (profile["depth"] == 20) & (profile["when"] == "step 0")
    rows = profile[chosen].set_index("index")[["n", "value", "low", "high", "left_out"]]
    assert rows.loc[1].tolist() == pytest.approx([3, 10 * 6 ** (1 / 3), 10, 30, 0])
    assert rows.loc[2].tolist() == pytest.approx([2, 100 * 3**0.5, 100, 300, 1])


def test_a_ratio_is_of_the_second_convolution_to_the_last(planned, frames, probes):
    values = tables.values(planned, Frames(frames.runs, frames.epochs, probes))
    ratios = tables.gradients(tables.summaries(values, FACTORS, 0), FACTORS)
    assert ratios["ratio"].tolist() == pytest.approx([10.0**-2] * 6)  # sites 1 and 3; site 4 is the classifier
    assert ratios["when"].tolist() == ["step 0", "last step"] * 3
    assert ratios["n"].tolist() == [3, 2, 3, 2, 1, 1]
    assert ratios["N"].tolist() == [3, 3, 3, 3, 2, 2]


def test_means_are_those_of_pandas():
    data = pd.DataFrame({"x": [1, 1, 1, 2], "test_error": [0.1, 0.2, np.nan, 0.5]})
    table = tables.means(data, ["x"], "test_error").set_index("x")
    assert table.loc[1, ["n", "N", "mean"]].tolist() == pytest.approx([2, 3, 0.15])
    assert table.loc[1, ["low", "high"]].tolist() == pytest.approx([0.0, t_interval(np.array([0.1, 0.2]))[1]])
    assert table.loc[2, ["low", "high"]].isna().all()


def test_environments_are_counted():
    runs = pd.DataFrame({"run": ["a", "b"], "environment.threads": [1, 2], "environment.keras": ["3", "3"]})
    counted = tables.environments(runs)
    assert counted.to_dict("split")["data"] == [["keras", "3", 2], ["threads", "1", 1], ["threads", "2", 1]]


def test_an_arm_of_which_nothing_is_recorded_is_a_row(planned, frames):
    runs = frames.runs[frames.runs["run"] < "r6"]
    summary = accuracy(planned, Frames(runs, frames.epochs, frames.probes))
    assert summary["n"].tolist() == [2, 2, 0]
    assert summary["N"].tolist() == [3, 3, 2]


def test_what_runs_have_in_common_is_what_all_of_them_have():
    runs = pd.DataFrame(
        {"train.steps": [3, 3], "train.warmup_steps": [0, 400], "net.depths": [(1,), (1,)], "seed": [0, 0]}
    )
    assert tables.in_common(runs, ("net", "train")).to_numpy().tolist() == [
        ["train.steps", "3"],
        ["net.depths", "(1,)"],
    ]
