"""Another seed of a point in place of a new point: when it is proposed, and what is then believed."""

import math

import keras_tuner
import numpy as np
import pytest
from scipy import integrate, stats

from resnet_core.errors import UserError
from search.asking import search_of
from search.oracles import REPLICATE, oracle
from search.oracles.gaussian import GaussianProcess, Points
from search.oracles.gp import _expected_improvement
from search.oracles.points import own
from search.oracles.replicates import AGREEING, agree, expected_maximum, knowledge_gradients, probabilities_of_best
from tests.search.test_oracles import LOSS, end, in_folder, points, search, small, space


def noisy(seed, noise):
    """Return a measure of the values, with noise that is a function of their number."""
    rng = np.random.default_rng(seed)

    def measure(values):
        rate = math.log10(values.get("rate", 1.0)) + 2
        return {"loss": rate**2 + values.get("depth", 0) / 40 + noise * rng.standard_normal()}

    return measure


def replicating(trials, hp=None, seed=0):
    return oracle("gp", LOSS, hp or space(), trials, seed, replicates=True)


def again(proposed):
    return [values for values in proposed if REPLICATE in values]


@pytest.mark.parametrize("seed", range(4))
def test_the_expected_maximum_of_lines_is_its_integral(seed):
    rng = np.random.default_rng(seed)
    offsets, slopes = rng.normal(size=7), rng.normal(size=7) * (np.arange(7) != seed)
    slopes[5] = slopes[4]

    def integrand(z):
        return np.max(offsets + slopes * z) * stats.norm.pdf(z)

    expected = integrate.quad(integrand, -9, 9, limit=500)[0]
    assert expected_maximum(offsets, slopes) == pytest.approx(expected, abs=1e-6)
    assert expected_maximum(offsets[:1], slopes[:1]) == pytest.approx(offsets[0])


def test_without_noise_the_gradient_is_the_expected_improvement_and_0_of_a_point_that_was_tried():
    x = np.array([[0.1], [0.4], [0.9]])
    tried, others = (Points(np.zeros((len(at), 0), int), at) for at in (x, np.array([[0.25], [0.6]])))
    model = GaussianProcess(tried, np.array([0.5, -1.2, 0.9]), [], [])
    vector = np.array([1.0, -1.0, -1.0, -1.0, -60.0])
    model._parameters = model._unpacked(vector)
    model._condition()
    both = Points(np.zeros((5, 0), int), np.concatenate([others.numbers, x]))
    gains = knowledge_gradients(model, tried, both, new=2)
    expected = _expected_improvement(*model.predict(others), model.predict(tried)[0].min())
    np.testing.assert_allclose(gains[:2], expected, rtol=0.01)
    np.testing.assert_allclose(gains[2:], 0.0, atol=1e-3)


def test_the_probability_of_being_the_best_is_that_of_draws():
    x = np.array([[0.1], [0.4], [0.9]])
    tried = Points(np.zeros((3, 0), int), x)
    model = GaussianProcess(tried, np.array([0.5, -1.2, 0.7]), [], [])
    probabilities = probabilities_of_best(model, tried, np.random.default_rng(0))
    mean, covariance = model.predict(tried)[0], model.covariance(tried, tried)
    draws = np.random.default_rng(1).multivariate_normal(mean, covariance, 40_000)
    np.testing.assert_allclose(probabilities, np.bincount(draws.argmin(1), minlength=3) / 40_000, atol=0.02)
    assert probabilities.sum() == pytest.approx(1)


def test_noise_is_met_by_further_seeds_and_their_absence_by_new_points():
    assert len(again(points(search(replicating(16), noisy(0, 0.0))))) <= AGREEING
    proposed = points(search(replicating(24), noisy(0, 1.5)))
    assert len(again(proposed)) > 0
    for values in again(proposed):
        earlier = proposed[: proposed.index(values)]
        assert values[REPLICATE] == sum(own(other) == own(values) for other in earlier)


def test_seeds_agree_if_none_changes_a_cost():
    a, b = {"kind": "a"}, {"kind": "b"}
    assert not agree([a, b], np.array([1.0, 2.0]))
    assert not agree([a, b, a], np.array([1.0, 2.0, 1.0]))
    assert agree([a, b, a, b], np.array([1.0, 2.0, 1.0, 2.0]))
    assert not agree([a, b, a, b, a], np.array([1.0, 2.0, 1.0, 2.0, 1.5]))


def test_a_space_without_a_new_point_is_measured_again():
    proposer = replicating(12, small())
    proposed = points(search(proposer, lambda values: {"loss": float(len(values)) + 0.1 * len(proposer.trials) % 3}))
    assert len(proposed) == 12
    assert len(again(proposed)) == 6
    beliefs = proposer.beliefs()
    assert sum(belief.measured for belief in beliefs) == 12
    assert sum(belief.probability for belief in beliefs) == pytest.approx(1)
    assert len({str(own(proposer.trials[belief.trial].hyperparameters.values)) for belief in beliefs}) == 6


def test_the_best_believed_is_not_the_luckiest():
    """Two points of kind a are measured five times each; the worse one is once very lucky."""
    proposer = replicating(12, small())
    lucky = iter([3.0, 3.1, 2.9, 3.0])

    def measure(values):
        if values["kind"] == "c":
            return {"loss": next(lucky, 3.0) - 3.5 * (REPLICATE not in values)}
        return {"loss": 1.0 if values.get("width") == 2 else 4.0}

    search(proposer, measure)
    believed = proposer.trials[proposer.beliefs()[0].trial].hyperparameters.values
    best = min(proposer.ended, key=lambda trial: trial.metrics.get_last_value("loss"))
    assert best.hyperparameters.values["kind"] == "c"
    assert believed == {"kind": "a", "width": 2}


@pytest.mark.parametrize("cut", [3, 6, 9])
def test_a_search_that_is_taken_up_proposes_the_same(cut, tmp_path):
    whole = points(search(replicating(12, small()), noisy(1, 1.0)))
    first, measure = in_folder(replicating(12, small()), tmp_path), noisy(1, 1.0)
    for _ in range(cut):
        trial = first.create_trial("tuner0")
        end(first, trial, measure(trial.hyperparameters.values))
    left = first.create_trial("tuner0").hyperparameters.values
    second = in_folder(replicating(12, small()), tmp_path)
    second.reload()
    rest = points(search(second, measure))
    assert rest[cut] == left
    assert rest == whole


def test_without_replicates_nothing_is_proposed_twice_and_the_state_is_as_it_was(tmp_path):
    plain = in_folder(oracle("gp", LOSS, small(), 12, 0), tmp_path)
    assert len(search(plain, noisy(0, 1.0))) == 6
    assert "replicates" not in plain.identity()


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"oracle": "tpe"}, "weighs another seed against a new point, gp, but got oracle"),
        ({"objective": "val_accuracy,macs"}, "takes one objective, but got 2"),
        ({"replicates": "often"}, "must be none or auto, but got 'often'"),
    ],
)
def test_what_cannot_be_replicated(wishes, message):
    with pytest.raises(UserError, match=message):
        search_of("tiny", **{"replicates": "auto", **wishes})


def test_the_objective_may_rise():
    rising = oracle("gp", keras_tuner.Objective("accuracy", "max"), small(), 9, 0, replicates=True)
    search(rising, lambda values: {"accuracy": 0.9 if values["kind"] == "b" else 0.2})
    best = rising.beliefs()[0]
    assert rising.trials[best.trial].hyperparameters.values["kind"] == "b"
    assert best.value == pytest.approx(0.9, abs=0.2)
