"""The logits of the originals, computed by timm and Keras on weights drawn by name (tests/golden)."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from resnet_core.errors import UserError
from resnet_core.nets.keras_net import build
from resnet_core.nets.spec import cifar
from resnet_core.nets.weights import TORCH_VARIABLES, load_weights, torch_resnet, torch_resnetv2
from resnet_core.nets.zoo import network

GOLDEN = Path(__file__).parents[1] / "golden"
sys.path.append(str(GOLDEN))
from drawn import SIZE, drawn, images  # noqa: E402
from make_logits import images_224, set_drawn  # noqa: E402

TIMM = {
    "resnet18": "resnet18", "resnet34": "resnet34", "resnet50": "resnet50", "resnet101": "resnet101",
    "resnetv2_50": "resnetv2-50", "resnext50_32x4d": "resnext50-32x4d", "wide_resnet50_2": "wide-resnet50-2",
    "seresnet50": "se-resnet50", "resnet50d": "resnet50-d", "seresnet18": "se-resnet18",
    "seresnext26d_32x4d": "seresnext26d_32x4d", "resnetv2_18": "resnetv2-18", "resnetv2_50d": "resnetv2-50d",
}  # fmt: skip
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def logits():
    with np.load(GOLDEN / "logits.npz") as file:
        return dict(file)


def state_dict(model, spec):
    """Return the state dict that the original has: its names and axes, its values drawn by name."""
    names = torch_resnetv2 if spec.order == "full_preactivation" else torch_resnet
    tensors = {}
    for layer in model.layers:
        for variable in layer.weights:
            name = f"{names(layer.name, spec)}.{TORCH_VARIABLES[variable.name]}"
            shape = tuple(variable.shape)
            axes = {4: (3, 2, 0, 1), 2: (1, 0)}.get(len(shape), (0,))
            shape = tuple(shape[axis] for axis in axes)
            if name == "head.fc.weight":
                shape += (1, 1)
            tensors[name] = drawn(name, shape)
    return tensors


def relative_error(ours, theirs):
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


@pytest.mark.parametrize("name", TIMM)
def test_logits_are_those_of_timm(name, logits):
    spec = network(TIMM[name]).replace(input_shape=(SIZE, SIZE, 3))
    model = build(spec)
    load_weights(model, spec, state_dict(model, spec))
    ours = model.predict(images().transpose(0, 2, 3, 1), verbose=0)
    assert relative_error(ours, logits[name]) < TOLERANCE


def test_logits_are_those_of_keras_applications(logits):
    original = keras.applications.ResNet50(weights=None, classifier_activation=None)
    set_drawn(original)
    spec = network("resnet50-v1").replace(norm_epsilon=1.001e-5)
    model = build(spec)
    load_weights(model, spec, original)
    assert relative_error(model.predict(images_224(), verbose=0), logits["keras_resnet50"]) < TOLERANCE


class TestMistakes:
    spec = network("resnet18").replace(input_shape=(32, 32, 3), classes=5)

    @pytest.fixture
    def model(self):
        return build(self.spec)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"layer1.0.bn1.bias": None}, "stage1_block1_bn1/beta, but there is no 'layer1.0.bn1.bias'"),
            ({"layer9.0.conv1.weight": np.zeros(3)}, "'layer9.0.conv1.weight' has none"),
            (
                {"fc.weight": np.zeros((7, 512))},
                "'fc.weight' must have the shape of .*\\(512, 5\\).* but has \\(512, 7\\)",
            ),
        ],
    )
    def test_a_tensor_that_does_not_fit_is_named_and_nothing_is_changed(self, model, change, message):
        tensors = {
            name: array for name, array in {**state_dict(model, self.spec), **change}.items() if array is not None
        }
        before = [weight.numpy().tobytes() for weight in model.weights]
        with pytest.raises(UserError, match=message):
            load_weights(model, self.spec, tensors)
        assert [weight.numpy().tobytes() for weight in model.weights] == before

    @pytest.mark.parametrize("suffix", ["npz", "safetensors"])
    def test_files(self, model, suffix, tmp_path):
        from safetensors.numpy import save_file

        tensors, path = state_dict(model, self.spec), tmp_path / f"weights.{suffix}"
        np.savez(path, **tensors) if suffix == "npz" else save_file(tensors, path)
        load_weights(model, self.spec, path)
        np.testing.assert_array_equal(model.get_layer("head_logits").bias.numpy(), tensors["fc.bias"])
        path.write_bytes(b"damaged")
        with pytest.raises(UserError, match="cannot be read"):
            load_weights(model, self.spec, path)

    def test_another_keras_model_is_refused(self, model):
        with pytest.raises(UserError, match="must be a ResNet50, 101 or 152"):
            load_weights(model, self.spec, build(cifar(8)))


HUB = """
from resnet_core.nets.weights import UserError, from_hub
try: print(from_hub("somebody/net"))
except UserError as error: print(error)
"""


def from_a_hub_at(home: Path) -> str:
    """Ask the hub's own client, which may look into `home` and nowhere else."""
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", HUB], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_file_of_the_hub_is_found_by_name(tmp_path):
    """In a cache as the hub's client keeps it."""
    pytest.importorskip("huggingface_hub")
    revision = "0" * 40
    repository = tmp_path / "hub" / "models--somebody--net"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision)
    (repository / "snapshots" / revision).mkdir(parents=True)
    file = repository / "snapshots" / revision / "model.safetensors"
    file.write_bytes(b"weights")
    assert from_a_hub_at(tmp_path) == str(file)


def test_a_file_that_the_hub_does_not_give_is_a_users_error(tmp_path):
    pytest.importorskip("huggingface_hub")
    assert "'model.safetensors' of 'somebody/net' must be" in from_a_hub_at(tmp_path)
