"""Classes of unequal size: weights of the loss, equal shares of the batches, and scores by class."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score
from sklearn.utils.class_weight import compute_class_weight

from resnet_core.nets.keras_net import build
from resnet_core.nets.spec import cifar
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data import prepare
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.training.device import Data
from resnet_core.runs.training.engine import Engine
from resnet_core.runs.training.forms import form_of
from resnet_core.runs.training.order import batches, class_weights, equal_shares
from resnet_core.runs.training.scores import BY_CLASS, scores_of
from resnet_core.runs.training.step import StepSpec
from resnet_core.runs.training.train import train_run

NET = cifar(8, 4, input_shape=(8, 8, 1))
TRAIN = TrainSpec(data="digits", steps=12, batch_size=16, learning_rate=0.05, test=False)
PROBE = ProbeSpec(steps=(), each_epoch=False, batch_size=16, by_class=True)
LABELS = np.repeat([0, 1, 2, 3], [40, 40, 15, 5])


@pytest.fixture(scope="module")
def data(digits):
    """Digits, of which few are of the class 9."""
    data = prepare(digits, TRAIN)
    kept = np.flatnonzero((data.y_train != 9) | (np.arange(len(data.y_train)) % 8 == 0))
    return replace(data, x_train=data.x_train[kept], y_train=data.y_train[kept])


def test_the_default_leaves_ids_and_draws_as_they_were():
    assert Run(NET, TRAIN).id == "091b3a8bd94bc5a6"
    assert Run(NET, TRAIN, ProbeSpec(by_class=False)).id == Run(NET, TRAIN).id
    plain = batches(3, len(LABELS), 10, 12)
    for before, after in zip(plain, batches(3, len(LABELS), 10, 12, labels=LABELS, balance="none"), strict=True):
        np.testing.assert_array_equal(before.indices, after.indices)
        assert after.weights is None


def test_weights_are_those_of_scikit_learn_and_have_the_mean_1():
    weights = class_weights(LABELS)
    np.testing.assert_allclose(weights, compute_class_weight("balanced", classes=np.arange(4), y=LABELS), rtol=1e-6)
    assert weights[LABELS].mean() == pytest.approx(1)
    np.testing.assert_allclose(class_weights(np.array([0, 0, 2])), [0.75, 0, 1.5])  # no image of class 1


def test_weights_follow_their_images():
    for batch in batches(3, len(LABELS), 10, 25, labels=LABELS, balance="class_weights"):
        np.testing.assert_array_equal(batch.weights, class_weights(LABELS)[LABELS[batch.indices]])


@pytest.mark.parametrize("mixture", [{}, {"label_smoothing": 0.1}, {"label_smoothing": 0.1, "mixup": 0.4}])
def test_the_loss_is_the_mean_of_weighted_cross_entropies(data, mixture):
    """Against plain numpy."""
    train = TRAIN.replace(balance="class_weights", **mixture)
    engine, device = Engine(NET, StepSpec.from_specs(train)), Data(data)
    engine.reset(5)
    batch = next(batches(0, len(data.y_train), 16, 1, mixup=train.mixup, labels=data.y_train, balance=train.balance))
    loss, *_ = engine.update(device, batch, 0.1)
    share, partners = (batch.share, batch.partners) if train.mixup else (1.0, np.arange(16))
    x, y = data.x_train[batch.indices], data.y_train[batch.indices]
    x = (x.astype("float32") - data.shift) * data.scale
    logits = build(NET, 5)(share * x + (1 - share) * x[partners], training=True).numpy().astype("float64")
    smooth = train.label_smoothing
    targets = (1 - smooth) * (share * np.eye(10)[y] + (1 - share) * np.eye(10)[y[partners]]) + smooth / 10
    weights = share * batch.weights + (1 - share) * batch.weights[partners]
    losses = (targets * (np.log(np.exp(logits).sum(1, keepdims=True)) - logits)).sum(1)
    assert float(loss) == pytest.approx((weights * losses).mean(), rel=1e-5)
    assert float(loss) != pytest.approx(losses.mean(), rel=1e-3)


def test_an_epoch_of_equal_shares_has_each_class_as_often_and_repeats_an_image_last():
    drawn = equal_shares(LABELS, np.random.default_rng(0))
    assert np.bincount(LABELS[drawn]).tolist() == [25] * 4
    times = np.bincount(drawn, minlength=len(LABELS))
    for label, few in enumerate([0, 0, 1, 5]):
        assert set(times[label == LABELS]) <= {few, few + 1}
    odd = equal_shares(LABELS[:-2], np.random.default_rng(0))
    assert sorted(np.bincount(LABELS[odd])) == [24, 24, 25, 25]


def test_equal_shares_of_a_later_epoch_do_not_depend_on_the_epochs_before():
    whole = list(batches(3, len(LABELS), 10, 25, labels=LABELS, balance="sampling"))
    assert [batch.epoch for batch in whole] == [1] * 10 + [2] * 10 + [3] * 5
    later = list(batches(3, len(LABELS), 10, 25, 17, labels=LABELS, balance="sampling"))
    for before, after in zip(whole[17:], later, strict=True):
        np.testing.assert_array_equal(before.indices, after.indices)
    assert (whole[0].indices != whole[10].indices).any()


@pytest.mark.parametrize("balance", ["none", "class_weights", "sampling"])
def test_both_forms_train_it_or_say_which_does(data, balance):
    run = Run(NET, TRAIN.replace(balance=balance, form="open"), PROBE)
    assert form_of(run) == ("own" if balance == "class_weights" else "open")
    own = train_run(replace(run, train=run.train.replace(form="own")), data)
    record = train_run(run, data)
    assert record.outcome.status == own.outcome.status == "completed", record.outcome.message
    assert record.results == pytest.approx(own.results, abs=0.03)
    assert {f"val_{score}" for score in BY_CLASS} <= {*record.results} & {*record.epochs[-1]}


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    labels = rng.choice(4, 60, p=[0.5, 0.3, 0.15, 0.05])
    predicted = np.where(rng.random(60) < 0.6, labels, rng.integers(0, 4, 60))
    scores = scores_of(labels, predicted, by_class=True)
    assert scores["accuracy"] == np.mean(labels == predicted)
    assert scores["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert scores["f1_macro"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert scores["worst_class_accuracy"] == pytest.approx(recall_score(labels, predicted, average=None).min())
    assert scores_of(labels, predicted, by_class=False) == {"accuracy": scores["accuracy"]}


def test_a_class_without_an_image_is_in_no_recall():
    scores = scores_of(np.array([0, 0, 2]), np.array([0, 1, 2]), by_class=True)
    assert (scores["balanced_accuracy"], scores["worst_class_accuracy"]) == (0.75, 0.5)
    assert scores["f1_macro"] == pytest.approx((2 / 3 + 0 + 1) / 3)


def test_a_balanced_network_is_not_judged_by_the_shares_of_the_classes(data):
    """Its accuracy is below the share of the largest class, and its loss below that of equal probabilities."""
    info = replace(data.info, class_counts=((900, 0), (100, 0)))
    results = {"train_loss": 0.5, "train_accuracy": 0.8}
    for balance, status in (("none", "failed_to_train"), ("sampling", "completed"), ("class_weights", "completed")):
        run = Run(NET, TRAIN.replace(balance=balance), PROBE)
        assert Record(run, Outcome("completed", 12), results, data=info).status == status
