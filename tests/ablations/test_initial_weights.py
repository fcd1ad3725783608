"""Studies of trainings that start from published weights."""

import numpy as np
import pytest

import ablations
from ablations import Scale, Study, grid
from resnet_core import ProbeSpec, TrainSpec, network
from resnet_core.errors import UserError
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run
from tests.published import state_dict, write_images, write_weights

NAME = "resnet8-cifar-A"


def net():
    return network(NAME)


def train(base: TrainSpec, start: str):
    return base.replace(initial_weights="") if start == "drawn" else base.replace(frozen_stages=int(start))


STUDY = Study(
    "starts", "Do published weights help?", net,
    {"smoke": Scale(grid(start=["drawn", "3"]), TrainSpec(steps=1, batch_size=8), seeds=1)},
    train=train, probe=ProbeSpec(steps=(), batch_size=8),
)  # fmt: skip


@pytest.fixture
def asked(tmp_path):
    weights = write_weights(tmp_path / "model.safetensors", network(NAME), NAME)
    data = str(write_images(tmp_path / "three.npz"))
    return {"initial_weights": str(weights), "data": data, "out": tmp_path, "progress": False, "keep_networks": True}


def test_weights_and_frozen_stages_are_levels_like_any_other(asked, tmp_path):
    results = ablations.run(STUDY, **asked)
    runs = {record.run.factors["start"]: record.run for record in Store(results.folder).records()}
    assert [bool(runs[start].train.initial_weights_sha256) for start in ("drawn", "3")] == [False, True]
    assert runs["drawn"].id == Run(runs["drawn"].net, runs["3"].train.replace(initial_weights=""), runs["3"].probe).id
    frozen = results.network(start="3", seed=0).get_layer("stem_conv").kernel.numpy()
    np.testing.assert_array_equal(frozen, state_dict(network(NAME))["conv1.weight"].transpose(2, 3, 1, 0))
    write_weights(tmp_path / "model.safetensors", network(NAME), NAME, seed=8)
    with pytest.raises(UserError, match=r"train\.initial_weights_sha256="):
        ablations.run(STUDY, **asked)
