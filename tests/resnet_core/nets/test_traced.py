"""What `at.layer` costs: any Keras layer, counted on what TensorFlow traces of it."""

import keras
import pytest

from resnet_core.errors import UserError
from resnet_core.nets.cost import cost
from resnet_core.nets.keras_net import build
from resnet_core.nets.registry import BLOCKS, register_block
from resnet_core.nets.spec import NetSpec
from resnet_core.nets.traced import OPAQUE, _einsum_macs, traced
from tests.resnet_core.nets.test_keras_net import tensors_kept

L = keras.layers
SHAPE = (6, 5, 4)


class Attention(keras.layers.Layer):
    """A composite without a `build`: its parts are there once it is called."""

    def __init__(self, **common):
        super().__init__(**common)
        self.flat, self.attention = L.Reshape((30, 4)), L.MultiHeadAttention(2, 3)

    def call(self, x):
        rows = self.flat(x)
        return keras.ops.reshape(self.attention(rows, rows), (-1, *SHAPE))


class Product(keras.layers.Layer):
    def call(self, x):
        return keras.ops.einsum("nhwc,nhwd->ncd", x, x)


COUNTED = {
    "conv": (lambda: L.Conv2D(7, 3, 2, padding="same", use_bias=False), 9 * 4 * 7 * 3 * 3),
    "groups": (lambda: L.Conv2D(6, 3, groups=2), 9 * 2 * 6 * 4 * 3),
    "strided 1x1": (lambda: L.Conv2D(6, 1, 2), 4 * 6 * 3 * 3),
    "depthwise": (lambda: L.DepthwiseConv2D(3, depth_multiplier=2), 9 * 4 * 2 * 4 * 3),
    "separable": (lambda: L.SeparableConv2D(7, 3), (9 * 4 + 4 * 7) * 4 * 3),
    "transposed": (lambda: L.Conv2DTranspose(7, 3, 2), 9 * 4 * 7 * 6 * 5),
    "dense": (lambda: L.Dense(7), 4 * 7 * 6 * 5),
    "einsum": (lambda: L.EinsumDense("nhwc,cd->nhwd", (None, None, 7)), 4 * 7 * 6 * 5),
    "ellipsis": (lambda: L.EinsumDense("...c,cd->...d", 7), 4 * 7 * 6 * 5),
    "product": (Product, 4 * 4 * 6 * 5),
    "attention": (Attention, 4 * (4 * 6) * 30 + 2 * 6 * 30 * 30),
    "sequential": (lambda: keras.Sequential([L.Conv2D(3, 3), L.BatchNormalization(), L.Conv2D(2, 1)]), 114 * 12),
    "in one dimension": (lambda: keras.Sequential([L.Reshape((30, 4)), L.Conv1D(5, 3, padding="same")]), 60 * 30),
    "unrolled": (lambda: keras.Sequential([L.Reshape((30, 4)), L.LSTM(3, unroll=True)]), 30 * 4 * 3 * (4 + 3)),
    "none": (lambda: L.LayerNormalization(), 0),
    "pooling": (lambda: L.AveragePooling2D(2), 0),
}


@pytest.mark.parametrize("kind", COUNTED)
def test_operations_are_counted(kind):
    make, macs = COUNTED[kind]

    def named(name):
        layer = make()
        layer.name = name
        return layer

    layer_cost = traced(named, "layer", SHAPE)
    assert layer_cost.macs == macs
    layer = make()
    layer(keras.Input(SHAPE))
    assert layer_cost.trainable + layer_cost.others == layer.count_params()


@pytest.mark.parametrize(
    ("terms", "shapes", "macs"),
    [
        (["a...b", "b"], [[2, 3, 5, 7], [7]], 210),
        (["...ab", "...bc"], [[3, 1, 2, 7], [5, 7, 11]], 3 * 5 * 2 * 7 * 11),
        (["a...->a"], [[2, 3]], 0),
    ],
)
def test_an_ellipsis_counts_from_its_end(terms, shapes, macs):
    assert _einsum_macs([term.partition("->")[0] for term in terms], shapes) == macs


def test_what_multiplies_and_is_not_counted_is_known_by_its_name():
    """Of the operations that TensorFlow has: those of a family are not told apart."""
    opaque = "FFT IFFT2D IRFFT3D FFTND Qr Lu Eig SelfAdjointEigV2 MatrixTriangularSolve MatrixExponential While "
    opaque += (
        "StatelessIf Case XlaCallModule XlaDotV2 SparseMatrixMatMul GRUBlockCell DepthwiseConv2dNativeBackpropInput"
    )
    free = "Identity MatrixDiagV3 MatrixBandPart FusedBatchNormV3 AvgPool Relu Cast Shape Mul AddV2 ConvertToCooTensor"
    assert [name for name in opaque.split() if not OPAQUE.search(name)] == []
    assert [name for name in free.split() if OPAQUE.search(name)] == []


@register_block("of_layers", kernels=(3, 3))
def of_layers(at, x, width, strides):
    x = at.layer(x, lambda name: L.SeparableConv2D(width, 3, padding="same", name=name), name="conv1")
    x = at.norm_act(x, ("norm", "act"), norm="bn1", act="act1")
    inside = [L.Conv2D(width, 3, strides, padding="same"), L.Activation("gelu"), L.Dense(width), L.Activation("tanh")]
    return at.layer(x, lambda name: keras.Sequential(inside, name=name), name="conv2")


@register_block("looping", kernels=(3,))
def looping(at, x, width, strides, **given):
    def make(name):
        rows = L.TimeDistributed(L.LSTM(width, return_sequences=True))
        return keras.Sequential([rows], name=name)

    return at.conv(at.layer(x, make, name="rows", **given), width, 3, strides, name="conv1")


def test_a_network_of_layers_costs_what_it_keeps_and_computes():
    spec = NetSpec(input_shape=(8, 8, 3), depths=(1, 2), widths=(4, 6), block="of_layers", skip="B")
    counted = cost(spec)
    assert sum(tensors_kept(spec).values()) == counted.activation_bytes
    inside = [layer.macs for layer in counted.layers if layer.kind == "layer"]
    assert inside == [
        (9 * 4 + 16) * 64, (9 * 16 + 16) * 64, (9 * 4 + 24) * 64, (9 * 36 + 36) * 16, (9 * 6 + 36) * 16,
        (9 * 36 + 36) * 16,
    ]  # fmt: skip
    assert counted.trainable == sum(weight.numpy().size for weight in build(spec).trainable_weights)


class TestWhatCannotBeCounted:
    spec = NetSpec(input_shape=(4, 4, 2), depths=(1,), widths=(3,), block="looping", skip="B")

    @pytest.fixture(autouse=True)
    def block(self, monkeypatch):
        """Let what is given to `at.layer` be given to the block."""
        self.given = {}
        known = BLOCKS["looping"]

        def branch(at, x, width, strides):
            return looping(at, x, width, strides, **self.given)

        monkeypatch.setitem(BLOCKS, "looping", type(known)(branch, known.kernels, known.expansion))

    def test_is_one_clear_error_and_builds(self):
        with pytest.raises(
            UserError, match=r"the macs of a layer must be known .* 'stage1_block1_rows' cannot .*; give macs="
        ):
            cost(self.spec)
        assert build(self.spec).output_shape == (None, 10)

    def test_may_be_given(self):
        self.given = {"macs": 1000, "kept_bytes": 77}
        rows = next(layer for layer in cost(self.spec).layers if layer.name == "stage1_block1_rows")
        assert rows.macs == 1000
        assert rows.kept_bytes >= 77
