import keras
import numpy as np
import pytest
import tensorflow as tf

from resnet_core.probes.hessian import HessianProduct
from resnet_core.probes.kinds.curvature import curvature, lanczos, trace_estimates
from resnet_core.probes.subject import Subject
from resnet_core.seeds import generator

from .conftest import images_for, labels_for, operator_of


@pytest.fixture(scope="module")
def matrix():
    random = np.random.default_rng(0)
    axes = np.linalg.qr(random.normal(size=(12, 12)))[0]
    return axes @ np.diag([-5.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0]) @ axes.T


def test_as_many_steps_as_parameters_give_the_whole_spectrum(matrix):
    eigen = lanczos(lambda v: matrix @ v, 12, 12, generator(0, "test"))
    assert eigen.eigenvalues == pytest.approx(np.linalg.eigvalsh(matrix), abs=1e-9)
    assert eigen.weights.sum() == pytest.approx(1.0, abs=1e-12)
    largest = lanczos(lambda v: matrix @ v, 12, 8, generator(0, "test")).eigenvalues[-1]
    assert largest == pytest.approx(34.0, rel=1e-3)


def test_lanczos_ends_where_the_matrix_has_no_more_eigenvalues():
    assert lanczos(lambda v: 3.0 * v, 40, 40, generator(0, "test")).eigenvalues == pytest.approx([3.0])


def test_the_trace_is_exact_for_a_diagonal_and_unbiased_for_others(matrix):
    assert trace_estimates(lambda v: np.arange(5.0) * v, 5, 3, generator(0, "test")) == pytest.approx([10.0] * 3)
    estimates = trace_estimates(lambda v: matrix @ v, 12, 4000, generator(0, "test"))
    error = estimates.std() / np.sqrt(4000)
    assert estimates.mean() == pytest.approx(np.trace(matrix), abs=4 * error)


@pytest.mark.parametrize("training", [False, True])
def test_the_hessian_is_that_of_the_loss(training):
    """Against the Hessian by TensorFlow's Jacobian of the gradient, with normalisation in both modes."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(3, activation="tanh"), keras.layers.BatchNormalization(), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    x, y = np.random.default_rng(0).normal(size=(20, 4)).astype("float32"), np.arange(20) % 3
    variables = [variable.value for variable in model.trainable_variables]
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            logits = model(x, training=training)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        gradients = inner.gradient(loss, variables)
        flat = tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], 0)
    rows = outer.jacobian(flat, variables)
    expected = np.concatenate([row.numpy().reshape(len(flat), -1) for row in rows], axis=1)
    net = Subject(model)
    product = HessianProduct(net, model.trainable_variables, x, y, training=training)
    columns = np.stack([product(unit) for unit in np.eye(product.size)])
    part, size = product.product_for(model.layers[0].trainable_variables)
    corner = np.stack([part(unit) for unit in np.eye(size)])
    assert corner == pytest.approx(expected[:size, :size], abs=1e-5 * float(np.abs(expected).max()))
    assert columns == pytest.approx(expected, abs=1e-5 * float(np.abs(expected).max()))


def test_rows_of_the_network_and_of_its_blocks(networks):
    model = networks("two_joins")
    add = operator_of(model)
    images, labels = images_for(model, 16), labels_for(16)
    rows = curvature(model, images, labels, largest=2, steps=10, draws=3)
    assert rows.groupby(["block", "quantity"]).size().to_dict() == {
        ("", "density"): 10, ("", "eigenvalue"): 2, ("", "trace"): 1,
        (add, "eigenvalue"): 2, (add, "trace"): 1, ("plus", "eigenvalue"): 2, ("plus", "trace"): 1,
    }  # fmt: skip
    assert rows["value"][rows["quantity"] == "density"].sum() == pytest.approx(1.0)
