"""Learning rates are chosen by trials; these are recorded without being trained, so that what they come to is known."""

import re
from pathlib import Path

import pytest

from ablations.asking import untuned
from ablations.designs import grid
from ablations.request import Rates, Request, Seeds, Settings
from ablations.study import Scale, Study
from ablations.tuning import FOLDER, SEED, arms_of, tuned
from resnet_core.errors import UserError
from resnet_core.nets.spec import cifar
from resnet_core.runs.data import DataInfo
from resnet_core.runs.records.plan import Plan
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import TrainSpec

DATA = DataInfo((8, 8, 1), 10, 1437)
GRID = (0.01, 0.03, 0.1)


def net(depth: int, batch_size: int = 64):
    return cifar(depth, width=8)


def train(base, batch_size: int = 64):
    times = batch_size / base.batch_size
    return base.replace(batch_size=batch_size, learning_rate=base.learning_rate * times)


def request_of(root: Path, rates=GRID, study_train=train, batch_sizes=(64,), trial_share=1.0, **changes) -> Request:
    design = grid(depth=(8, 14), batch_size=batch_sizes)
    base = TrainSpec(data="digits", steps=5, batch_size=64, learning_rate=0.05)
    study = Study("mine", "Does it?", net, {"smoke": Scale(design, base, 2)}, train=study_train)
    settings = Settings(base.replace(**changes))
    return Request(
        study,
        design.arms(),
        settings,
        root,
        seeds=Seeds(2),
        rates=Rates(rates, trial_share=trial_share),
        command="run mine",
    )


class Executor:
    """Records every run that it is given with the accuracy that `outcome_of` says.

    None is of a run that diverged, and a negative one of a run that was completed, but failed to train.
    """

    def __init__(self, outcome_of):
        self._outcome_of = outcome_of
        self.runs = []

    def __call__(self, plan, runs, root):
        store = Store(root)
        store.add_plan(plan)
        for run in runs:
            accuracy = self._outcome_of(run)
            status = "diverged" if accuracy is None else "completed"
            results = {} if accuracy is None else {"val_accuracy": abs(accuracy), "val_loss": 1 - abs(accuracy)}
            if accuracy is not None and accuracy < 0:
                results |= {"train_loss": 1e6, "train_accuracy": 0.1}
            store.write(Record(run, Outcome(status, 5), results, network={"layers": 8, "parameters": 9, "macs": 9}))
        self.runs += runs


def choose(root, outcome_of, **options):
    executor = Executor(outcome_of)
    request = tuned(request_of(root, **options), DATA, "", executor)
    return request, executor.runs


def peak(rate):
    """Return an accuracy by rate, highest at `rate`."""
    return lambda run: 0.9 if run.factors["learning_rate"] == rate else 0.5


def test_every_arm_takes_its_best_rate_and_every_run_of_it_has_it(tmp_path, capsys):
    by_depth = {8: 0.03, 14: 0.01}
    request, runs = choose(tmp_path, lambda run: peak(by_depth[run.factors["depth"]])(run))
    assert request.rates.chosen == {"depth=8 batch_size=64": 0.03, "depth=14 batch_size=64": 0.01}
    measured = request.runs(DATA)
    assert {(run.factors["depth"], run.train.learning_rate) for run in measured} == {(8, 0.03), (14, 0.01)}
    assert all(run.train.test and run.seed < SEED for run in measured)
    printed = capsys.readouterr()
    assert "depth=8 batch_size=64: learning rate 0.03 of 0.01, 0.03, 0.1; validation accuracy 0.900" in printed.out
    assert "test" not in printed.out + printed.err
    assert len(runs) == 2 * 3 * 2 + 2  # and a rate below 0.01 for one arm


def test_a_trial_sees_no_test_image_measures_no_gradient_and_has_a_split_of_its_own(tmp_path):
    _, runs = choose(tmp_path, peak(0.03))
    assert {run.train.test for run in runs} == {False}
    assert {(run.probe.steps, run.probe.each_epoch) for run in runs} == {((), False)}
    assert {(run.seed, run.train.split_seed) for run in runs} == {(SEED, SEED), (SEED + 1, SEED + 1)}
    plan = Store(tmp_path / FOLDER).plan()
    assert plan.base["train.test"] is False
    assert not any(name.startswith("test") for record in Store(tmp_path / FOLDER).records() for name in record.results)


@pytest.mark.parametrize(
    ("edge", "warned", "rates"),
    [(0.1, False, {0.333}), (0.01, False, {0.00333}), (0.333, True, {0.333})],
    ids=["inside once it is continued", "downwards", "still at the edge"],
)
def test_a_grid_is_continued_by_one_step_and_a_best_rate_at_its_edge_is_warned_of(
    edge, warned, rates, tmp_path, capsys
):
    order = [0.00333, 0.01, 0.03, 0.1, 0.333]
    peak = order.index(edge)
    request, runs = choose(tmp_path, lambda run: 0.9 - abs(order.index(run.factors["learning_rate"]) - peak) / 9)
    assert {run.factors["learning_rate"] for run in runs} - set(GRID) == rates
    assert set(request.rates.chosen.values()) == {edge}
    assert ("is at the edge of those tried" in capsys.readouterr().err) is warned


def test_failed_trials_rank_below_all_and_an_arm_that_never_trains_keeps_the_rate_of_the_study(tmp_path, capsys):
    def outcome_of(run):
        if run.factors["depth"] == 14:
            return None
        return -0.9 if run.factors["learning_rate"] == 0.1 and run.seed == SEED else run.factors["learning_rate"]

    request, _ = choose(tmp_path, outcome_of)
    assert request.rates.chosen == {"depth=8 batch_size=64": 0.03, "depth=14 batch_size=64": 0.05}
    warning = "depth=14 batch_size=64: every trial failed, at 0.00333, 0.01, 0.03, 0.1; learning rate 0.05 is kept"
    assert warning in capsys.readouterr().err
    rows = [row for row in request.rates.tried if row["arm"]["depth"] == 14]
    assert [row["chosen"] for row in rows] == [False] * 4
    assert rows[0]["val_accuracy"] == [None, None]


def test_a_share_shortens_the_trials_with_their_schedule_and_not_the_runs(tmp_path):
    settings = {"steps": 200, "warmup_steps": 40, "schedule": "steps", "learning_rate_drops": (0.5,)}
    request, trials = choose(tmp_path, peak(0.03), trial_share=0.25, **settings)
    for trial in trials:
        assert (trial.train.steps, trial.train.warmup_share) == (50, 0.2)
        assert trial.train.learning_rate_drops == (0.5,)
    assert {(run.train.steps, run.train.warmup_steps) for run in request.runs(DATA)} == {(200, 40)}
    assert Plan.read(tmp_path / FOLDER / "study.json").base["train.steps"] == 50
    assert (request.base("")["train.steps"], request.base("")["trial_share"]) == (200, 0.25)


def test_the_rate_that_is_chosen_is_that_from_which_an_arm_derives_its_own(tmp_path):
    request, runs = choose(tmp_path, peak(0.03), batch_sizes=(64, 512))
    assert {run.factors["batch_size"]: run.train.learning_rate for run in request.runs(DATA)} == {64: 0.03, 512: 0.24}
    assert {run.train.learning_rate for run in runs if run.factors["batch_size"] == 512} == {0.08, 0.24, 0.8}


def test_what_came_of_the_trials_is_in_the_plan_and_a_second_call_chooses_the_same(tmp_path):
    request, _ = choose(tmp_path, peak(0.03))
    plan = request.plan(request.runs(DATA), DATA, "")
    chosen = {row["learning_rate"]: row["chosen"] for row in plan.tuning}
    assert chosen == {0.01: False, 0.03: True, 0.1: False}
    assert plan.base["train.learning_rate"] == list(GRID)
    (tmp_path / "study.json").write_text(plan.text())
    assert Plan.read(tmp_path / "study.json").tuning == plan.tuning
    gone = {run.id for run in plan.runs if run.factors["depth"] == 8}
    assert {row["arm"]["depth"] for row in plan.without(gone).tuning} == {14}
    again, _ = choose(tmp_path, peak(0.1))  # what is recorded is not executed again: a store keeps the first record
    assert again.rates.chosen == request.rates.chosen


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rates": (0.1,)}, "a choice needs two learning rates or more, but got 0.1 alone; --set learning_rate=0.1"),
        ({"validation_fraction": 0.0}, "but validation_fraction is 0; set validation_fraction=0.1"),
        ({"study_train": lambda base: base.replace(learning_rate=1.0)}, "can be chosen where `train` reads it"),
    ],
)
def test_a_choice_that_cannot_be_made_is_refused(options, message, tmp_path):
    with pytest.raises(UserError, match=re.escape(message)):
        choose(tmp_path, peak(0.1), **options)
    assert not any(tmp_path.iterdir())


def test_nothing_is_chosen_before_every_trial_is_recorded(tmp_path):
    class Cut(Executor):
        def __call__(self, plan, runs, root):
            super().__call__(plan, runs[:-2], root)

    with pytest.raises(UserError, match=r"there is no record of \(.*\) and 1 more; run the study again"):
        tuned(request_of(tmp_path), DATA, "", Cut(peak(0.03)))


def test_networks_that_are_not_trained_need_no_rate(tmp_path):
    assert arms_of(request_of(tmp_path, steps=0), DATA, "") == []


RATES = {"learning_rates": GRID}


@pytest.mark.parametrize(
    ("scale", "recipe", "given", "reason"),
    [
        (RATES, None, {}, ""),
        (RATES, None, {"data": "cifar10", "train_size": 100}, ""),  # on any data
        (RATES, None, {"learning_rate": 0.1}, "it is set"),
        (RATES, None, {"steps": 3}, "which steps changes; --learning-rates 0.01 0.03 0.1 tunes every arm"),
        (RATES, "wrn", {}, "which --recipe changes"),
        ({"untuned": "nothing is trained"}, None, {"steps": 3}, "nothing is trained"),
        ({}, None, {}, ""),
    ],
)
def test_a_scale_chooses_a_learning_rate_for_its_own_training_alone(scale, recipe, given, reason):
    answer = untuned(Scale(grid(depth=(8,)), TrainSpec(steps=5), 2, **scale), recipe, given)
    assert reason in answer
    assert bool(answer) == bool(reason)
