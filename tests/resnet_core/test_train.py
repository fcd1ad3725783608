import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from resnet_core.nets.keras_net import build
from resnet_core.nets.spec import cifar
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data import prepare
from resnet_core.runs.engine import EVALUATION_BATCH, Data, Engine, StepSpec, engine
from resnet_core.runs.order import Batch, batches, probed_batch
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.train import execute
from resnet_core.seeds import generator

NET = cifar(8, 4, input_shape=(8, 8, 1))
TRAIN = TrainSpec(data="digits", steps=25, batch_size=64, learning_rate=0.05)
PROBE = ProbeSpec(steps=(0, 1), batch_size=32)


@pytest.fixture(scope="module")
def data(digits):
    return prepare(digits, TRAIN)


def rows(record):
    return json.dumps([record.results, record.epochs, record.probes])


def test_a_run_has_its_rows(data):
    progress = []
    record = execute(Run(NET, TRAIN, PROBE), data, progress.append)
    assert (record.outcome.status, record.outcome.step) == ("completed", 25)
    assert [(row["epoch"], row["step"]) for row in record.epochs] == [(1, 20), (2, 25)]
    assert sorted({row["step"] for row in record.probes}) == [0, 1, 20, 25]
    assert [(at.step, at.epoch) for at in progress] == [(10, 1), (20, 1), (25, 2)]
    assert set(record.results) == {
        f"{part}_{what}" for part in ("train", "val", "test") for what in ("loss", "accuracy")
    }
    assert record.results["val_accuracy"] == record.epochs[-1]["val_accuracy"]


def test_a_seed_gives_the_same_bits_whatever_ran_before(data):
    first = rows(execute(Run(NET, TRAIN, PROBE, seed=0), data))
    assert rows(execute(Run(NET, TRAIN, PROBE, seed=1), data)) != first
    assert rows(execute(Run(NET, TRAIN, PROBE, seed=0), data)) == first
    script = (
        "import tests.conftest;"
        "from tests.resnet_core.test_train import *; from resnet_core.runs.data import open_source;"
        "data = prepare(open_source('digits').images, TRAIN);"
        "print(rows(execute(Run(NET, TRAIN, PROBE, seed=0), data)))"
    )
    fresh = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert fresh.stdout.strip() == first


def test_seeds_of_initialisation_and_of_data_are_apart(data):
    def probed(**seeds):
        record = execute(Run(NET, TRAIN.replace(steps=1, **seeds), ProbeSpec(steps=(0,), each_epoch=False)), data)
        return rows(record)

    same = probed(init_seed=0, data_seed=0)
    assert probed() == same
    assert probed(init_seed=1) != same
    assert probed(data_seed=1) != same


def test_a_probe_does_not_change_the_run(data):
    bare = execute(Run(NET, TRAIN, ProbeSpec(steps=(), each_epoch=False)), data)
    probed = execute(Run(NET, TRAIN, ProbeSpec(steps=tuple(range(25)))), data)
    assert (bare.results, bare.epochs) == (probed.results, probed.epochs)
    assert not bare.probes


def test_results_are_those_of_each_part_in_inference_mode(data, tmp_path):
    """With a copy of the trained network, on more images than one evaluation takes at once."""
    record = execute(Run(NET, TRAIN, PROBE), data)
    trained = engine(NET, StepSpec.of(TRAIN))._model
    assert len(data.x_train) > EVALUATION_BATCH
    for part in ("train", "val", "test"):
        x, y = getattr(data, f"x_{part}"), getattr(data, f"y_{part}")
        logits = trained.predict((x - data.shift) * data.scale, verbose=0)
        loss = -np.log(np.exp(logits)[np.arange(len(y)), y] / np.exp(logits).sum(1)).mean()
        assert record.results[f"{part}_accuracy"] == pytest.approx((logits.argmax(1) == y).mean())
        assert record.results[f"{part}_loss"] == pytest.approx(loss, rel=1e-4)
    assert len({record.results[f"{part}_loss"] for part in ("train", "val", "test")}) == 3


def test_the_schedule_reaches_the_training(data):
    dropping = TRAIN.replace(steps=60, learning_rate_drops=(0.4,), warmup_steps=3)
    record = execute(Run(NET, dropping, PROBE), data)
    assert [row["learning_rate"] for row in record.epochs] == pytest.approx([0.05, 0.005, 0.005])
    still = TRAIN.replace(steps=2, warmup_steps=2, warmup_learning_rate=1e-30)
    first = execute(Run(NET, still, ProbeSpec(steps=(0, 2), each_epoch=False)), data).probes
    weights = {row["layer"]: row["value"] for row in first if row["step"] == 0 and "weight" in row["probe"]}
    later = {row["layer"]: row["value"] for row in first if row["step"] == 2 and "weight" in row["probe"]}
    assert weights == later  # a rate of next to nothing moves no weight


def test_augmentation_reaches_the_training(data):
    plain, augmented = (
        execute(Run(NET, TRAIN.replace(augmentation=kind), PROBE), data) for kind in ("none", "crop_flip")
    )
    assert plain.probes[0] == augmented.probes[0]  # the probed batch is not augmented
    assert plain.epochs[0]["loss"] != augmented.epochs[0]["loss"]


def test_a_loss_that_is_not_finite_is_an_outcome(data):
    diverging = Run(NET, TRAIN.replace(learning_rate=1e30), PROBE)
    record = execute(diverging, data)
    assert record.outcome.status == "diverged"
    assert 0 < record.outcome.step < 10
    assert record.outcome.message.startswith("the loss was ")
    assert not record.results
    assert max(row["step"] for row in record.probes) <= record.outcome.step


def test_a_result_that_is_not_finite_is_an_outcome(data):
    huge = np.where(np.arange(len(data.x_test))[:, None, None, None] == 0, np.float32(3e38), data.x_test)
    record = execute(Run(NET, TRAIN, PROBE), replace(data, x_test=huge.astype("float32")))
    assert (record.outcome.status, record.outcome.step) == ("diverged", 25)
    assert record.outcome.message.startswith("the test_loss was ")


def test_an_error_is_an_outcome_with_its_traceback(data):
    wrong = replace(data, y_train=data.y_train.astype("float32"))
    record = execute(Run(NET, TRAIN, PROBE), wrong)
    assert record.outcome.status == "crashed"
    assert "Traceback" in record.outcome.message


@pytest.mark.parametrize(("weight_decay", "rates"), [(0.0, (0.1, 0.1)), (0.01, (0.1, 0.01))])
def test_the_update_is_that_of_the_papers(data, weight_decay, rates):
    """v <- m v + g + d w and w <- w - lr v, on kernels; no decay on the rest: checked with Keras' own gradients."""
    engine = Engine(NET, StepSpec("none", 32, 0.9, weight_decay))
    engine.reset(5)
    device = Data(data)
    model = build(NET, 5)
    velocity = [np.zeros(weight.shape) for weight in model.trainable_weights]
    for step, rate in enumerate(rates):
        indices = np.arange(32) + 32 * step
        batch = Batch(1, False, indices, np.zeros((32, 2), int), np.zeros(32, bool))
        loss, *_ = engine.update(device, batch, rate)
        x = (data.x_train[indices].astype("float32") - data.shift) * data.scale
        with tf.GradientTape() as tape:
            logits = model(x, training=True)
            y = data.y_train[indices]
            expected = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        assert float(loss) == pytest.approx(float(expected), rel=1e-5)
        gradients = tape.gradient(expected, [weight.value for weight in model.trainable_weights])
        for i, (weight, gradient) in enumerate(zip(model.trainable_weights, gradients, strict=True)):
            decay = weight_decay * weight.numpy() if weight.name == "kernel" else 0.0
            velocity[i] = 0.9 * velocity[i] + gradient.numpy() + decay
            weight.assign(weight.numpy() - rate * velocity[i])
    for mine, theirs in zip(engine._weights, model.trainable_weights, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-6)


class TestOrder:
    def test_every_epoch_is_a_permutation_without_its_rest(self):
        seen = list(batches(seed=0, images=22, batch_size=5, steps=10))
        assert [batch.epoch for batch in seen] == [1] * 4 + [2] * 4 + [3] * 2
        assert [batch.ends_epoch for batch in seen] == [False, False, False, True] * 2 + [False] * 2
        first = np.concatenate([batch.indices for batch in seen[:4]])
        assert len(set(first)) == 20
        assert set(first) <= set(range(22))
        assert (first != np.concatenate([batch.indices for batch in seen[4:8]])).any()

    def test_a_later_epoch_does_not_depend_on_the_ones_before(self):
        """What a run needs that starts in the middle: (seed, epoch) gives the draws, without those before."""
        first_of_third = list(batches(seed=3, images=20, batch_size=5, steps=12))[8]
        draws = generator(3, "augmentation", 3)
        np.testing.assert_array_equal(first_of_third.indices, generator(3, "order", 3).permutation(20)[:5])
        np.testing.assert_array_equal(first_of_third.offsets, draws.integers(0, 9, (20, 2))[:5])
        np.testing.assert_array_equal(first_of_third.flips, draws.integers(0, 2, 20)[:5] == 1)

    def test_the_probed_batch_is_fixed_and_no_larger_than_the_data(self):
        np.testing.assert_array_equal(probed_batch(1, 100, 8), probed_batch(1, 100, 8))
        assert sorted(probed_batch(1, 5, 8)) == list(range(5))
