"""Trainings that start from published weights, with frozen stages."""

from dataclasses import replace

import numpy as np
import pytest

from resnet_core import network, train
from resnet_core.errors import UserError
from resnet_core.nets.keras_net import build
from resnet_core.nets.own import OwnNet
from resnet_core.nets.spec import cifar
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data import open_source, prepare
from resnet_core.runs.data.arrays import PUBLISHED
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.training.checkpoints import Checkpoint
from resnet_core.runs.training.initial import initial_network, weights_for, with_hash
from resnet_core.runs.training.train import train_run
from tests.published import state_dict, write_images, write_weights

NAME = "resnet8-cifar-A"
NET = network(NAME)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp("weights") / "model.safetensors", NET, NAME)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images") / "three.npz")


def by_layer(model):
    return {layer.name: [weight.numpy() for weight in layer.weights] for layer in model.layers if layer.weights}


PROBE = ProbeSpec(batch_size=8)
SHORT = {"steps": 2, "batch_size": 8, "validation_fraction": 0.0, "progress": False, "probe": PROBE}


@pytest.mark.parametrize("frozen", [0, 2, 3])
def test_frozen_stages_keep_weights_and_statistics_and_all_else_changes(frozen, weights, images):
    record = train(NET, images, initial_weights=str(weights), frozen_stages=frozen, **SHORT)
    assert record.outcome.status == "completed", record.outcome.message
    run, after = record.run, by_layer(record.model)
    before = by_layer(initial_network(run))
    kept = ("stem_", *(f"stage{stage}_" for stage in range(1, frozen + 1))) if frozen else ()
    for layer, values in before.items():
        equal = all(np.array_equal(a, b) for a, b in zip(values, after[layer], strict=True))
        assert equal == layer.startswith(kept), layer


def test_a_run_begins_with_the_weights_of_the_file_and_a_drawn_classifier(weights, images):
    run = Run(
        NET.replace(input_shape=(8, 8, 3), classes=3),
        with_hash(TrainSpec(steps=1, initial_weights=str(weights))),
        seed=5,
    )
    begun, drawn, tensors = (
        by_layer(initial_network(run)),
        by_layer(build(run.net, 5)),
        state_dict(NET.replace(classes=7)),
    )
    np.testing.assert_array_equal(begun["head_logits"][0], drawn["head_logits"][0])
    np.testing.assert_array_equal(begun["stem_bn"][2], tensors["bn1.running_mean"])
    np.testing.assert_array_equal(
        begun["stage2_block1_conv1"][0], tensors["layer2.0.conv1.weight"].transpose(2, 3, 1, 0)
    )


def test_the_id_has_the_content_of_the_file_and_not_its_place(weights, tmp_path):
    (tmp_path / "copy.safetensors").write_bytes(weights.read_bytes())
    other = write_weights(tmp_path / "other.safetensors", NET, NAME, seed=8)
    trains = [
        with_hash(TrainSpec(steps=1, **given))
        for given in (
            {},
            {"initial_weights": str(weights)},
            {"initial_weights": str(weights), "frozen_stages": 1},
            {"initial_weights": str(other)},
        )
    ]
    assert len({Run(NET, train).id for train in trains}) == 4
    copy = with_hash(TrainSpec(steps=1, initial_weights=str(tmp_path / "copy.safetensors")))
    assert Run(NET, copy).id == Run(NET, trains[1]).id


def test_a_training_without_weights_has_no_frozen_stages(weights):
    with pytest.raises(UserError, match="`frozen_stages` is read with initial_weights only"):
        TrainSpec(steps=1, frozen_stages=1)
    train = with_hash(TrainSpec(steps=1, initial_weights=str(weights), frozen_stages=2))
    assert train.replace(initial_weights="") == TrainSpec(steps=1)


def test_a_run_that_is_interrupted_ends_with_the_same_bits(weights, images, tmp_path):
    spec = with_hash(TrainSpec(data=str(images), epochs=2, batch_size=8, initial_weights=str(weights), frozen_stages=1))
    source = open_source(str(images))
    run = Run(NET.replace(input_shape=source.info.input_shape, classes=source.info.classes), spec, PROBE)
    data = prepare(source.images, spec)
    whole = train_run(run, data)
    stops = iter([False, False, True, True])
    with pytest.raises(KeyboardInterrupt):
        train_run(run, data, checkpoint=Checkpoint(tmp_path / "state" / "a.npz", 1e9, stop=lambda: next(stops)))
    assert (tmp_path / "state" / "a.npz").exists()
    rest = train_run(run, data, checkpoint=Checkpoint(tmp_path / "state" / "a.npz", 1e9))
    assert (rest.results, rest.epochs) == (whole.results, whole.epochs)


@pytest.mark.parametrize(
    ("net", "given", "message"),
    [
        (NET, {"initial_weights": "none.safetensors"}, "must be in a file, but none.safetensors cannot be read"),
        (NET, {"frozen_stages": 4}, "`frozen_stages` must be at most the number of stages, 3, but got 4"),
        (network("resnet14-cifar-A"), {}, r"of the network that they are loaded into, .* with depths=\(1, 1, 1\)"),
        (network("plain8-cifar"), {}, "with skip='A'"),
        (OwnNet(network="mine"), {}, "published weights are of networks that a NetSpec describes, but got `mine`"),
    ],
    ids=["no file", "stages", "depth", "plain", "own"],
)  # fmt: skip
def test_weights_that_do_not_fit_are_refused(net, given, message, weights, images):
    settings = {"initial_weights": str(weights), **given}
    if isinstance(net, OwnNet):
        with pytest.raises(UserError, match=message):
            Run(net, TrainSpec(steps=1, **settings), code="0")
        return
    with pytest.raises(UserError, match=message):
        train(net, images, **SHORT, **settings)


def test_images_of_other_channels_are_refused(weights, tmp_path):
    with pytest.raises(UserError, match=r"'conv1.weight' must have the shape of stem_conv/kernel, \(3, 3, 1, 16\)"):
        train(NET, write_images(tmp_path / "grey.npz", channels=1), initial_weights=str(weights), **SHORT)


def test_a_file_that_has_changed_since_a_run_was_planned_is_refused(weights, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(weights.read_bytes())
    run = Run(NET, with_hash(TrainSpec(steps=1, initial_weights=str(path))))
    assert weights_for(run)
    write_weights(path, NET, NAME, seed=8)
    with pytest.raises(UserError, match="must be those it was planned with, with the hash"):
        weights_for(run)
    path.unlink()
    with pytest.raises(UserError, match="initial weights must be in a file"):
        weights_for(run)


def test_weights_that_name_no_network_are_taken_with_a_message(images, tmp_path, capsys):
    path = write_weights(tmp_path / "mine.safetensors", NET)
    record = train(NET, images, initial_weights=str(path), **{**SHORT, "progress": True})
    assert record.outcome.status == "completed"
    assert "nothing tells of which network" in capsys.readouterr().out


@pytest.mark.parametrize("kind", PUBLISHED)
def test_published_preprocessing_is_that_of_keras(kind, images):
    from keras.applications.imagenet_utils import preprocess_input

    source = open_source(str(images))
    data = prepare(source.images, TrainSpec(steps=1, preprocessing=kind))
    ours = (data.x_train.astype("float32") - data.shift) * data.scale
    theirs = preprocess_input(data.x_train.astype("float32"), data_format="channels_last", mode=kind)
    np.testing.assert_allclose(ours, theirs[..., ::-1] if kind == "caffe" else theirs, atol=1e-4)


def test_published_preprocessing_needs_three_channels_of_bytes(tmp_path):
    images = open_source(str(write_images(tmp_path / "grey.npz", channels=1))).images
    with pytest.raises(UserError, match="is for images of 3 channels .*, but these have 1 channel with"):
        prepare(images, TrainSpec(steps=1, preprocessing="torch"))
    images = replace(images, x_train=images.x_train.astype("float32"))
    with pytest.raises(UserError, match="values of the type float32"):
        prepare(images, TrainSpec(steps=1, preprocessing="torch"))


def test_a_narrow_preactivated_network_starts_from_weights_of_its_form(images, tmp_path):
    net = cifar(8, 4, order="full_preactivation", skip="B")
    path = write_weights(tmp_path / "v2.safetensors", net)
    record = train(net, images, initial_weights=str(path), frozen_stages=2, **SHORT)
    assert record.outcome.status == "completed", record.outcome.message
