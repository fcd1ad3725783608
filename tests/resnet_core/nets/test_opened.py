"""The form in open shapes computes what the layers of Keras compute.

Both sides round in float32, in another order of operations, and a step hands its rounding on to the next: after two
steps a tensor may differ by `TOLERANCE` of its largest value, or of the largest gradient. What is no rounding, as a
wrong epsilon, margin, momentum or initial value, is some hundred times as large.
"""

from functools import cache
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

from resnet_core import register_block
from resnet_core.nets.keras_net import build
from resnet_core.nets.opened.compiled import Compiled, compiled
from resnet_core.nets.opened.form import opened, why_not
from resnet_core.nets.opened.layout import places, stacks
from resnet_core.nets.opened.order import kernels
from resnet_core.nets.registry import BLOCKS
from resnet_core.nets.spec import NetSpec, cifar
from resnet_core.probes.gradient_norms import weight_sites
from tests.resnet_core.nets.test_keras_net import EXAMPLES
from tests.resnet_core.nets.test_spec import specs

TOLERANCE = 2e-3
STEPS, RATE = 2, 0.02
AXES = [
    {"skip": "none", "activation": "gelu"}, {"skip": "B", "activation": "silu", "init": "glorot"},
    {"skip": "C", "activation": "leaky_relu", "init": "he_fan_out"}, {"skip": "D", "activation": "elu"},
    {"zero_padding": "both", "zero_pooling": "average", "activation": "tanh"},
    {"skip_transform": "scale", "norm": "layer"}, {"skip_transform": "shortcut_gate", "norm": "none"},
    {"skip_transform": "exclusive_gate", "norm": "group", "norm_groups": 2},
    {"skip_transform": "conv", "conv_bias": True},
    {"skip_transform": "dropout", "padding": "same"}, {"skip_mask": ("11", "01"), "kernels": (3, 1, 3)},
    {"order": "bn_after_addition", "dropout": 0.3}, {"order": "relu_before_addition", "se_reduction": 2},
    {"order": "relu_only_preactivation", "eca": True},
    {"order": "full_preactivation", "skip": "B", "conv_bias": "unnormalised"},
    {"order": "full_preactivation", "first_split": "before_activation", "stride_block": "last"},
    {"branch_scale": "zero_gamma", "norm_epsilon": 0.1, "bn_momentum": 0.5},
    {"branch_scale": "skipinit", "antialias": "blur"}, {"branch_scale": "fixup", "norm": "none"},
    {"branch_scale": "layerscale", "layer_scale": 0.3, "antialias": "average"},
    {"survival": 0.5}, {"survival": 0.5, "drop_unit": "sample", "stem": "imagenet"},
    {"survival": 0.6, "survival_decay": "constant", "stem": "imagenet", "pool_padding": "zeros"},
    {"standardize_weights": True, "stem": "deep"}, {"stem": "tiered", "stem_pool": "conv"},
    {"stem": "imagenet", "padding": "same"},
    {"block": "bottleneck", "cardinality": 2, "group_width": 32, "skip": "B"},
    {"block": "bottleneck", "stride_in": "first", "skip": "B"},
    {"depths": (3, 1), "stem_width": 3}, {"input_shape": (5, 9, 3), "classes": 3},
]  # fmt: skip
COVERING = [
    {"survival": 0.5, "skip": "D", "stem": "deep", "eca": True, "kernels": (3, 1, 3), "depths": (2, 1)},
    {
        "block": "bottleneck", "cardinality": 2, "order": "full_preactivation", "skip": "B", "norm": "group",
        "norm_groups": 2, "se_reduction": 2, "antialias": "blur", "standardize_weights": True, "dropout": 0.2,
        "skip_transform": "exclusive_gate", "conv_bias": True, "branch_scale": "layerscale",
    },
]  # fmt: skip
"""Fields that go together and have most words between them."""


def axis(fields):
    return NetSpec(**{"input_shape": (8, 8, 1), "widths": (4, 8), "depths": (2, 2), **fields})


@cache
def traced_backward(kind):
    signature = (compiled(kind).signature, tf.TensorSpec((None, None)))
    return tf.function(compiled(kind).backward, autograph=False, input_signature=signature)


class Pair:
    """A network of Keras and the same in open shapes, trained by the same steps."""

    def __init__(self, spec, seed=3, traced=False):
        self.spec, self.net = spec, opened(spec)
        self.compiled = compiled(self.net.kind) if traced else Compiled(self.net.kind)
        self.compiled.variables.take(self.net, spec.init, seed)
        self.backward = traced_backward(self.net.kind) if traced else self.compiled.backward
        self.infer = self.compiled.infer if traced else self.compiled.infer.python_function
        self.model = build(spec, seed)
        self.variables = {f"{layer.name}/{v.name}": v for layer in self.model.layers for v in layer.variables}
        rng = np.random.default_rng(seed)
        self.images = tf.constant(rng.normal(size=(6, *spec.input_shape)).astype("float32"))
        self.labels = tf.constant(rng.integers(0, spec.classes, 6))

    def step(self):
        """Make a step on both sides; return the logits and the gradients of each, before it."""
        mine = self.backward(self.images, tf.one_hot(self.labels, self.spec.classes))
        for weight, gradient in zip(self.compiled.variables.with_role("weight"), mine.gradients, strict=True):
            weight.assign_sub(RATE * gradient)
        self.compiled.move_on(mine.statistics)
        weights = [v.value for v in self.model.trainable_variables]
        with tf.GradientTape() as tape:
            logits = self.model(self.images, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(self.labels, logits))
        gradients = tape.gradient(loss, weights, unconnected_gradients="zero")
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.assign_sub(RATE * gradient)
        names = {id(v): name for name, v in self.variables.items()}
        theirs = {names[id(v)]: g for v, g in zip(self.model.trainable_variables, gradients, strict=True)}
        return SimpleNamespace(logits=mine.logits, gradients=self.by_name(mine.gradients)), SimpleNamespace(
            logits=logits, gradients=theirs
        )

    def by_name(self, gradients):
        return {
            f"{cell.layer}/{cell.slot.name}": value
            for (i, j), stack in zip(
                places(self.net.kind, "weight"),
                stacks(self.net, "weight", [rows.numpy() for rows in gradients]),
                strict=True,
            )
            for cell, value in zip(self.net.cells(i, j), stack, strict=True)
        }

    def check_values(self, exactly=False):
        values = self.compiled.variables.by_layer(self.net)
        assert values.keys() == self.variables.keys()
        for name, variable in self.variables.items():
            if exactly or "seed" in name:
                np.testing.assert_array_equal(values[name], variable.numpy(), err_msg=name)
            else:
                close(values[name], variable.numpy(), np.abs(variable.numpy()).max(), name)

    def check(self):
        self.check_values(exactly=True)
        sites = [site.layer for site in weight_sites(self.model)]
        assert [kernel.cell.layer for kernel in kernels(self.net)] == sites
        for _ in range(STEPS):
            mine, theirs = self.step()
            close(mine.logits, theirs.logits, np.abs(theirs.logits).max(), "logits")
            largest = max(np.abs(gradient).max() for gradient in theirs.gradients.values())
            for name, gradient in theirs.gradients.items():
                close(mine.gradients[name], gradient, largest, name)
        self.check_values()
        close(self.infer(self.images), self.model(self.images, training=False), None, "logits in inference")


def close(mine, theirs, scale, name):
    theirs = np.asarray(theirs)
    scale = np.abs(theirs).max() if scale is None else scale
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=TOLERANCE * max(scale, 1e-3), err_msg=name)


@pytest.mark.parametrize("fields", AXES, ids=str)
def test_every_axis_computes_what_keras_computes(fields):
    Pair(axis(fields)).check()


@settings(max_examples=EXAMPLES * 3 // 5)  # each takes a second
@given(specs())
def test_a_network_computes_what_keras_computes(spec):
    assert why_not(spec) is None
    Pair(spec).check()


@pytest.mark.parametrize("fields", COVERING, ids=str)
def test_what_is_traced_computes_what_keras_computes_at_every_depth_and_width(fields):
    first = axis(fields)
    second = first.replace(depths=(1, 3), widths=(8, 16))
    kinds = {opened(spec).kind for spec in (first, second)}
    assert len(kinds) == 1
    for spec in (first, second):
        Pair(spec, traced=True).check()
    assert traced_backward(*kinds).experimental_get_tracing_count() == 1


@pytest.mark.parametrize("fields", [{}, {"survival": 0.5}, {"branch_scale": "fixup", "norm": "none"}, {"eca": True}])
def test_depth_and_width_are_no_part_of_a_kind(fields):
    shapes = [(depth, width) for depth in (8, 14, 56) for width in (2, 6)]
    assert len({opened(cifar(depth, width, **fields)).kind for depth, width in shapes}) == 1
    assert opened(cifar(8, 4, **fields)).kind != opened(cifar(8, 4, **fields, skip="B")).kind


def test_the_norms_are_those_of_the_gradients_between_blocks():
    pair = Pair(axis({"depths": (3, 1), "survival": 0.5}))
    places = ["stem_out", *(f"stage{i}_block{j}_out" for i, n in ((1, 3), (2, 1)) for j in range(1, n + 1))]
    mine = pair.backward(pair.images, tf.one_hot(pair.labels, pair.spec.classes))
    with tf.GradientTape() as tape, keras.StatelessScope():
        model = keras.Model(
            pair.model.input, [*(pair.model.get_layer(name).output for name in places), pair.model.output]
        )
        *values, logits = model(pair.images, training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(pair.labels, logits))
    expected = [float(tf.norm(gradient)) for gradient in tape.gradient(loss, values)]
    np.testing.assert_allclose(np.concatenate(mine.norms)[: len(places)], expected, rtol=TOLERANCE)


@pytest.fixture
def users():
    """Register blocks of a user's, and forget them."""
    before = dict(BLOCKS)
    yield register_block
    BLOCKS.clear()
    BLOCKS.update(before)


def test_a_users_block_has_an_open_form(users):
    @users("reach", kernels=(3,))
    def reach(at, x, width, strides):
        half = at.conv(x, width, 3, strides, name="conv1")
        return at.linear(at.activation(half, name="act"), 1.0 / at.shape(half)[2], name="share")

    Pair(axis({"block": "reach"})).check()
    assert len({opened(cifar(depth, width, block="reach")).kind for depth, width in ((8, 2), (11, 4))}) == 1


def test_what_has_no_open_form_says_why(users):
    @users("layered", kernels=(3,))
    def layered(at, x, width, strides):
        x = at.conv(x, width, 3, strides, name="conv1")
        return at.layer(x, keras.layers.ReLU, name="relu")

    @users("dense", kernels=(3,))
    def dense(at, x, width, strides):
        dense.last = at.add(x, getattr(dense, "last", x), name="sum")
        return at.conv(x, width, 3, strides, name="conv1")

    assert why_not(cifar(8)) is None
    assert "`stage1_block1_relu` is made by `at.layer`" in why_not(cifar(8, block="layered"))
    assert "a value of another block" in why_not(cifar(8, block="dense"))
    every_other = cifar(56).keep_skips(lambda _, block: block % 2 == 0)
    assert why_not(every_other) == "its blocks form 27 sequences of equal blocks, but at most 12 are possible"
