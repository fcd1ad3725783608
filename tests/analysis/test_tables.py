import numpy as np
import pandas as pd
import pytest

from analysis import tables

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


def test_outcomes_count_every_planned_run(planned, runs):
    counted = tables.outcomes(planned, runs, FACTORS)
    assert counted.to_dict("split")["data"] == [
        [20, "none", 3, 2, 1, 0, 0],
        [20, "A", 3, 2, 0, 1, 0],
        [56, "none", 2, 1, 0, 0, 1],
    ]
    assert list(counted) == [*FACTORS, "planned", "completed", "diverged", "crashed", "missing"]


def test_accuracy_is_that_of_plain_pandas_with_n_of_N(planned, runs):
    summary = tables.accuracy(planned, runs, FACTORS, np.random.default_rng(0))
    assert summary[[*FACTORS, "n", "N"]].to_numpy().tolist() == [
        [20, "none", 2, 3],
        [20, "A", 2, 3],
        [56, "none", 1, 2],
    ]
    expected = runs.groupby(FACTORS, observed=True)["test_accuracy"].mean()
    assert summary["test_accuracy"].tolist() == pytest.approx(expected.tolist())
    assert summary.loc[0, ["test_accuracy_low", "test_accuracy_high"]].tolist() == pytest.approx([0.5, 0.7])
    assert summary.loc[2, ["test_accuracy_low", "test_accuracy_high"]].isna().all()


def test_an_arm_of_which_nothing_was_completed_has_no_mean(planned, runs):
    runs = runs.assign(status="diverged").drop(columns=["test_accuracy"])
    summary = tables.accuracy(planned, runs, FACTORS, np.random.default_rng(0))
    assert summary["n"].tolist() == [0, 0, 0]
    assert summary[["test_accuracy", "train_loss"]].isna().all(axis=None)


def test_labels_name_what_varies_beside_depth(runs):
    assert tables.arm_labels(runs, FACTORS).unique().tolist() == ["skip=none", "skip=A"]
    assert tables.arm_labels(runs[runs["skip"] == "A"], FACTORS).unique().tolist() == ["all"]
    both = tables.arm_labels(runs.assign(width=[1, 1, 1, 2, 2, 2, 2]), [*FACTORS, "width"])
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
    found = ends.groupby(["when", "run"], observed=True)["step"].agg(["min", "max", "size"])
    assert found.loc["step 0"].to_numpy().tolist() == [[0, 0, 5]] * 7
    assert found.loc["last step"].index.tolist() == ["r0", "r1", "r3", "r5", "r6"]
    assert found.loc["last step"].to_numpy().tolist() == [[9, 9, 5]] * 5


def test_a_profile_is_the_geometric_mean_over_seeds(runs, probes):
    probes.loc[(probes["run"] == "r1") & (probes["index"] == 2), "value"] = 0.0
    profile = tables.gradient_profile(tables.at_init_and_end(runs, probes, FACTORS), FACTORS)
    row = profile[(profile["skip"] == "none") & (profile["depth"] == 20) & (profile["when"] == "step 0")].set_index(
        "index"
    )
    assert row.loc[1, ["n", "value", "low", "high", "left_out"]].tolist() == pytest.approx(
        [3, 10 * 6 ** (1 / 3), 10, 30, 0]
    )
    assert row.loc[2, ["n", "value", "low", "high", "left_out"]].tolist() == pytest.approx(
        [2, 100 * 3**0.5, 100, 300, 1]
    )


def test_a_ratio_is_of_the_second_convolution_to_the_last(planned, runs, probes):
    ratios = tables.gradient_ratios(tables.at_init_and_end(runs, probes, FACTORS), planned, FACTORS)
    assert ratios["ratio"].tolist() == pytest.approx([10.0**-2] * 6)  # sites 1 and 3; site 4 is the classifier
    assert ratios["n"].tolist() == [3, 2, 3, 2, 1, 1]
    assert ratios["N"].tolist() == [3, 3, 3, 3, 2, 2]


def test_environments_are_counted():
    runs = pd.DataFrame({"run": ["a", "b"], "environment.threads": [1, 2], "environment.keras": ["3", "3"]})
    counted = tables.environments(runs)
    assert counted.to_dict("split")["data"] == [["keras", "3", 2], ["threads", "1", 1], ["threads", "2", 1]]


def test_an_arm_of_which_nothing_is_recorded_is_a_row(planned, runs):
    summary = tables.accuracy(planned, runs[runs["depth"] == 20], FACTORS, np.random.default_rng(0))
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
