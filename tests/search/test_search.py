"""Whole searches on the digits, in this process, by the runner that the program calls."""

import json
import shutil
import tomllib
from dataclasses import replace

import keras
import numpy as np
import pytest

from analysis import believed, search_tables
from analysis.pages.report import tables_of
from analysis.study import read
from resnet_core.errors import UserError
from resnet_core.nets.cost import cost
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.execution import job
from resnet_core.runs.execution.options import Execution
from resnet_core.runs.exports.about import about
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import TrainSpec
from resnet_core.runs.training.train import train_run
from search import runner
from search.confirm import FIRST_SEED, twin
from search.limits import Limits
from search.listing import best_first, in_order, numbers, plan_of
from search.objectives import objectives
from search.pace import Pace
from search.predict import predictions
from search.proposals import Proposals, SearchBudget
from search.request import Search
from search.space import Space
from search.spaces import SPACES
from search.starts import starts_of

TRAIN = TrainSpec(data="digits", train_size=200, epochs=1, batch_size=8, validation_fraction=0.25, test=False)
SERIAL = Execution("serial")
FEW_STEPS = {"bn_momentum": 0.7}  # an epoch has 18, which the moving statistics are to follow


def depth_and_rate(hp, train):
    """Seven blocks at most, so that a search is over soon."""
    net = NetSpec(
        depths=(hp.Int("blocks", 1, 2), 1),
        widths=(4, 8),
        skip=hp.Choice("skip", ["A", "none"]),
        order=hp.Choice("order", ["original", "full_preactivation"]),
        **FEW_STEPS,
    )
    return net, train.replace(learning_rate=hp.Float("rate", 0.01, 0.3, sampling="log"))


SMALL = Space("small", "", depth_and_rate)


def three(root):
    """Return a search of three trials."""
    return Search(
        "found", SMALL, "random", objectives("val_accuracy"), Limits(), SearchBudget(3), TRAIN,
        ProbeSpec(steps=(), each_epoch=False, batch_size=32), {}, 0, root, "resnet-search run",
    )  # fmt: skip


@pytest.fixture
def search(tmp_path):
    return three(tmp_path / "found")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a search of three trials, which is not to be changed."""
    root = tmp_path_factory.mktemp("made") / "found"
    run(three(root))
    return root


@pytest.fixture
def ended(finished, tmp_path):
    """A search of three trials that have ended."""
    shutil.copytree(finished, tmp_path / "found")
    return three(tmp_path / "found")


def run(search, best=0, seeds=1):
    runner.run(search, SERIAL, best=best, seeds=seeds)
    return trials(search)


def trials(search):
    """Return of each trial, in the order of proposal, its values and the results."""
    store = Store(search.root)
    return [(record.run.factors, record.results) for record in in_order(store.plan(), list(store.records()))]


def test_a_search_is_recorded_as_a_study_without_a_look_at_the_test_images(ended):
    result = trials(ended)
    assert len(result) == 3
    assert all(set(factors) == {"blocks", "skip", "order", "rate"} for factors, _ in result)
    assert all(set(results) == {"train_loss", "train_accuracy", "val_loss", "val_accuracy"} for _, results in result)
    plan = plan_of(ended.root)
    assert {plan.base[name] for name in ("oracle", "objective", "space")} == {"random", "val_accuracy (max)", "small"}


def test_more_trials_go_on_where_fewer_ended(search, tmp_path):
    search = replace(search, space=RATES)
    few = run(search)
    more = run(replace(search, budget=SearchBudget(5)))
    assert more[:3] == few
    assert more == run(replace(search, budget=SearchBudget(5), root=tmp_path / "at once"))


def rates(hp, train):
    """One network, which is traced once, at any rate."""
    net = NetSpec(depths=(1, 1), widths=(4, 8), **FEW_STEPS)
    warmup = hp.Choice("warmup", [0, 2, 4])
    return net, train.replace(learning_rate=hp.Float("rate", 0.01, 0.3, sampling="log"), warmup_steps=warmup)


RATES = Space("rates", "", rates)


@pytest.mark.parametrize(
    ("moment", "oracle"),
    [
        ("before the run", "gp"),
        ("before the record", "gp"),
        ("before the oracle hears", "gp"),
        ("after", "gp"),
        ("before the oracle hears", "tpe"),
        ("before the oracle hears", "evolution"),
        ("before the record", "grid"),
        ("before the record", "bayesian"),
    ],
)
def test_a_search_that_is_cut_off_at_any_moment_ends_as_one_that_was_not(search, oracle, moment, tmp_path, monkeypatch):
    search = replace(search, space=RATES, oracle=oracle, budget=SearchBudget(4))
    place, name = {
        "before the run": (Store, "claim"),
        "before the record": (Store, "write"),
        "before the oracle hears": (Proposals, "ended"),
        "after": (Proposals, "finish"),
    }[moment]
    calls, whole = [], getattr(place, name)

    def cut_off(*arguments, **options):
        calls.append(name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(place, name, cut_off)
        with pytest.raises(KeyboardInterrupt):
            run(search)
    assert run(search) == run(replace(search, root=tmp_path / "left alone"))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"objectives": objectives("val_loss")}, "objective=val_accuracy (max), not val_loss (min)"),
        ({"oracle": "tpe"}, "oracle=random, not tpe"),
        ({"seed": 1}, "search_seed=0, not 1"),
        ({"limits": Limits(parameters=5000)}, "limits=, not parameters <= 5000"),
        ({"space": SPACES["tiny"]}, "space=small, not tiny"),
        ({"space": SMALL.with_fixed(["skip=A"])}, "space.skip=A, none, not A"),
        ({"train": TRAIN.replace(train_size=220)}, "train.train_size=200, not 220"),
        ({"fixed": {"activation": "silu"}}, "net.activation=its default, not silu"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_search_that_has_changed_is_not_resumed(ended, change, named):
    before = trials(ended)
    with pytest.raises(UserError) as error:
        run(replace(ended, **change))
    assert named in str(error.value)
    assert trials(ended) == before


def test_a_space_whose_networks_have_changed_is_not_resumed(ended):
    """Its function has been edited, and not the ranges."""

    def edited(hp, train):
        net, train = depth_and_rate(hp, train)
        return net.replace(activation="silu"), train

    with pytest.raises(UserError, match="is another network or training now"):
        run(replace(ended, space=Space("small", "", edited), budget=SearchBudget(4)))
    assert len(trials(ended)) == 3


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"test": True}, "test"),
        ({"validation_fraction": 0.0}, "validation_fraction"),
        ({"train_size": 100}, "train_size"),
        ({"epochs": 2}, "epochs"),
        ({"steps": 3}, "epochs"),
    ],
)
def test_no_space_changes_what_trials_are_compared_by(search, change, named):
    def declare(hp, train):
        net, train = depth_and_rate(hp, train)
        return net, train.replace(**change)

    with pytest.raises(UserError, match=f"changes `{named}`"):
        run(replace(search, space=Space("odd", "", declare)))
    assert not search.root.exists()


def test_halving_needs_a_rate_that_does_not_depend_on_the_length(search):
    def declare(hp, train):
        net, train = depth_and_rate(hp, train)
        return net, train.replace(schedule="cosine")

    with pytest.raises(UserError, match="--oracle asha continues shorter trials"):
        run(replace(search, space=Space("odd", "", declare), oracle="asha"))


def test_another_data_set_is_not_taken_for_the_first(ended, tmp_path):
    images = job.source("digits", None, 1e12).images
    half = {name: getattr(images, name)[::2] for name in ("x_train", "y_train", "x_test", "y_test")}
    np.savez(tmp_path / "half.npz", **half)
    with pytest.raises(UserError, match=r"train\.data_sha256="):
        run(replace(ended, train=TRAIN.replace(data=str(tmp_path / "half.npz"))))


@pytest.mark.parametrize("oracle", ["random", "gp", "grid"])
def test_no_trial_is_over_the_limits_and_none_is_made_twice(search, oracle):
    small = [SMALL.active({"blocks": 1, "order": order}) for order in ("original", "full_preactivation")]
    limits = Limits(parameters=max(cost(SMALL.point(point, TRAIN, search.data)[0]).trainable for point in small))
    result = run(replace(search, oracle=oracle, limits=limits, budget=SearchBudget(4)))
    store = Store(search.root)
    assert len(result) == len({json.dumps(factors) for factors, _ in result}) == 4
    assert all(record.network["parameters"] <= limits.parameters for record in store.records())
    assert {factors["blocks"] for factors, _ in result} == {1}


def test_a_space_that_is_exhausted_ends_the_search(search):
    space = SMALL.with_fixed(["rate=0.1", "order=original"])
    assert len(run(replace(search, space=space, budget=SearchBudget(50)))) == 4


def test_limits_that_no_network_meets_name_the_smallest(search):
    with pytest.raises(UserError) as error:
        run(replace(search, limits=Limits(parameters=100)))
    least = cost(SMALL.point(SMALL.active({"blocks": 1}), TRAIN, search.data)[0]).trainable
    assert "parameters <= 100" in str(error.value)
    assert f"{least:,} parameters" in str(error.value)
    assert str(error.value).endswith("; raise the bound")
    assert not search.root.exists()


def test_limits_that_no_network_meets_name_the_space_that_has_one(search):
    with pytest.raises(UserError, match="the space 'tiny' has one, or raise the bound$"):
        run(replace(search, space=SPACES["cifar-small"], limits=Limits(parameters=8_000)))


def unstable(hp, train):
    """One rate of which no network survives."""
    net, _ = depth_and_rate(hp, train)
    return net.replace(norm="none"), train.replace(learning_rate=hp.Choice("lr", [0.01, 1e9]), momentum=0.9)


def test_what_diverges_is_scored_and_the_search_goes_on(search):
    space = Space("unstable", "", unstable).with_fixed(["rate=0.1", "blocks=2", "order=original", "skip=A"])
    run(replace(search, space=space, oracle="grid", budget=SearchBudget(9), train=TRAIN.replace(epochs=3)))
    records = list(Store(search.root).records())
    assert {(record.run.train.learning_rate, record.outcome.status) for record in records} == {
        (0.01, "completed"),
        (1e9, "diverged"),
    }
    scores = json.loads((search.root / "oracle.json").read_text())["trials"]
    assert {trial["score"] == "-inf" for trial in scores if trial["values"]["lr"] == 1e9} == {True}
    assert {trial["status"] for trial in scores} == {"COMPLETED"}


def test_where_all_trials_diverge_the_user_is_told(search):
    space = Space("unstable", "", unstable).with_fixed(["rate=0.1", "blocks=2", "order=original", "lr=1e9"])
    with pytest.raises(UserError, match="completed trial, but of 2 none was: 2 diverged; lower the learning rates$"):
        run(replace(search, space=space, budget=SearchBudget(9)))


@pytest.mark.parametrize(
    ("statuses", "advice"),
    [
        (["crashed"] * 3, "of 3 none was: 3 crashed; see their errors (resnet-ablate status {root} --messages)"),
        (["diverged", "out_of_memory", "diverged"], "2 diverged, 1 out of memory; lower the learning rates, bound the"),
        (["killed"], "of 1 none was: 1 killed; run them once more"),
        (["timed_out"], "of 1 none was: 1 timed out; give them more time, or fewer steps"),
    ],
)
def test_where_no_trial_is_completed_the_advice_is_for_how_they_ended(statuses, advice, search):
    planned = search.run_of(search.space.active({}))
    records = [Record(planned, Outcome(status, 0)) for status in statuses]
    assert advice.format(root=search.root) in runner._none_completed(search, records)


def test_a_trial_whose_process_crashed_is_recorded_so_and_the_search_goes_on(search, monkeypatch):
    search = replace(search, space=RATES)
    with monkeypatch.context() as patched:
        patched.setattr(Store, "write", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(search)
    store = Store(search.root)
    (planned,) = store.plan().runs
    store.crash_of(planned.id).write_text("Fatal Python error: Segmentation fault\n\n  <no Python frame>\n")
    run(search)
    records = list(store.records())
    ends = {record.run.id: record.outcome.status for record in records}
    assert ends.pop(planned.id) == "crashed"
    assert list(ends.values()) == ["completed", "completed"]


def interrupt(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize("oracle", ["asha", "hyperband"])
def test_a_promoted_trial_goes_on_from_the_state_and_comes_to_what_it_would_alone(search, oracle, monkeypatch):
    from resnet_core.runs.training import engine

    updates = []
    update = engine.Engine.update
    monkeypatch.setattr(engine.Engine, "update", lambda self, *args: updates.append(1) or update(self, *args))
    search = replace(search, space=RATES, oracle=oracle, budget=SearchBudget(12), train=TRAIN.replace(epochs=3))
    run(search)
    records = list(Store(search.root).records())
    assert {record.run.train.epochs for record in records} >= {1, 3}
    promoted = [record for record in records if record.run.train.epochs == 3]
    state = json.loads((search.root / "oracle.json").read_text())
    parents = sum("tuner/trial_id" in trial["values"] for trial in state["trials"])
    assert parents
    per_epoch = 150 // 8
    all_epochs = sum(record.run.train.epochs for record in records)
    assert len(updates) == per_epoch * (all_epochs - parents)  # of each parent's one epoch, none is made again
    for record in promoted:
        alone = train_run(record.run, job.dataset(record.run.train))
        assert (alone.results, alone.epochs) == (record.results, record.epochs)


def test_a_budget_in_epochs_or_seconds_ends_a_search(search, tmp_path):
    search = replace(search, space=RATES, train=TRAIN.replace(epochs=2))
    assert len(run(replace(search, budget=SearchBudget(50, epochs=5)))) == 3
    with pytest.raises(UserError, match="the budget lets none begin"):
        run(replace(search, budget=SearchBudget(50, seconds=0.0), root=tmp_path / "none"))


def test_no_trial_starts_when_the_confirmation_needs_the_rest_of_the_time(search, capsys):
    """An hour is enough for all trials, but not for a million trainings of the best."""
    search = replace(search, budget=SearchBudget(3, seconds=3600))
    store = Store(search.root)
    search.root.mkdir()
    runner._propose(replace(search, data=job.source("digits", None, 1e12).info), SERIAL, store,
                    Pace(search.objectives, 1, 10**6))  # fmt: skip
    assert len(list(store.records())) == 1


def test_a_replicated_search_says_what_it_believes(search, capsys):
    """Two networks and six trials, so four are further seeds; the best believed is confirmed."""
    space = SMALL.with_fixed(["rate=0.1", "order=original", "skip=A"])
    search = replace(search, space=space, oracle="gp", replicates=True, budget=SearchBudget(6))
    run(search, best=1, seeds=1)
    printed = capsys.readouterr().out
    plan, records = Store(search.root).plan(), list(Store(search.root).records())
    assert {record.run.seed for record in records} > {0, 500_001}
    assert len({(record.run.factors["blocks"], record.run.seed) for record in records}) == 6
    beliefs = believed.read(search.root)
    assert sum(belief["measured"] for belief in beliefs) == 6
    number = numbers(plan)[beliefs[0]["run"]]
    assert f"trial {number} is believed to be the best" in printed
    assert f"with a probability of {beliefs[0]['probability']:.2f}" in printed
    assert {record.run.factors["trial"] for record in Store(search.root / "confirm").records()} == {number}
    table = search_tables.tables_of(search_tables.search_of(read(search.root), search.root))["believed"]
    assert table["trial"].tolist()[0] == number
    (search.root / "oracle.json").unlink()
    run(replace(search, budget=SearchBudget(7)))
    assert len(Store(search.root).plan().runs) == 7


def test_several_objectives_are_recorded_and_ranked_by_fronts(search):
    search = replace(
        search, space=RATES, oracle="gp", objectives=objectives("val_accuracy,macs,latency_seconds"),
        budget=SearchBudget(6), probe=search.probe.replace(latency=3),
    )  # fmt: skip
    run(search)
    records = list(Store(search.root).records())
    assert all(record.usage["latency_seconds"] > 0 for record in records)
    best = best_first(records, search.objectives)[0]
    vectors = [
        [sign * objective.value(r) for sign, objective in zip((1, -1, -1), search.objectives)] for r in (best, *records)
    ]
    assert not any(np.all(np.greater_equal(v, vectors[0])) and v != vectors[0] for v in vectors)


def test_the_best_are_confirmed_beside_their_twins_and_exported(search, capsys, tmp_path):
    search = replace(search, space=RATES, train=TRAIN.replace(epochs=4))
    run(search, best=2, seeds=2)
    printed = capsys.readouterr().out
    confirm = Store(search.root / "confirm")
    records = list(confirm.records())
    assert len(records) == 8
    assert {record.run.seed for record in records} == {FIRST_SEED + 1, FIRST_SEED + 2}
    assert all("test_accuracy" in record.results for record in records)
    assert printed.count("has a lower test error than") == 2

    best = json.loads((search.root / "best.json").read_text())
    mine = [r for r in records if r.run.factors == {"trial": best["trial"], "net": "found"}]
    chosen = max(mine, key=lambda record: record.results["val_accuracy"])
    net = chosen.run.net
    toml = tomllib.loads((search.root / "best.toml").read_text())
    assert NetSpec(**toml["net"]) == NetSpec(**best["net"]) == net
    assert TrainSpec(**toml["train"]) == chosen.run.train
    names = {}
    exec((search.root / "best.py").read_text(), names)
    assert (names["net"], names["train"]) == (net, chosen.run.train)
    assert names["model"].count_params() == cost(net).trainable + cost(net).bn_running_stats

    tables = tables_of(read(search.root / "confirm"))
    recall, confusion = tables["recall"], tables["confusion"]
    assert recall["n"].tolist() == [2] * 10
    assert recall["arm"].unique().tolist() == [f"trial={best['trial']}, found"]
    assert recall["images"].sum() == 360
    hits = sum(confusion.loc[digit, f"as {digit}"] for digit in range(10))
    assert hits / 720 == pytest.approx(np.mean([record.results["test_accuracy"] for record in mine]))

    assert best["class_names"] == [str(digit) for digit in range(10)]
    assert best["data"]["class_counts"][0] == [142, 36]
    info, background = about(search.root / "best.keras")
    assert (info, background) == (chosen.data, "white")
    with pytest.raises(UserError, match="1 channels and values uint8 from 0 to 16; call it in Python"):
        list(predictions(search.root, [tmp_path]))

    images = job.source("digits", None, 1e12).images
    logits = keras.models.load_model(search.root / "best.keras").predict(images.x_test.astype("float32"), verbose=0)
    accuracy = float((logits.argmax(-1) == images.y_test).mean())
    assert accuracy == pytest.approx(chosen.results["test_accuracy"], abs=1e-6)


def balanced(hp, train):
    """One network, with and without weights of the classes."""
    train = train.replace(balance=hp.Choice("balance", ["none", "class_weights", "sampling"]))
    return NetSpec(depths=(1, 1), widths=(4, 8), **FEW_STEPS), train


def test_classes_are_balanced_by_a_hyperparameter_and_judged_by_their_own_accuracies(search):
    goals = objectives("balanced_accuracy, worst_class_accuracy, f1_macro")
    search = replace(search, space=Space("balanced", "", balanced), objectives=goals)
    search = replace(search, probe=search.probe.replace(by_class=True))
    run(search, best=1, seeds=1)
    records = list(Store(search.root).records())
    assert {record.run.train.balance for record in records} == {"none", "class_weights", "sampling"}
    assert not any("test_balanced_accuracy" in record.results for record in records)
    assert {"val_f1_macro", "val_worst_class_accuracy", "val_balanced_accuracy"} <= set(records[0].results)
    assert all("test_f1_macro" in record.results for record in Store(search.root / "confirm").records())
    assert set(search_tables.tables_of(search_tables.search_of(read(search.root), search.root))["best"]) >= {
        "val_balanced_accuracy", "val_f1_macro",
    }  # fmt: skip


def with_and_without(hp, train):
    """A residual network and its plain twin."""
    return NetSpec(depths=(1, 1), widths=(4, 8), skip=hp.Choice("skip", ["A", "none"]), **FEW_STEPS), train


def test_networks_that_are_twins_are_compared_with_each_other(search):
    pinned = TRAIN.replace(init_seed=0, data_seed=0)
    search = replace(search, space=Space("twins", "", with_and_without), train=pinned)
    run(search, best=2, seeds=2)
    confirm = Store(search.root / "confirm")
    arms = {(record.run.factors["trial"], record.run.factors["net"]) for record in confirm.records()}
    assert arms == {(1, "found"), (2, "found")}
    assert len(list(confirm.records())) == 4  # the seeds are fresh, though those of the trials were set
    texts = {claim["text"] for claim in confirm.plan().claims}
    assert {text.partition(", ")[2] for text in texts} == {
        "with skip A, has a lower test error than without a skip",
        "without a skip, has a lower test error than with skip A",
    }


def test_a_confirmation_with_more_seeds_runs_only_the_new_ones(ended):
    search = ended
    run(search, best=1, seeds=1)
    first = {record.run.id: record for record in Store(search.root / "confirm").records()}
    run(search, best=1, seeds=2)
    second = {record.run.id: record for record in Store(search.root / "confirm").records()}
    assert (len(first), len(second)) == (2, 4)
    assert all(second[name] == record for name, record in first.items())


def test_a_confirmation_that_no_network_has_passed_says_so(ended, capsys):
    search = ended
    run(search, best=1, seeds=1)
    confirm = Store(search.root / "confirm")
    for record in confirm.records():
        confirm.write(replace(record, attempt=2, results={}, outcome=Outcome("diverged", 3, "the loss is not finite")))
    (search.root / "best.keras").unlink()
    capsys.readouterr()
    run(search, best=1, seeds=1)
    printed = capsys.readouterr()
    assert printed.err.startswith("no network is written, since no confirmed one was completed with all its seeds")
    assert "nan" not in printed.out
    assert not (search.root / "best.keras").exists()


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        (NetSpec(), NetSpec(skip="none")),
        (NetSpec(skip="none"), NetSpec()),
        (NetSpec(skip="none", widths=(32, 16, 64)), NetSpec(skip="B", widths=(32, 16, 64))),
        (NetSpec(branch_scale="skipinit", survival=0.5), NetSpec(skip="none")),
    ],
    ids=["residual", "plain", "narrowing", "of a branch that starts at 0"],
)
def test_the_twin_has_no_skip_or_one(net, expected):
    assert twin(net) == expected


def test_a_search_starts_from_the_points_nearest_to_published_networks(search):
    search = replace(search, space=SPACES["cifar-small"])
    (values,) = starts_of(search, ["resnet20-cifar-B"])
    assert {name: values[name] for name in ("skip", "block", "width", "blocks1", "blocks2", "blocks3")} == {
        "skip": "B", "block": "basic", "width": 16, "blocks1": 3, "blocks2": 3, "blocks3": 3,
    }  # fmt: skip
    bounded = replace(search, limits=Limits(parameters=100_000))
    (values,) = starts_of(bounded, ["resnet20-cifar-B"])
    assert cost(bounded.run_of(values).net).trainable <= 100_000


def test_the_best_of_an_earlier_search_are_tried_first(ended, tmp_path):
    best = [record.run.factors for record in best_first(list(Store(ended.root).records()), ended.objectives)]
    later = replace(ended, root=tmp_path / "later", oracle="evolution")
    later = replace(later, starts=starts_of(later, [str(ended.root)]))
    assert len(best) > 1
    assert [factors for factors, _ in run(later)][: len(best)] == best


@pytest.mark.parametrize(
    ("fix", "limits"), [(["skip=none", "order=original"], Limits()), (["blocks=2"], Limits(parameters=2_500))]
)
def test_the_best_of_an_earlier_search_are_moved_to_what_is_fixed_and_within_the_limits(fix, limits, ended, tmp_path):
    best = best_first(list(Store(ended.root).records()), ended.objectives)
    later = replace(ended, space=SMALL.with_fixed(fix), limits=limits, root=tmp_path / "later")
    points = starts_of(later, [str(ended.root)])
    assert points[0]["rate"] == best[0].run.factors["rate"]
    assert points[0].items() >= later.space.fixed.items()
    assert all(later.excess(point) <= 1 for point in points)
    run(replace(later, starts=points, budget=SearchBudget(1)))


def test_the_networks_of_an_earlier_search_are_projected_onto_another_space(ended, tmp_path):
    other = replace(ended, space=SPACES["tiny"], root=tmp_path / "other")
    best = best_first(list(Store(ended.root).records()), ended.objectives)[0].run
    points = starts_of(other, [str(ended.root)])
    assert {name: points[0][name] for name in ("skip", "order", "width")} == {
        "skip": best.factors["skip"], "order": best.factors["order"], "width": 4,
    }  # fmt: skip


def test_a_start_without_a_completed_trial(ended, tmp_path):
    for path in (ended.root / "runs").glob("*.json"):
        path.unlink()
    with pytest.raises(UserError, match="with a completed trial, but .* has none"):
        starts_of(replace(ended, root=tmp_path / "other"), [str(ended.root)])


def test_two_launchers_do_not_search_in_one_folder(ended):
    with (
        Store(ended.root).claim("search").acquire(timeout=0),
        pytest.raises(UserError, match="must have one launcher"),
    ):
        run(replace(ended, budget=SearchBudget(5)))


def test_damaged_records_are_set_aside_and_the_trials_made_again(ended, capsys):
    before = trials(ended)
    path = sorted((ended.root / "runs").glob("*.json"))[0]
    path.write_text(path.read_text()[:100])
    assert run(ended) == before
    assert "is a damaged record" in capsys.readouterr().err


def test_trials_have_numbers_in_the_order_of_proposal(ended):
    assert list(numbers(plan_of(ended.root)).values()) == [1, 2, 3]
    with pytest.raises(UserError, match="must be the folder of a search"):
        plan_of(ended.root / "runs")
