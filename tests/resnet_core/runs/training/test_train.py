import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from resnet_core.nets.keras_net import build
from resnet_core.nets.spec import cifar
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data import prepare
from resnet_core.runs.records.record import Outcome
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.training.device import Data
from resnet_core.runs.training.engine import Engine
from resnet_core.runs.training.forms import engine_of
from resnet_core.runs.training.order import Batch, batches, probed_batch
from resnet_core.runs.training.step import StepSpec
from resnet_core.runs.training.train import train_run
from resnet_core.seeds import generator

NET = cifar(8, 4, input_shape=(8, 8, 1))
TRAIN = TrainSpec(data="digits", steps=25, batch_size=64, learning_rate=0.05)
PROBE = ProbeSpec(steps=(0, 1), batch_size=32)
MIXED = TRAIN.replace(cutout=3, mixup=0.4, label_smoothing=0.1, augmentation="crop_flip")
KINDS = {
    "plain": (TRAIN, PROBE),
    "adamw, float16 and mixtures": (
        MIXED.replace(optimizer="adamw", precision="mixed_float16", schedule="one_cycle", learning_rate=1e-2),
        PROBE.replace(step_gradients=4),
    ),
    "in open shapes": (MIXED.replace(optimizer="adamw", form="open"), PROBE.replace(step_gradients=4)),
}


@pytest.fixture(scope="module")
def data(digits):
    return prepare(digits, TRAIN)


def rows(record):
    assert record.outcome.status == "completed", record.outcome.message
    return json.dumps([record.results, record.epochs, record.probes])


def test_a_run_has_its_rows(data):
    progress = []
    record = train_run(Run(NET, TRAIN, PROBE), data, progress.append)
    assert (record.outcome.status, record.outcome.step) == ("completed", 25)
    assert [(row["epoch"], row["step"]) for row in record.epochs] == [(1, 20), (2, 25)]
    assert sorted({row["step"] for row in record.probes}) == [0, 1, 20, 25]
    rows = [None, *record.epochs]
    assert [(at.step, at.epoch, at.row) for at in progress] == [(10, 1, rows[0]), (20, 1, rows[1]), (25, 2, rows[2])]
    assert set(record.results) == {
        f"{part}_{what}" for part in ("train", "val", "test") for what in ("loss", "accuracy")
    }
    assert record.results["val_accuracy"] == record.epochs[-1]["val_accuracy"]
    assert record.usage.keys() == {"cpu_seconds", "peak_memory_bytes"}
    assert record.usage["peak_memory_bytes"] > 1 << 26  # bytes, and TensorFlow is loaded


def test_a_run_of_no_step_is_the_probes_of_the_initial_network(data):
    """The same rows as those at step 0 of a run that goes on."""
    none, some = (train_run(Run(NET, TRAIN.replace(steps=steps), PROBE), data) for steps in (0, 3))
    assert (none.outcome, none.results, none.epochs) == (Outcome("completed", 0), {}, [])
    assert none.probes == [row for row in some.probes if row["step"] == 0] != []


@pytest.fixture(scope="module")
def fresh(programs, tmp_path_factory):
    """The rows of a run of each kind, of a process that runs these alone, in this order."""
    script = tmp_path_factory.mktemp("fresh") / "script.py"
    script.write_text(
        "from resnet_core.runs.runtime import configure; configure(threads=1);"
        "from tests.resnet_core.runs.training.test_train import *; from resnet_core.runs.data import open_source;"
        "data = prepare(open_source('digits').images, TRAIN);"
        "print(json.dumps({name: rows(train_run(Run(NET, *KINDS[name], seed=0), data)) for name in KINDS}))"
    )
    return json.loads(programs.run(str(script), cwd=Path(__file__).parents[4]).stdout)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_bits_whatever_ran_before(kind, data, fresh):
    train, probe = KINDS[kind]
    first = rows(train_run(Run(NET, train, probe, seed=0), data))
    assert rows(train_run(Run(NET, train, probe, seed=1), data)) != first
    assert rows(train_run(Run(NET, train, probe, seed=0), data)) == first
    assert fresh[kind] == first


def test_seeds_of_initialisation_and_of_data_are_apart(data):
    def probed(**seeds):
        record = train_run(Run(NET, TRAIN.replace(steps=1, **seeds), ProbeSpec(steps=(0,), each_epoch=False)), data)
        return rows(record)

    same = probed(init_seed=0, data_seed=0)
    assert probed() == same
    assert probed(init_seed=1) != same
    assert probed(data_seed=1) != same


def test_a_probe_does_not_change_the_run(data):
    bare = train_run(Run(NET, TRAIN, ProbeSpec(steps=(), each_epoch=False)), data)
    probed = train_run(Run(NET, TRAIN, ProbeSpec(steps=tuple(range(25)))), data)
    assert (bare.results, bare.epochs) == (probed.results, probed.epochs)
    assert not bare.probes


def test_results_are_those_of_each_part_in_inference_mode(data, tmp_path):
    """With a copy of the trained network, on more images than one evaluation takes at once."""
    run = Run(NET, TRAIN, PROBE)
    record = train_run(run, data)
    trained = engine_of(run)._model
    assert len(data.x_train) > TrainSpec(steps=1).evaluation_batch
    for part in ("train", "val", "test"):
        x, y = getattr(data, f"x_{part}"), getattr(data, f"y_{part}")
        logits = trained.predict((x - data.shift) * data.scale, verbose=0)
        loss = -np.log(np.exp(logits)[np.arange(len(y)), y] / np.exp(logits).sum(1)).mean()
        assert record.results[f"{part}_accuracy"] == pytest.approx((logits.argmax(1) == y).mean())
        assert record.results[f"{part}_loss"] == pytest.approx(loss, rel=1e-4)
    assert len({record.results[f"{part}_loss"] for part in ("train", "val", "test")}) == 3


def test_parts_of_every_size_are_evaluated_by_one_trace(data):
    engine, device = Engine(NET, StepSpec.from_specs(TRAIN)), Data(data)
    assert len(data.x_train) % 512 != len(data.x_val) != len(data.x_test)
    for part in (device.train, device.val, device.test):
        engine.evaluate(device, *part)
    assert engine._evaluate_batch.experimental_get_tracing_count() == 1


def test_the_schedule_reaches_the_training(data):
    dropping = TRAIN.replace(steps=60, learning_rate_drops=(0.4,), warmup_steps=3)
    record = train_run(Run(NET, dropping, PROBE), data)
    assert [row["learning_rate"] for row in record.epochs] == pytest.approx([0.05, 0.005, 0.005])
    still = TRAIN.replace(steps=2, warmup_steps=2, warmup_learning_rate=1e-30)
    first = train_run(Run(NET, still, ProbeSpec(steps=(0, 2), each_epoch=False)), data).probes
    weights = {row["layer"]: row["value"] for row in first if row["step"] == 0 and "weight" in row["probe"]}
    later = {row["layer"]: row["value"] for row in first if row["step"] == 2 and "weight" in row["probe"]}
    assert weights == later  # a rate of next to nothing moves no weight


def test_the_loss_of_a_training_step_is_of_smoothed_and_mixed_targets(data):
    """Against plain numpy: the target of an image is the mixture of two labels, each (1 - e) of itself, e of all."""
    step = StepSpec.from_specs(MIXED.replace(augmentation="none", cutout=0, batch_size=32))
    engine, device = Engine(NET, step), Data(data)
    engine.reset(5)
    partners = np.random.default_rng(0).permutation(32)
    batch = Batch(1, False, np.arange(32), np.zeros((32, 2), int), np.zeros(32, bool), None, partners, 0.3)
    loss, accuracy, norms = engine.update(device, batch, 0.1)
    x = (data.x_train[:32].astype("float32") - data.shift) * data.scale
    y = data.y_train[:32]
    logits = build(NET, 5)(0.3 * x + 0.7 * x[partners], training=True).numpy().astype("float64")
    targets = 0.9 * (0.3 * np.eye(10)[y] + 0.7 * np.eye(10)[y[partners]]) + 0.1 / 10
    expected = (targets * (np.log(np.exp(logits).sum(1, keepdims=True)) - logits)).sum(1).mean()
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    right = 0.3 * (logits.argmax(1) == y) + 0.7 * (logits.argmax(1) == y[partners])
    assert float(accuracy) == pytest.approx(right.mean(), rel=1e-6)
    assert norms is None
    plain = Engine(NET, StepSpec.from_specs(TRAIN))
    for each in (plain, engine):
        each.reset(5)
    (loss, predicted), (other_loss, other) = (each.evaluate(device, *device.val) for each in (plain, engine))
    assert loss == other_loss
    np.testing.assert_array_equal(predicted, other)


def test_a_training_step_measures_its_own_gradients(data):
    step, device = StepSpec.from_specs(TRAIN.replace(batch_size=32), ProbeSpec(step_gradients=1)), Data(data)
    engine = Engine(NET, step)
    engine.reset(5)
    probed = [row for row in engine.probe(device, np.arange(32)) if row["probe"] == "weight_gradient_l2"]
    batch = Batch(1, False, np.arange(32), np.zeros((32, 2), int), np.zeros(32, bool))
    *_, norms = engine.update(device, batch, 0.1)
    for measured, expected in zip(engine.rows(norms), probed, strict=True):
        assert measured.pop("probe") == "step_weight_gradient_l2"
        assert measured == {name: expected[name] for name in ("layer", "index", "path")} | {
            "value": pytest.approx(expected["value"], rel=1e-5)
        }


def test_the_gradients_of_every_so_many_steps_are_rows_and_change_nothing(data):
    never = ProbeSpec(steps=(), each_epoch=False)
    bare = train_run(Run(NET, TRAIN, never), data)
    measured = train_run(Run(NET, TRAIN, never.replace(step_gradients=8)), data)
    assert (bare.results, bare.epochs) == (measured.results, measured.epochs)
    steps = [(row["step"], row["epoch"]) for row in measured.probes]
    assert steps == [at for at in ((0, 1), (8, 1), (16, 1), (24, 2)) for _ in range(8)]
    diverging = Run(NET, TRAIN.replace(learning_rate=1e30), never.replace(step_gradients=1))
    record = train_run(diverging, data)
    assert {row["step"] for row in record.probes} == set(range(record.outcome.step + 1))


def test_runs_that_differ_in_arguments_of_the_step_share_it():
    arguments = {
        "learning_rate": 0.2,
        "schedule": "cosine",
        "warmup_steps": 3,
        "steps": 9,
        "data_seed": 4,
        "mixup": 1.0,
    }
    assert StepSpec.from_specs(MIXED.replace(**arguments), PROBE) == StepSpec.from_specs(MIXED)
    for field, value in {
        "mixup": 0.0, "cutout": 4, "label_smoothing": 0.2, "optimizer": "adamw", "nesterov": True, "momentum": 0.8,
        "weight_decay_of": "all", "precision": "mixed_bfloat16", "augmentation": "none", "batch_size": 32,
    }.items():  # fmt: skip
        assert StepSpec.from_specs(MIXED.replace(**{field: value})) != StepSpec.from_specs(MIXED)
    assert StepSpec.from_specs(TRAIN, ProbeSpec(step_gradients=3)) != StepSpec.from_specs(TRAIN)


def test_augmentation_reaches_the_training(data):
    plain, *augmented = (
        train_run(Run(NET, TRAIN.replace(**kind), PROBE), data)
        for kind in ({}, {"augmentation": "crop_flip"}, {"cutout": 3}, {"mixup": 0.4})
    )
    assert all(record.probes[0] == plain.probes[0] for record in augmented)  # the probed batch is not augmented
    assert len({record.epochs[0]["loss"] for record in (plain, *augmented)}) == 4


def test_a_loss_that_is_not_finite_is_an_outcome(data):
    diverging = Run(NET, TRAIN.replace(learning_rate=1e30), PROBE)
    record = train_run(diverging, data)
    assert record.outcome.status == "diverged"
    assert 0 < record.outcome.step < 10
    assert record.outcome.message.startswith("the loss was ")
    assert not record.results
    assert max(row["step"] for row in record.probes) <= record.outcome.step


def test_a_result_that_is_not_finite_is_an_outcome(data):
    huge = np.where(np.arange(len(data.x_test))[:, None, None, None] == 0, np.float32(3e38), data.x_test)
    record = train_run(Run(NET, TRAIN, PROBE), replace(data, x_test=huge.astype("float32")))
    assert (record.outcome.status, record.outcome.step) == ("diverged", 25)
    assert record.outcome.message.startswith("the test_loss was ")


def test_an_error_is_an_outcome_with_its_traceback(data):
    wrong = replace(data, y_train=data.y_train.astype("float32"))
    record = train_run(Run(NET, TRAIN, PROBE), wrong)
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
