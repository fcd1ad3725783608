"""What all oracles have in common, each by itself, and KerasTuner's traps."""

import json
import math
import shutil
from collections import Counter
from itertools import count, islice

import keras_tuner
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras_tuner.engine.hyperparameters import HyperParameters

from analysis.pareto import front_ranks
from resnet_core.errors import UserError
from search.oracles import DEFAULT, ORACLES, of_several, oracle, register_oracle
from search.oracles.points import SamplerSpace, own, permuted

LOSS = keras_tuner.Objective("loss", "min")
TWO = [keras_tuner.Objective("accuracy", "max"), keras_tuner.Objective("parameters", "min")]
OPTIONS = {
    "hyperband": {"max_epochs": 4, "factor": 2},
    "asha": {"max_epochs": 4, "factor": 2},
    "bayesian": {"num_initial_points": 100},  # a proposal by its model takes seconds, see below
}
TRIALS = {"gp": 8, "tpe": 16, "nsga2": 30, "evolution": 30}
NAMES, SEVERAL = tuple(ORACLES), of_several()
FIDELITIES = [name for name, known in ORACLES.items() if known.fidelities]
ONCE = tuple(name for name in NAMES if name not in FIDELITIES)
stock = pytest.mark.filterwarnings("ignore:(currentThread|getName):DeprecationWarning")


def declare(hp):
    hp.Choice("kind", ["plain", "residual", "dense"])
    hp.Float("rate", 1e-4, 1.0, sampling="log")
    with hp.conditional_scope("kind", ["residual"]):
        hp.Boolean("bottleneck")
        with hp.conditional_scope("bottleneck", [True]):
            hp.Choice("factor", [2, 4])
    hp.Int("depth", 1, 40)


def space(declare=declare):
    hp = HyperParameters()
    declare(hp)
    return hp


def test_points_are_spread_over_every_axis():
    hp = HyperParameters()
    hp.Float("rate", 1e-4, 1.0, sampling="log")
    hp.Choice("kind", ["a", "b", "c", "d"])
    hp.Int("depth", 1, 8)
    over = SamplerSpace(hp)
    for seed in range(5):
        points = list(islice(over.spread(seed), 8))
        assert points == list(islice(over.spread(seed), 8))
        coordinates = np.array([[over.coordinate(i, point[name]) for i, name in enumerate(point)] for point in points])
        assert sorted((coordinates[:, 0] * 8).astype(int)) == list(range(8))
        assert sorted((coordinates[:, 2] * 8).astype(int)) == list(range(8))
        assert sorted(point["kind"] for point in points) == ["a", "a", "b", "b", "c", "c", "d", "d"]
    assert list(islice(over.spread(0), 8)) != list(islice(over.spread(1), 8))


def test_points_that_are_spread_have_active_values_only():
    over = SamplerSpace(space())
    for point in islice(over.spread(3), 64):
        assert point == over.complete(point)


def small():
    """Six points: three of kind a, with b or c each, and of kind b and c two and one."""
    hp = HyperParameters()
    hp.Choice("kind", ["a", "b", "c"])
    with hp.conditional_scope("kind", ["a"]):
        hp.Choice("width", [1, 2, 3])
    with hp.conditional_scope("kind", ["b"]):
        hp.Boolean("deep")
    return hp


def seeded(name, trials=None, seed=0, objective=LOSS, hp=None, **options):
    trials = TRIALS.get(name, 20) if trials is None else trials
    return oracle(name, objective, hp or space(), trials, seed, **OPTIONS.get(name, {}), **options)


def loss(values):
    rate = abs(math.log10(values.get("rate", 1.0)) + 2)
    return rate + abs(values.get("depth", 0) - 20) / 20 + (values["kind"] != "residual")


def end(proposer, trial, metrics):
    """End a trial with metrics, or if there are none, as failed."""
    if metrics is None:
        trial.status = "FAILED"
    else:
        proposer.update_trial(trial.trial_id, metrics)
        trial.status = "COMPLETED"
    proposer.end_trial(trial)


def search(proposer, measure=lambda values: {"loss": loss(values)}, most=1000):
    """Search to the end with one worker; return the trials in the order of their proposal."""
    for _ in range(most):
        trial = proposer.create_trial("tuner0")
        if trial.status != "RUNNING":
            break
        end(proposer, trial, measure(trial.hyperparameters.values))
    return [proposer.trials[name] for name in proposer.start_order]


def points(trials):
    return [trial.hyperparameters.values for trial in trials]


def in_folder(proposer, folder):
    proposer._set_project_dir(str(folder), "project")
    return proposer


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_proposes_the_same_and_others_do_not(name):
    first = points(search(seeded(name)))
    assert points(search(seeded(name))) == first
    rates = {values["rate"] for values in first}
    assert len(first) == TRIALS.get(name, 20)
    for seed in (1, 6):
        assert (
            not rates & {values["rate"] for values in points(search(seeded(name, seed=seed, trials=5)))}
            or name == "grid"
        )


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_new_and_accepted_is_proposed_and_only_active_values(name):
    asked = []

    def accepts(values):
        assert not any(key.startswith("tuner/") for key in values)
        asked.append(values)
        return values["depth"] % 3 == 0

    trials = search(seeded(name, accepts=accepts))
    assert len(trials) == TRIALS.get(name, 20)
    assert {trial.status for trial in trials} == {"COMPLETED"}
    new = [own(values) for values in points(trials) if "tuner/trial_id" not in values]
    assert all(values["depth"] % 3 == 0 and values in asked for values in new)
    assert len({json.dumps(values, sort_keys=True) for values in new}) == len(new)
    for values in new:
        hp = space()
        hp.values = dict(values)
        hp.ensure_active_values()
        assert hp.values == values
        expected = {"kind", "rate", "depth"}
        expected |= {"bottleneck"} if values["kind"] == "residual" else set()
        expected |= {"factor"} if values.get("bottleneck") else set()
        assert set(values) == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_search_that_was_killed_at_any_save_goes_on_as_if_it_had_not_been(name, tmp_path, monkeypatch):
    whole = in_folder(seeded(name), tmp_path)
    file, saves = tmp_path / "project" / "oracle.json", []
    monkeypatch.setattr(whole, "save", lambda save=whole.save: (save(), saves.append(file.read_bytes())))
    expected = points(search(whole))
    assert [path.name for path in file.parent.iterdir()] == ["oracle.json"]
    step = {"gp": 5, "tpe": 3, "nsga2": 7, "evolution": 7}.get(name, 2)
    for number, saved in enumerate(saves[1::step]):
        folder = tmp_path / str(number)
        (folder / "project").mkdir(parents=True)
        (folder / "project" / "oracle.json").write_bytes(saved)
        left = folder / "project" / ".writing-elsewhere-1-x"
        left.write_text('{"half of a')
        resumed = in_folder(seeded(name), folder)
        resumed.reload()
        assert points(search(resumed)) == expected
        assert {trial.status for trial in resumed.trials.values()} == {"COMPLETED"}
        assert [trial.score for trial in resumed.ended] == [trial.score for trial in whole.ended]


@pytest.mark.parametrize("name", NAMES)
def test_open_trials_are_proposed_again_first_without_what_they_had_measured(name, tmp_path):
    first = in_folder(seeded(name, trials=6), tmp_path)
    begun = [first.create_trial(tuner) for tuner in "abc"]
    assert len({json.dumps(trial.hyperparameters.values) for trial in begun}) == 3
    assert first.create_trial("a") is begun[0]
    end(first, begun[1], {"loss": 1.0})
    first.update_trial(begun[0].trial_id, {"loss": 5.0})
    first.save()
    again = in_folder(seeded(name, trials=6), tmp_path)
    trial = again.create_trial("a")  # no `reload`: a tuner that was killed in its first trial does not
    assert trial.hyperparameters.values == begun[0].hyperparameters.values
    assert trial.trial_id == begun[0].trial_id
    end(again, trial, {"loss": 1.0})
    assert again.trials[trial.trial_id].score == 1.0
    assert again.create_trial("b").trial_id == begun[2].trial_id
    assert again.create_trial("c").trial_id not in {trial.trial_id for trial in begun}


@pytest.mark.parametrize("name", NAMES)
def test_what_diverges_or_fails_ends_no_search(name, tmp_path):
    numbers = count()
    bad = [{"loss": math.nan}, None, {"loss": math.inf}, None, None, None, {"loss": -math.inf}]

    def measure(values):
        number = next(numbers)
        return bad[number % 14] if number % 14 < len(bad) else {"loss": loss(values)}

    proposer = in_folder(seeded(name), tmp_path)
    trials = search(proposer, measure)
    assert len(trials) == TRIALS.get(name, 20)
    ended = [bad[i % 14] if i % 14 < len(bad) else {} for i in range(len(trials))]
    assert [trial.status == "FAILED" for trial in trials] == [metrics is None for metrics in ended]
    assert [trial.score == math.inf for trial in trials] == [bool(metrics) for metrics in ended]
    best = proposer.get_best_trials(100)
    assert [trial.score for trial in best] == sorted(trial.score for trial in trials if trial.status == "COMPLETED")
    json.loads((tmp_path / "project" / "oracle.json").read_text(), parse_constant=pytest.fail)
    again = in_folder(seeded(name), tmp_path)
    again.reload()
    assert [trial.score for trial in again.ended] == [trial.score for trial in trials]


@pytest.mark.parametrize("name", NAMES)
def test_a_space_is_proposed_to_its_last_point(name):
    trials = search(seeded(name, trials=100, hp=small()), lambda values: {"loss": len(values)})
    new = Counter(json.dumps(own(values)) for values in points(trials) if "tuner/trial_id" not in values)
    assert len(new) == 6
    assert set(new.values()) == {1}


@pytest.mark.parametrize("name", NAMES)
def test_if_nothing_is_accepted_the_search_is_over(name):
    assert search(seeded(name, accepts=lambda values: False)) == []


@pytest.mark.parametrize("name", ONCE)
def test_starts_come_first_as_far_as_they_are_accepted(name):
    starts = [{"kind": "dense", "depth": 7}, {"depth": 99}, {"kind": "residual", "bottleneck": True, "rate": 1}]
    starts[1] = {"depth": 40}
    proposer = seeded(name, starts=starts, accepts=lambda values: values["depth"] != 40, trials=4)
    assert points(search(proposer))[:2] == [
        {"kind": "dense", "rate": 1e-4, "depth": 7},
        {"kind": "residual", "rate": 1.0, "bottleneck": True, "factor": 2, "depth": 1},
    ]
    assert len(proposer.trials) == 4


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({"kind": "wide"}, "`kind` of a point to start from must be one of .*, but got 'wide'"),
        ({"depth": 41}, "`depth` of a point to start from must be .*, but got 41"),
        ({"rate": "fast"}, "`rate` of a point to start from must be between 0.0001 and 1.0, but got 'fast'"),
        ({"width": 3}, "`width` is not a hyperparameter of"),
        ({"factor": 2}, "`factor` is not active in"),
    ],
)
def test_a_start_that_is_no_point_is_refused(start, message):
    with pytest.raises(UserError, match=message):
        seeded("random", starts=[start])


class Tuner(keras_tuner.Tuner):
    """A stock tuner that trains nothing, and dies in its trial number `dies`."""

    dies = None

    def run_trial(self, trial, *arguments, **more):
        if len(self.oracle.trials) == self.dies:
            raise KeyboardInterrupt
        return loss(trial.hyperparameters.values)


@pytest.mark.parametrize("name", [*ONCE, *FIDELITIES])
def test_in_a_stock_tuner(name, tmp_path, capsys):
    def tuner(folder):
        proposer = oracle(name, "val_loss", HyperParameters(), 6, 0, **OPTIONS.get(name, {}))
        return Tuner(proposer, hypermodel=declare, directory=tmp_path / folder, project_name="project")

    whole = tuner("whole")
    whole.search()
    expected = points(whole.oracle.trials.values())
    assert len(expected) == 6
    for dies in (1, 4):  # in the first trial KerasTuner's file is not there yet
        killed = tuner(f"killed{dies}")
        killed.dies = dies
        with pytest.raises(KeyboardInterrupt):
            killed.search()
        resumed = tuner(f"killed{dies}")
        resumed.search()
        assert points(resumed.oracle.trials.values()) == expected
        assert resumed.get_best_hyperparameters()[0].values == whole.get_best_hyperparameters()[0].values
    assert not [line for line in capsys.readouterr().out.splitlines() if not line.startswith("Reloading Tuner")]


def test_what_is_overwritten_is_not_taken_up(tmp_path):
    def tuner(overwrite):
        return Tuner(
            oracle("random", "val_loss", HyperParameters(), 3, 0), hypermodel=declare, directory=tmp_path,
            project_name="project", overwrite=overwrite,
        )  # fmt: skip

    tuner(False).search()
    again = tuner(True)
    assert not again.oracle.trials
    again.search()
    assert len(again.oracle.trials) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "with the seed it began with, 0, but got 1"),
        ({"objective": "val_loss"}, "with the objective it began with, {'loss': 'min'}, but got {'val_loss': 'min'}"),
        ({"hp": space(lambda hp: hp.Int("depth", 1, 50))}, "`depth` was .*'max_value': 40.* and is .*'max_value': 50"),
        ({"name": "grid"}, "with the oracle it began with, 'RandomOracle', but got 'GridOracle'"),
    ],
)
def test_a_search_is_continued_as_it_was_begun(change, message, tmp_path):
    search(in_folder(seeded("random", trials=2), tmp_path))
    other = in_folder(seeded(**{"name": "random", "trials": 4, **change}), tmp_path)
    with pytest.raises(UserError, match=message):
        other.create_trial("tuner0")


def test_a_save_overwrites_no_search_that_has_not_been_taken_up(tmp_path):
    search(in_folder(seeded("random", trials=2), tmp_path))
    other = in_folder(seeded("random", trials=2), tmp_path)
    other.save()
    assert len(other.trials) == 2


def test_more_trials_may_be_asked_for(tmp_path):
    search(in_folder(seeded("random", trials=9), tmp_path))
    assert points(search(in_folder(seeded("random", trials=11), tmp_path))) == points(
        search(seeded("random", trials=11))
    )


def test_a_folder_of_another_kind_is_refused(tmp_path):
    file = tmp_path / "project" / "oracle.json"
    file.parent.mkdir()
    for text, message in (("{", "is damaged"), ('{"hyperparameters": {}}', "a search of KerasTuner's own")):
        file.write_text(text)
        with pytest.raises(UserError, match=message):
            in_folder(seeded("random"), tmp_path).create_trial("tuner0")


def test_mistakes():
    with pytest.raises(UserError, match="an oracle must be a registered one, but got 'rnadom'; did you mean 'random'"):
        oracle("rnadom", LOSS, space(), 10, 0)
    with pytest.raises(UserError, match="the oracle 'asha' takes one objective, but got 2"):
        seeded("asha", objective=TWO)
    with pytest.raises(UserError, match="the oracle 'hyperband' takes no points to start from, but got 1"):
        seeded("hyperband", starts=[{"depth": 3}])
    with pytest.raises(UserError, match="`seed` must be greater than or equal to 0, but got -1"):
        seeded("random", seed=-1)
    with pytest.raises(UserError, match="`factor` must be at least 2"):
        oracle("asha", LOSS, space(), 10, 0, max_epochs=9, factor=1)
    assert DEFAULT in NAMES
    assert set(SEVERAL) | set(FIDELITIES) | {"bayesian"} == set(NAMES)


def test_no_file_without_a_folder_and_a_metric_of_each_step_is_kept():
    proposer = seeded("random", trials=1)
    trial = proposer.create_trial("tuner0")
    for step, value in enumerate([3.0, 1.0, 2.0]):
        proposer.update_trial(trial.trial_id, {"loss": value, "other": 0.0}, step=step)
    with pytest.raises(ValueError, match="Objective value missing"):
        proposer.update_trial(trial.trial_id, {"other": 0.0})
    trial.status = "COMPLETED"
    proposer.end_trial(trial)
    proposer.end_trial(trial)  # is heard of once
    assert (proposer.trials["0"].score, proposer.trials["0"].best_step) == (1.0, 1)
    assert proposer.end_order == ["0"]


# Several objectives.


def two(values):
    return {"accuracy": 1 - loss(values) / 10, "parameters": 1e6 * values["depth"]}


@pytest.mark.parametrize("name", SEVERAL)
def test_several_objectives_are_traded_and_not_summed(name):
    numbers = count()
    trials = search(
        seeded(name, objective=TWO, trials=34 if name in ("nsga2", "evolution") else 16),
        lambda values: two(values) if next(numbers) % 7 else {"accuracy": math.nan, "parameters": 1.0},
    )
    proposer = seeded(name, objective=TWO)
    table = proposer.costs(trials)
    assert np.isfinite(table).all()
    assert [trial.score for trial in trials] == front_ranks(table).tolist()
    again = points(search(seeded(name, objective=TWO, trials=12), two))
    assert again == points(search(seeded(name, objective=TWO, trials=12), two))


def test_the_best_of_several_objectives_are_the_front():
    proposer = seeded("random", objective=TWO, trials=30)
    search(proposer, two)
    front = [trial for trial in proposer.trials.values() if trial.score == 0]
    best = proposer.get_best_trials(len(front))
    assert {trial.trial_id for trial in best} == {trial.trial_id for trial in front}
    ends = {max(front, key=lambda trial: two(trial.hyperparameters.values)[name] * sign).trial_id
            for name, sign in (("accuracy", 1), ("parameters", -1))}  # fmt: skip
    assert ends <= {trial.trial_id for trial in best[:4]}


@pytest.mark.parametrize("name", ["gp", "evolution", "nsga2"])
def test_both_ends_of_a_front_are_found(name):
    """The sum of the raw values is least at depth 1, whatever the accuracy."""
    trials = search(seeded(name, objective=TWO, trials=50), two)
    front = [trial.hyperparameters.values for trial in trials if trial.score == 0]
    depths = [values["depth"] for values in front]
    assert min(depths) < 5
    assert max(depths) > 10
    assert max(two(values)["accuracy"] for values in front) > 0.95


# Oracles by themselves.


def test_a_cut_off_grid_covers_every_value_and_a_whole_one_every_point():
    hp = HyperParameters()
    for i in range(6):
        hp.Choice(f"edge{i}", list("abcde"))
    for i in range(6):
        assert (
            len(
                {
                    values[f"edge{i}"]
                    for values in points(search(seeded("grid", trials=40, hp=hp), lambda v: {"loss": 0}))
                }
            )
            == 5
        )
    assert SamplerSpace(space()).grid_size() == (1 + 1 + 1 + 2) * 10 * 40


@stock
def test_kerastuners_cut_off_grid_covers_a_corner():
    hp = HyperParameters()
    for i in range(6):
        hp.Choice(f"edge{i}", list("abcde"))
    proposer = keras_tuner.oracles.GridSearchOracle(LOSS, 40, hyperparameters=hp)
    proposer.verbose, proposer.save, proposer._save_trial = 0, lambda: None, lambda trial: None
    assert {values["edge0"] for values in points(search(proposer, lambda values: {"loss": 0.0}))} == {"a"}


def test_kerastuners_seeds_overlap_and_these_do_not():
    theirs, ours = [], []
    for seed in (1, 6):
        proposer = keras_tuner.oracles.RandomSearchOracle(LOSS, 20, seed=seed, hyperparameters=space(flat))
        theirs.append({json.dumps(proposer._random_values()) for _ in range(20)})
        ours.append(
            {
                json.dumps(values)
                for values in points(search(seeded("random", seed=seed, hp=space(flat)), lambda v: {"loss": 0}))
            }
        )
    assert len(theirs[0] & theirs[1]) == 19
    assert not ours[0] & ours[1]


def flat(hp):
    for i in range(5):
        hp.Float(f"x{i}", 0, 1)


@stock
def test_kerastuner_ends_at_three_failures():
    proposer = keras_tuner.oracles.RandomSearchOracle(LOSS, 20, seed=1, hyperparameters=space())
    proposer.verbose, proposer.save, proposer._save_trial = 0, lambda: None, lambda trial: None
    with pytest.raises(RuntimeError, match="Number of consecutive failures exceeded the limit of 3"):
        search(proposer, lambda values: None)


def test_kerastuner_sums_objectives():
    proposer = keras_tuner.oracles.RandomSearchOracle(TWO, 20, seed=1)
    assert proposer.objective.get_value({"accuracy": 0.5, "parameters": 1e6}) == 1e6 - 0.5


def test_evolution_changes_one_active_value_of_one_of_the_last():
    trials = points(search(seeded("evolution", trials=60)))
    for number in range(25, 60):
        before, values = trials[:number], trials[number]
        differences = [
            sum(parent.get(name) != values.get(name) for name in ("kind", "rate", "depth")) for parent in before[-25:]
        ]
        assert min(differences) <= 1


@pytest.mark.parametrize(("name", "trials"), [("gp", 30), ("tpe", 40), ("evolution", 80), ("nsga2", 80)])
def test_what_learns_is_better_than_chance(name, trials):
    best = [min(trial.score for trial in search(seeded(each, trials=trials, seed=5))) for each in (name, "random")]
    assert best[0] < best[1]


def test_the_gaussian_process_learns_what_choices_of_the_same_values_have_in_common():
    """Of the four edges, one has told what a and b are worth; the others are expected to agree."""
    hp = HyperParameters()
    for i in range(4):
        hp.Choice(f"edge{i}", list("abcde"))
    score = {"a": 0.0, "b": 0.1, "c": 2.0, "d": 2.1, "e": 4.0}
    proposer = seeded("gp", trials=40, hp=hp)
    trials = search(proposer, lambda values: {"loss": sum(score[value] for value in values.values())})
    assert min(trial.score for trial in trials) < 0.15


def test_kerastuners_bayesian_optimisation_has_no_hidden_state(tmp_path):
    def proposer(folder):
        hp = HyperParameters()
        hp.Choice("kind", ["plain", "residual"])
        hp.Float("rate", 1e-4, 1.0, sampling="log")
        return in_folder(oracle("bayesian", LOSS, hp, 7, 0, num_initial_points=5), tmp_path / folder)

    def measure(values):
        return {"loss": math.nan if values["kind"] == "plain" else loss(values) - 10}

    whole = proposer("whole")
    while len(whole.trials) < 6:
        first = whole.create_trial("a")
        if len(whole.trials) < 6:
            end(whole, first, measure(first.hyperparameters.values))
    shutil.copytree(tmp_path / "whole", tmp_path / "killed")
    last = [whole.create_trial("b")]
    again = proposer("killed")
    assert again.create_trial("a").hyperparameters.values == first.hyperparameters.values
    last.append(again.create_trial("b"))
    assert last[0].hyperparameters.values == last[1].hyperparameters.values
    assert last[0].hyperparameters.values["kind"] == "residual"  # for KerasTuner infinity is 0


# Fidelities.


def brackets(trials):
    """Return how many trials each round of each bracket has, and their epochs in all."""
    rounds = Counter((v["tuner/bracket"], v["tuner/round"]) for v in points(trials))
    return rounds, sum(v["tuner/epochs"] - v["tuner/initial_epoch"] for v in points(trials))


def test_hyperband_trains_as_long_as_is_documented():
    trials = search(oracle("hyperband", LOSS, space(), None, 0, max_epochs=30))
    rounds, epochs = brackets(trials)
    assert [rounds[3, turn] for turn in range(4)] == [34, 12, 4, 2]
    assert epochs == 576
    for trial in trials:
        values = trial.hyperparameters.values
        if "tuner/trial_id" in values:
            before = trials[int(values["tuner/trial_id"])].hyperparameters.values
            assert own(before) == own(values)
            assert values["tuner/initial_epoch"] == before["tuner/epochs"]
            assert values["tuner/round"] == before["tuner/round"] + 1


def stock_hyperband():
    proposer = keras_tuner.oracles.HyperbandOracle(
        LOSS, max_epochs=9, seed=1, hyperparameters=space(), max_consecutive_failed_trials=1000
    )
    proposer.verbose, proposer.save, proposer._save_trial = 0, lambda: None, lambda trial: None
    return proposer


@stock
@pytest.mark.parametrize("how", ["stock", "failed", "diverged"])
def test_hyperband_promotes_when_many_fail_and_kerastuners_does_not(how):
    """Two of five fail."""
    proposer = stock_hyperband() if how == "stock" else oracle("hyperband", LOSS, space(), None, 0, max_epochs=9)
    numbers = count()
    bad = {"loss": math.nan} if how == "diverged" else None
    rounds, _ = brackets(search(proposer, lambda values: bad if next(numbers) % 5 < 2 else {"loss": loss(values)}))
    promoted = {key: number for key, number in rounds.items() if key[1]}
    assert promoted == ({} if how == "stock" else {(2, 1): 3, (2, 2): 1, (1, 1): 2})


def test_hyperband_goes_on_with_what_a_small_space_has():
    trials = search(
        oracle("hyperband", LOSS, small(), None, 0, max_epochs=9), lambda values: {"loss": float(len(values))}
    )
    rounds, _ = brackets(trials)
    assert rounds[2, 0] == 6
    assert rounds[2, 1] == 2
    assert rounds[2, 2] == 1


def test_hyperband_waits_for_open_trials_only():
    proposer = oracle("hyperband", LOSS, small(), None, 0, max_epochs=9)
    begun = [proposer.create_trial(str(i)) for i in range(6)]
    assert proposer.create_trial("more").status == "IDLE"
    for trial in begun:
        end(proposer, trial, None)
    assert proposer.create_trial("more").status == "STOPPED"


def test_asha_never_waits_and_promotes_the_best_of_each_rung():
    proposer = oracle("asha", LOSS, space(), 120, 0, max_epochs=20, min_epochs=2)
    rng, open_ = np.random.default_rng(0), {}
    while True:
        for worker in "abcd":
            if worker not in open_:
                trial = proposer.create_trial(worker)
                if trial.status == "RUNNING":
                    open_[worker] = trial
        if not open_:
            break
        trial = open_.pop(rng.choice(sorted(open_)))
        end(proposer, trial, {"loss": loss(trial.hyperparameters.values)})
    values = points(proposer.trials.values())
    rungs = Counter(v["tuner/epochs"] for v in values)
    assert list(rungs) == [2, 6, 18, 20]
    assert len(values) == 120
    assert all(rungs[high] <= rungs[low] / 2 for low, high in ((2, 6), (6, 18), (18, 20)))
    assert rungs[6] > 20
    first = [trial for trial in proposer.trials.values() if trial.hyperparameters["tuner/epochs"] == 2]
    promoted = {v.get("tuner/trial_id") for v in values}
    best = sorted(first, key=lambda trial: trial.score)[:15]
    assert sum(trial.trial_id in promoted for trial in best) > 12


# Points.


@given(st.integers(1, 5000), st.integers(0, 3))
def test_a_permutation_takes_each_number_once(size, seed):
    assert sorted(permuted(number, size, seed) for number in range(size)) == list(range(size))


def test_seeds_permute_apart():
    orders = [[permuted(number, 10**30, seed) for number in range(50)] for seed in range(2)]
    assert not set(orders[0]) & set(orders[1])
    assert min(orders[0]) < 10**29 < 9 * 10**29 < max(orders[0])


def numbers(hp):
    hp.Float("float", -1.0, 3.0)
    hp.Float("log", 1e-5, 1e-1, sampling="log")
    hp.Float("reverse", 1.0, 10.0, sampling="reverse_log")
    hp.Float("step", 0.0, 1.0, step=0.25)
    hp.Float("multiple", 1e-3, 10.0, step=10, sampling="log")
    hp.Int("int", 3, 17)
    hp.Int("even", 2, 20, step=2)
    hp.Int("power", 2, 64, step=2, sampling="log")
    hp.Int("logint", 1, 1000, sampling="log")
    hp.Int("large", 0, 10**6)
    hp.Int("single", 4, 4)
    hp.Choice("ordered", [16, 4, 64])
    hp.Choice("unordered", [1, 2], ordered=False)
    hp.Boolean("boolean")
    hp.Fixed("fixed", "value")


@given(st.integers(0, 10**6))
def test_values_and_coordinates(seed):
    over = SamplerSpace(space(numbers))
    rng = np.random.default_rng(seed)
    values = over.sample(rng)
    assert over.complete(values) == values
    assert json.loads(json.dumps(values)) == values
    for index, hp in over.active(values):
        coordinate = over.coordinate(index, values[hp.name])
        assert 0 <= coordinate <= 1
        assert over.value(index, coordinate) == pytest.approx(values[hp.name])
    mutant = over.mutate(values, rng)
    assert sum(mutant[name] != values[name] for name in values) == 1
    assert mutant["single"] == 4
    assert over.complete(mutant) == mutant


@given(st.integers(0, 10**6))
def test_a_mutated_point_of_a_conditional_space_is_one(seed):
    over = SamplerSpace(space())
    rng = np.random.default_rng(seed)
    values = over.sample(rng)
    mutant = over.mutate(values, rng)
    assert over.complete(mutant) == mutant
    assert mutant != values


def test_a_grid_has_each_point_once_and_continuous_values_ten_times():
    over = SamplerSpace(small())
    grid = [over.grid_point(number) for number in range(over.grid_size())]
    assert grid == [
        {"kind": "a", "width": 1}, {"kind": "a", "width": 2}, {"kind": "a", "width": 3},
        {"kind": "b", "deep": True}, {"kind": "b", "deep": False}, {"kind": "c"},
    ]  # fmt: skip
    hp = HyperParameters()
    hp.Float("rate", 1e-4, 1.0, sampling="log")
    assert SamplerSpace(hp).grid_values(0) == pytest.approx(sorted(hp.space[0].values))


def test_a_name_under_two_conditions_is_two_hyperparameters():
    hp = HyperParameters()
    hp.Choice("kind", ["a", "b"])
    with hp.conditional_scope("kind", ["a"]):
        hp.Choice("size", [1, 2])
    with hp.conditional_scope("kind", ["b"]):
        hp.Choice("size", [30, 40, 50])
    trials = search(seeded("grid", trials=None, hp=hp), lambda values: {"loss": values["size"]})
    assert sorted(trial.score for trial in trials) == [1, 2, 30, 40, 50]
    over, rng = SamplerSpace(hp), np.random.default_rng(0)
    for _ in range(40):
        mutated = over.mutate({"kind": "a", "size": 1}, rng)
        assert mutated == over.complete(mutated)
    for name in ("gp", "tpe", "evolution"):
        sizes = {
            ("a" if v["size"] < 10 else "b") == v["kind"]
            for v in points(search(seeded(name, hp=hp), lambda v: {"loss": v["size"]}))
        }
        assert sizes == {True}


def test_an_oracle_of_a_user_is_registered_by_name():
    from search.oracles.stock import RandomOracle

    class Mine(RandomOracle):
        """At random, too."""

    try:
        register_oracle("mine", "as random")(Mine)
        assert register_oracle("mine", "again")(Mine) is Mine
        assert isinstance(seeded("mine"), Mine)
        assert "mine" not in of_several()
    finally:
        del ORACLES["mine"]
    with pytest.raises(UserError, match="there is an oracle 'gp' already"):
        register_oracle("gp", "mine")(Mine)
