import keras
import numpy as np
import pytest

from resnet_core.nets.keras_net import build
from resnet_core.nets.spec import cifar
from resnet_core.probes.kinds.landscape import direction, landscape
from resnet_core.probes.subject import Subject
from resnet_core.seeds import generator

from .conftest import SMALL, images_for, labels_for


def test_filters_of_a_direction_have_the_norms_of_the_networks(networks):
    net = Subject(networks("our_residual"))
    values = direction(net, generator(0, "test"))
    kernels = {variable.path: variable.numpy() for variable in net.model.trainable_weights}
    assert set(values) == {path for path, value in kernels.items() if value.ndim > 1}
    for path, value in values.items():
        axes = tuple(range(value.ndim - 1))
        expected = np.sqrt((kernels[path] ** 2).sum(axis=axes))
        assert np.sqrt((value**2).sum(axis=axes)) == pytest.approx(expected, rel=1e-5)


def test_a_linear_model_along_the_line_to_another():
    """The logits are linear in the weights, so the loss between two models is known."""
    keras.utils.set_random_seed(0)
    first, two = (keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)]) for _ in range(2))
    x, y = np.random.default_rng(0).normal(size=(50, 5)).astype("float32"), np.arange(50) % 3
    rows = landscape(first, x, y, two, points=9)
    assert rows["x"].tolist() == np.linspace(-0.5, 1.5, 9).tolist()
    for point in rows.itertuples():
        logits = (1 - point.x) * first(x).numpy() + point.x * two(x).numpy()
        losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(50), y]
        assert point.value == pytest.approx(losses.mean(), rel=1e-5)
        assert point.error == np.mean(logits.argmax(axis=1) != y)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_quadratic_loss_is_exact(dimensions, monkeypatch):
    """With half the squared output as the loss, the loss is a quadratic form of the weights, known at every point."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2, use_bias=False)])
    x = np.random.default_rng(0).normal(size=(50, 5)).astype("float32")
    net = Subject(model)
    monkeypatch.setattr(net, "losses", lambda outputs, labels: 0.5 * keras.ops.sum(outputs**2, axis=-1))
    rows = landscape(net, x, np.zeros(50, int), dimensions=dimensions, points=7, reach=2.0)
    (path,) = [variable.path for variable in model.weights]
    directions = [direction(net, generator(0, "landscape", i))[path] for i in range(dimensions)]
    kernel, moments = model.get_weights()[0], x.T @ x / len(x)
    assert len(rows) == 7**dimensions
    for point in rows.to_dict("records"):
        moved = kernel + sum(point[axis] * d for axis, d in zip("xy", directions, strict=False))
        assert point["value"] == pytest.approx(0.5 * np.trace(moved.T @ moments @ moved), rel=1e-5)


def test_the_middle_of_a_surface_is_the_network(networks):
    model = networks("our_residual")
    images, labels = images_for(model, 20), labels_for(20)
    rows = landscape(model, images, labels, dimensions=2, points=3, reach=0.5)
    assert len(rows) == 9
    middle = rows[(rows["x"] == 0) & (rows["y"] == 0)].iloc[0]
    own = Subject(model).scored(images, labels)
    assert (middle["value"], middle["error"]) == (own.loss, own.error)
    assert rows["value"].nunique() == 9


def test_recomputed_statistics_are_those_of_the_images():
    """With one batch, the recomputed moving statistics give what training mode gives, but for the biased variance."""
    model = build(cifar(8, **SMALL))
    net, images = Subject(model), images_for(model, 64)
    weights = net.batch_statistics(images)
    expected = model(images, training=True).numpy()
    assert net.outputs(images, weights).numpy() == pytest.approx(expected, rel=1e-3, abs=1e-4)
    before = model.get_weights()
    landscape(model, images, labels_for(64), build(cifar(8, **SMALL), seed=1), points=3, statistics="recomputed")
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
