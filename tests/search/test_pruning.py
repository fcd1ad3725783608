"""Trials that end early: the rule, the prefix of a run, and what is told of it."""

import json
from dataclasses import replace

import pytest

from analysis.search_tables import search_of as stored_search
from analysis.search_tables import tables_of
from analysis.study import read
from resnet_core.errors import UserError
from resnet_core.nets.cost import cost
from resnet_core.nets.spec import cifar
from resnet_core.runs.execution import job, pruning
from resnet_core.runs.execution.pruning import Thresholds
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.training.endings import Pruned
from resnet_core.runs.training.loop import Progress
from resnet_core.runs.training.train import train_run
from search.asking import search_of
from search.listing import in_order, ranked_in
from search.objectives import objectives
from search.pace import Pace
from search.proposals import SearchBudget
from search.pruning import RULES, TRIALS, rungs, thresholds_of
from search.space import Space
from tests.search.test_search import TRAIN, depth_and_rate, run, three

NET = cifar(8, 4)
(ACCURACY,), (LOSS,), (ERROR,) = map(objectives, ("val_accuracy", "val_loss", "val_error"))
CURVES = [(0.1, 0.3, 0.5, 0.7), (0.2, 0.4, 0.6, 0.8), (0.3, 0.3, 0.3, 0.3), (0.0, 0.5, 0.9, 0.9)]


def ended(curve, status="completed"):
    """Return a record with this curve, which is made up."""
    rows = [{"epoch": i, "step": i, "val_accuracy": value, "val_loss": 1 - value} for i, value in enumerate(curve, 1)]
    trained = Run(cifar(8, 4), TrainSpec(epochs=4))
    results = {"val_accuracy": curve[-1], "train_loss": 0.1, "train_accuracy": 0.9} if status == "completed" else {}
    return Record(trained, Outcome(status, 4), results, rows)


def test_a_trial_must_reach_the_median_of_the_others():
    records = [*map(ended, CURVES), ended((0.9, 0.9), "pruned"), ended((0.9,), "diverged")]
    thresholds = thresholds_of("median", [ACCURACY], NET, records, 4)
    assert thresholds.values == pytest.approx((0.15, 0.35, 0.55))  # none at the end
    assert [thresholds.missed([0.2], epoch) for epoch in (1, 2, 3, 4)] == [False, True, True, False]
    assert not thresholds.missed([0.4, 0.0], 2)  # its best so far counts
    falling = thresholds_of("median", [LOSS], NET, records, 4)
    assert falling.values == pytest.approx((0.85, 0.65, 0.45))
    assert [falling.missed([0.8], epoch) for epoch in (1, 2)] == [False, True]
    assert thresholds_of("median", [ERROR], NET, records, 4) == thresholds
    assert thresholds_of("median", [ACCURACY], NET, records[1:], 4) is None  # of three trials


def test_no_trial_ends_in_the_first_quarter():
    records = [ended([0.5] * 12)] * TRIALS
    assert thresholds_of("median", [ACCURACY], NET, records, 12).values == pytest.approx((None, None, *[0.5] * 9))


def test_halving_ends_a_trial_that_is_not_in_the_better_half_of_those_that_were_there():
    """Also of those that ended there; the first ones go on."""
    curves = [[i / 10] * (4 if i > 2 else 1) for i in range(6)]
    records = [ended(curve, "completed" if len(curve) == 4 else "pruned") for curve in curves]
    assert rungs(4) == [1, 2]
    thresholds = thresholds_of("halving", [ACCURACY], NET, records, 4)
    assert thresholds.values == (0.3, None, None)  # three of six, and too few at the second rung
    assert [thresholds.missed([value], 1) for value in (0.2, 0.3)] == [True, False]
    assert thresholds_of("halving", [ACCURACY], NET, records[:3], 4) is None
    rising = [ended([0.9, 0.1, 0.2, 0.2])] * TRIALS
    assert thresholds_of("halving", [ACCURACY], NET, rising, 4).values == (0.9, 0.9, None)  # the best so far
    falling = thresholds_of("halving", [LOSS], NET, records, 4)
    assert falling.values[0] == pytest.approx(0.7)
    assert [falling.missed([value], 1) for value in (0.8, 0.6)] == [True, False]


@pytest.mark.parametrize(("epochs", "expected"), [(2, [1]), (3, [1, 2]), (4, [1, 2]), (12, [3, 6]), (10, [3, 5])])
def test_rungs_are_a_quarter_and_a_half_of_the_epochs(epochs, expected):
    assert rungs(epochs) == expected


@pytest.mark.parametrize("rule", RULES)
def test_with_several_objectives_a_trial_is_compared_with_those_that_cost_no_more(rule):
    macs, costly = objectives("val_accuracy,macs"), cost(NET).macs
    cheap = [replace(ended([0.9] * 4), network={"macs": costly})] * TRIALS
    dear = [replace(ended([0.9] * 4), network={"macs": costly + 1})] * TRIALS
    assert thresholds_of(rule, macs, NET, dear, 4) is None
    assert thresholds_of(rule, macs, NET, [*cheap, *dear], 4) == thresholds_of(rule, [ACCURACY], NET, cheap, 4)


def test_a_pruned_trial_has_its_costs():
    record = replace(ended((0.1, 0.3), "pruned"), network={"macs": 7})
    assert [objective.value(record) for objective in objectives("val_accuracy,macs")] == [0.3, 7.0]


def test_a_run_that_goes_on_counts_the_epochs_before():
    thresholds = Thresholds("val_accuracy", True, (None, 0.5))
    seen = []
    lucky = pruning.pruning(thresholds, [{"epoch": 1, "val_accuracy": 0.6}], seen.append)
    row = {"epoch": 2, "val_accuracy": 0.4}
    lucky(Progress(5, 10, 2, 1.0))
    lucky(Progress(10, 10, 2, 1.0, row))
    assert len(seen) == 2
    with pytest.raises(Pruned, match=r"after epoch 2, the best val_accuracy was 0.4000, but .* 0.5000"):
        pruning.pruning(thresholds, [], seen.append)(Progress(10, 10, 2, 1.0, row))
    assert len(seen) == 3


def test_a_pruned_trial_is_told_as_its_last_epoch():
    record = ended((0.1, 0.3), "pruned")
    assert [objective.value(record) for objective in (ACCURACY, LOSS, ERROR)] == [0.3, 0.7, 0.7]
    pace = Pace([ACCURACY], 0, 0)
    pace.begin(1, [record, *map(ended, CURVES)])
    assert pace.epochs_saved == 2


def rates(hp, train):
    """Rates of which the lowest learn nothing in time, with a schedule that depends on the length."""
    net, _ = depth_and_rate(hp, train)
    return net, train.replace(learning_rate=hp.Choice("lr", [1e-5, 0.02, 0.05, 0.1]), schedule="cosine")


@pytest.fixture(scope="module", params=[("median", "val_accuracy"), ("halving", "val_accuracy,parameters")], ids=str)
def pruned(request, tmp_path_factory):
    """A search of twelve trials of four epochs, some of which are pruned; not to be changed."""
    rule, sought = request.param
    space = Space("rates", "", rates).with_fixed(["rate=0.1", "blocks=1"])
    search = replace(
        three(tmp_path_factory.mktemp("pruned") / "found"), space=space, prune=rule, oracle="grid",
        objectives=objectives(sought), train=TRAIN.replace(epochs=4), budget=SearchBudget(12),
    )  # fmt: skip
    run(search)
    return search


def test_a_pruned_trial_is_the_beginning_of_the_run_and_no_failure(pruned):
    records = in_order(Store(pruned.root).plan(), list(Store(pruned.root).records()))
    ends = [record.status for record in records]
    assert "pruned" not in ends[:TRIALS]
    early = [record for record in records if record.status == "pruned"]
    assert early
    assert {len(record.epochs) for record in early} <= {1, 2, 3}
    assert all(record.results == {} and RULES[pruned.prune][1] in record.outcome.message for record in early)
    data = job.dataset(early[0].run.train)
    whole = train_run(early[0].run, data)
    assert whole.status in ("completed", "failed_to_train")
    assert json.dumps(whole.epochs[: len(early[0].epochs)]) == json.dumps(early[0].epochs)
    assert early[0].run not in [record.run for record in ranked_in(pruned.root)]
    tables = tables_of(stored_search(read(pruned.root), pruned.root))
    assert tables["outcomes"].set_index("status").loc["pruned", "trials"] == len(early)


def test_a_pruned_trial_whose_record_is_lost_ends_as_it_did(pruned):
    store = Store(pruned.root)
    record = next(record for record in store.records() if record.status == "pruned")
    path = store.root / "runs" / f"{record.run.id}.json"
    path.write_text(path.read_text()[:90])
    (store.root / "oracle.json").unlink()
    run(pruned)
    again = store.read(record.run.id, 1)
    assert (again.outcome, again.epochs) == (record.outcome, record.epochs)


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"oracle": "asha"}, "trains every trial in full, but got oracle='asha', which ends trials by itself"),
        (
            {"objective": "val_accuracy,seconds"},
            "takes one objective besides parameters and macs, but got val_accuracy, s",
        ),
        ({"epochs": 1}, "needs trials of two epochs or more, but got epochs=1"),
        ({"prune": "often"}, "must be none, median or halving, but got 'often'"),
    ],
)
def test_what_cannot_be_pruned(wishes, message):
    with pytest.raises(UserError, match=message):
        search_of("tiny", **{"prune": "median", **wishes})
