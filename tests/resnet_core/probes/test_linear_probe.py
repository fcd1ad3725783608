import keras
import numpy as np

from resnet_core.probes.kinds.linear_probe import linear_probe


def test_separable_after_the_block_and_not_before():
    """Which channel is larger in magnitude: no linear function of the means, but one of the rectified ones."""
    images = keras.Input((2, 2, 1))
    x = keras.layers.Conv2D(2, 1, activation="relu", name="first")(images)
    x = keras.layers.Conv2D(2, 1, activation="relu", name="second")(x)
    model = keras.Model(images, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    model.get_layer("first").set_weights([np.asarray([[[[1.0, 1.0]]]]), np.asarray([5.0, 5.0])])  # both the same
    model.get_layer("second").set_weights([np.asarray([[[[1.0, -1.0], [0.0, 0.0]]]]), np.asarray([-5.0, 5.0])])
    values = np.linspace(-1, 1, 200, dtype="float32").reshape(-1, 1, 1, 1) * np.ones((1, 2, 2, 1), "float32")
    labels = (np.abs(values[:, 0, 0, 0]) > 0.5).astype(int)
    rows = linear_probe(model, values[::2], labels[::2], values[1::2], labels[1::2])
    accuracy = rows.set_index("layer")["value"]
    assert accuracy["second"] == 1.0
    assert accuracy["first"] < 0.8
    assert rows["features"].tolist() == [2, 2]
