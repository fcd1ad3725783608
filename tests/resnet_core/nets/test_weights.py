"""The logits of the originals, computed by timm and Keras on weights drawn by name (tests/golden)."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest

from resnet_core.errors import UserError
from resnet_core.nets.keras_net import build
from resnet_core.nets.of_keras import TORCH_VARIABLES
from resnet_core.nets.weights import UnverifiedWeights, features, load_weights, torch_resnet, torch_resnetv2
from resnet_core.nets.zoo import network

GOLDEN = Path(__file__).parents[2] / "golden"
sys.path.append(str(GOLDEN))
from drawn import SIZE, drawn, images  # noqa: E402
from make_logits import SHORT, SHORT_SIZE, TIMM_SHORT  # noqa: E402

TIMM = {"resnet18": "resnet18", "resnet50": "resnet50", "resnetv2_50": "resnetv2-50"}
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
            axes = {4: (3, 2, 0, 1), 3: (2, 1, 0), 2: (1, 0)}.get(len(shape), (0,))
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
    load_weights(model, spec, state_dict(model, spec), name)
    ours = np.asarray(model(images().transpose(0, 2, 3, 1), training=False))
    assert relative_error(ours, logits[name]) < TOLERANCE


@pytest.mark.parametrize("name", TIMM_SHORT)
def test_logits_are_those_of_timm_with_fewer_blocks(name, logits):
    depths = {} if name.endswith("bit") else {"depths": SHORT}
    spec = network(name).replace(input_shape=(SHORT_SIZE, SHORT_SIZE, 3), classes=10, **depths)
    model = build(spec)
    with pytest.warns(UnverifiedWeights):
        load_weights(model, spec, state_dict(model, spec))
    ours = np.asarray(model(images(SHORT_SIZE).transpose(0, 2, 3, 1), training=False))
    assert relative_error(ours, logits[name]) < TOLERANCE


def keras_original(name):
    model = getattr(keras.applications, name)(weights=None, input_shape=(32, 32, 3), classes=5)
    rng = np.random.default_rng(0)
    for variable in model.weights:
        fan_in = np.prod(variable.shape[:-1])
        scale = (2 / fan_in) ** 0.5 if variable.name == "kernel" else 0.1
        positive = variable.name in ("gamma", "moving_variance")
        value = rng.uniform(0.3, 0.9, variable.shape) if positive else scale * rng.normal(size=variable.shape)
        variable.assign(value)
    return model


def test_outputs_are_those_of_keras_v2():
    """Its strides, its zeros around negative values and its biases; v1's are compared below."""
    original = keras_original("ResNet50V2")
    spec = network("keras-resnet50v2").replace(**SMALL)
    model = build(spec)
    load_weights(model, spec, original)
    x = np.random.default_rng(1).normal(size=(3, 32, 32, 3)).astype("float32")
    ours, theirs = (np.asarray(each(x, training=False)) for each in (model, original))
    theirs = np.log(theirs)
    centred = [logits - logits.mean(1, keepdims=True) for logits in (ours, theirs)]
    assert relative_error(*centred) < TOLERANCE


SMALL = {"input_shape": (32, 32, 3), "classes": 5}


@pytest.fixture(scope="module")
def fifty():
    return build(network("resnet50").replace(**SMALL))


@pytest.fixture(scope="module")
def tensors(fifty):
    return state_dict(fifty, network("resnet50"))


@pytest.fixture(scope="module")
def of_keras():
    return keras_original("ResNet50")


class TestTheWrongNetwork:
    """What a source is known to be is compared with the spec, and nothing is changed where it is something else."""

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("resnetblur50.bt_in1k", "with antialias='blur'; build network\\('resnetblur50.bt_in1k'\\)"),
            ("resnetaa50", "with antialias='average'"),
            ("resnet50-v1", "with stride_in='first'"),
            ("resnetv2_50x1_bit", "pool_padding='zeros'.*order='full_preactivation'.*norm='group'"),
            ("resnet50_gn", "with norm='group'"),
            ("resnet50c", "with stem='deep'"),
            ("res2net50_26w_4s", "a network that can be built, but .* 'res2net50_26w_4s' splits its convolutions"),
            ("senet154", "is a network of the authors of SE-Net"),
        ],
    )
    @pytest.mark.parametrize("teller", ["name", "file", "config", "metadata", "hub"])
    def test_a_name_tells_it(self, name, message, teller, fifty, tensors, tmp_path):
        from safetensors.numpy import save_file

        path = tmp_path / "model.safetensors"
        if teller == "file":
            path = tmp_path / f"{name.partition('.')[0]}-84f4748f.safetensors"
            message = message.replace(".bt_in1k", "")
        elif teller == "hub":
            path = tmp_path / f"models--timm--{name}" / "snapshots" / "0" / "model.safetensors"
            path.parent.mkdir(parents=True)
        elif teller == "config":
            (tmp_path / "config.json").write_text(json.dumps({"architecture": name}))
        metadata = {"architecture": name} if teller == "metadata" else {"format": "pt"}
        few = {"fc.bias": tensors["fc.bias"]}  # it is told before a tensor is looked at
        save_file(few, path, metadata)
        with pytest.raises(UserError, match=message) as caught:
            load_weights(fifty, network("resnet50").replace(**SMALL), path, name if teller == "name" else None)
        assert "\n" not in str(caught.value)
        assert "`name`" in str(caught.value) if teller == "name" else str(tmp_path) in str(caught.value)

    def test_a_name_is_compared_with_what_the_file_says(self, fifty, tensors, tmp_path):
        from safetensors.numpy import save_file

        save_file({"fc.bias": tensors["fc.bias"]}, tmp_path / "a.safetensors", {"architecture": "resnetblur50"})
        with pytest.raises(UserError, match="`name` must be that of the weights, but got 'resnet50', and the metadata"):
            load_weights(fifty, network("resnet50"), tmp_path / "a.safetensors", "resnet50")

    def test_tensors_alone_are_loaded_with_a_warning(self, fifty, tensors):
        with pytest.warns(UnverifiedWeights, match="nothing tells which network they are of: strides, ε, padding"):
            load_weights(fifty, network("resnet50").replace(**SMALL), tensors)

    @pytest.mark.parametrize("place", ["mine.safetensors", "models--me--my-net/snapshots/0/model.safetensors"])
    def test_a_name_that_nobody_knows_tells_nothing(self, place, fifty, tensors, tmp_path):
        from safetensors.numpy import save_file

        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, path)
        with pytest.warns(UnverifiedWeights):
            load_weights(fifty, network("resnet50").replace(**SMALL), path)

    @pytest.mark.parametrize(
        "change", [{"survival": 0.9, "drop_unit": "sample"}, {"branch_scale": "zero_gamma"}, {"init": "glorot"}]
    )
    def test_what_is_of_training_alone_may_differ(self, change, fifty, tensors):
        load_weights(fifty, network("resnet50").replace(**SMALL, **change), tensors, "resnet50")

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("resnet50", "is 'keras-resnet50', with stride_in='first', norm_epsilon=1.001e-05; build network"),
            ("resnet50-v1", "is 'keras-resnet50', with norm_epsilon=1.001e-05; build network"),
            ("keras-resnet50v2", "is 'keras-resnet50', with .*stride_block='first'.*order='original'"),
        ],
    )
    def test_a_keras_model_tells_it(self, name, message, fifty, of_keras):
        with pytest.raises(UserError, match=message):
            load_weights(fifty, network(name).replace(**SMALL), of_keras)

    @pytest.mark.parametrize("rows", [32, 64])
    def test_the_outputs_of_a_keras_model_are_compared(self, rows, of_keras):
        """With its softmax, and for images of its own size."""
        spec = network("keras-resnet50").replace(input_shape=(rows, 32, 3), classes=5)
        model = build(spec)
        load_weights(model, spec, of_keras)
        other = keras.models.clone_model(of_keras)
        other.set_weights(of_keras.get_weights())
        other.get_layer("conv4_block3_2_bn").epsilon = 0.5
        before = [weight.numpy().tobytes() for weight in model.weights]
        with pytest.raises(UserError, match="must give the logits of its source, but they differ by .* %: .* nothing"):
            load_weights(model, spec, other)
        assert [weight.numpy().tobytes() for weight in model.weights] == before

    def test_a_layer_that_published_networks_do_not_have_is_named(self, tensors):
        spec = network("resnet18").replace(**SMALL, branch_scale="rezero")
        with pytest.raises(
            UserError, match="every layer with weights must have a name in timm's resnet.py, but stage1"
        ):
            load_weights(build(spec), spec, tensors)


class TestMistakes:
    spec = network("resnet18").replace(input_shape=(32, 32, 3), classes=5)

    @pytest.fixture
    def model(self):
        return build(self.spec)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"layer1.0.bn1.bias": None}, "stage1_block1_bn1/beta, but 'layer1.0.bn1.bias' is missing"),
            ({"layer9.0.conv1.weight": np.zeros(3)}, "'layer9.0.conv1.weight' has none"),
            (
                {"fc.weight": np.zeros((7, 512))},
                "'fc.weight' must have the shape of .*\\(512, 5\\).* but has \\(512, 7\\)",
            ),
            ({"fc.bias": np.full(5, np.nan)}, "weights must be finite, but 'fc.bias' has 5 that are not"),
            ({"fc.bias": np.array(list("abcde"))}, "weights must be real numbers, but 'fc.bias' is not: could not"),
            ({"fc.bias": [None, {}]}, "weights must be real numbers, but 'fc.bias' is not"),
            ({7: np.zeros(3)}, "tensors by their names, but one is under 7"),
        ],
    )
    def test_a_tensor_that_does_not_fit_is_named_and_nothing_is_changed(self, model, change, message):
        tensors = {
            name: array for name, array in {**state_dict(model, self.spec), **change}.items() if array is not None
        }
        before = [weight.numpy().tobytes() for weight in model.weights]
        with pytest.raises(UserError, match=message):
            load_weights(model, self.spec, tensors, "resnet18")
        assert [weight.numpy().tobytes() for weight in model.weights] == before

    @pytest.mark.parametrize("suffix", ["npz", "safetensors"])
    def test_files(self, model, suffix, tmp_path):
        from safetensors.numpy import save_file

        tensors, path = state_dict(model, self.spec), tmp_path / f"weights.{suffix}"
        np.savez(path, **tensors) if suffix == "npz" else save_file(tensors, path)
        load_weights(model, self.spec, path, "resnet18")
        np.testing.assert_array_equal(model.get_layer("head_logits").bias.numpy(), tensors["fc.bias"])
        path.write_bytes(b"damaged")
        with pytest.raises(UserError, match="cannot be read"):
            load_weights(model, self.spec, path)

    def test_a_file_of_torch_needs_torch(self, model, tmp_path):
        if find_spec("torch"):
            pytest.skip("torch is installed")
        with pytest.raises(UserError, match=r"resnet18.pth is read by the package torch, but it is not there"):
            load_weights(model, self.spec, tmp_path / "resnet18.pth")

    @pytest.mark.parametrize("name", ["a.keras", "a.h5"])
    def test_a_file_that_keras_does_not_read_is_refused(self, name, model, tmp_path):
        (tmp_path / name).write_bytes(b"damaged")
        with pytest.raises(UserError, match="weights must be a file that Keras reads, but .* is not: "):
            load_weights(model, self.spec, tmp_path / name)

    def test_weights_alone_of_keras_need_a_name(self, model, tmp_path):
        other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        other.save_weights(tmp_path / "a.weights.h5")
        with pytest.raises(UserError, match="needs the name of their network, such as keras-resnet50, but got None"):
            load_weights(model, self.spec, tmp_path / "a.weights.h5")

    @pytest.mark.parametrize("layer", ["dense", "conv1_conv"])
    def test_another_keras_model_is_refused(self, layer, model):
        """Also one with a layer of such a name, as DenseNet has."""
        other = keras.Sequential([keras.Input((2, 2, 3)), keras.layers.Conv2D(2, 1, use_bias=False, name=layer)])
        with pytest.raises(UserError, match="must be a ResNet50, 101 or 152, or a ResNet50V2"):
            load_weights(model, self.spec, other)


@pytest.mark.parametrize("suffix", ["keras", "weights.h5"])
def test_features_of_a_file_of_keras(suffix, of_keras, tmp_path):
    """The classifier is left out, and red comes first in the kernel of the first convolution."""
    path, spec = tmp_path / f"mine.{suffix}", network("keras-resnet50")
    of_keras.save(path) if suffix == "keras" else of_keras.save_weights(path)
    read, given = features(spec, path).tensors, features(spec, of_keras).tensors
    assert read.keys() == given.keys()
    assert not any(name.startswith("fc.") for name in read)
    for name, tensor in given.items():
        np.testing.assert_array_equal(read[name], tensor)
    kernel = of_keras.get_layer("conv1_conv").kernel.numpy()
    np.testing.assert_array_equal(read["conv1.weight"], kernel[:, :, ::-1].transpose(3, 2, 0, 1))


HUB = """
from resnet_core.nets.weights import UserError, from_hub
try: print(from_hub("somebody/net"))
except UserError as error: print(error)
"""


@pytest.fixture
def from_a_hub(program, tmp_path, monkeypatch):
    """Ask the hub's own client, which may look into `tmp_path` and nowhere else."""
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "ask.py").write_text(HUB)

    def ask() -> str:
        done = program("ask.py")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return ask


def test_a_file_of_the_hub_is_found_by_name(from_a_hub, tmp_path):
    """In a cache as the hub's client keeps it."""
    revision = "0" * 40
    repository = tmp_path / "hub" / "models--somebody--net"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision)
    (repository / "snapshots" / revision).mkdir(parents=True)
    file = repository / "snapshots" / revision / "model.safetensors"
    file.write_bytes(b"weights")
    assert from_a_hub() == str(file)


def test_a_file_that_the_hub_does_not_give_is_a_users_error(from_a_hub):
    assert "'model.safetensors' of 'somebody/net' must be" in from_a_hub()
