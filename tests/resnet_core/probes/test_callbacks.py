import keras
import numpy as np
import pytest

from resnet_core import probes
from resnet_core.errors import UserError
from resnet_core.nets.keras_net import build
from resnet_core.nets.spec import cifar
from resnet_core.probes.callbacks import GradientsByDepth

from .conftest import SMALL, images_for, labels_for


def compiled(**settings):
    model = build(cifar(8, skip="B", **SMALL))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, **settings)
    return model


def test_rows_of_a_step_are_those_of_the_probe_before_it(tmp_path):
    model = compiled()
    images, labels = images_for(model, 16), labels_for(16)
    expected = []
    for _ in range(2):
        table = probes.gradients(model, images, labels)
        expected.append(table[table["probe"] == "weight_gradient_l2"].set_index("layer")["value"])
        model.train_on_batch(images, labels)
    model = compiled()
    callback = GradientsByDepth(log_dir=tmp_path)
    model.fit(images, labels, batch_size=16, epochs=2, shuffle=False, verbose=0, callbacks=[callback])
    table = callback.table()
    assert table["step"].unique().tolist() == [0, 1]
    for step, values in enumerate(expected):
        measured = table[table["step"] == step].set_index("layer")["value"]
        assert list(measured.index) == list(values.index)
        assert measured.to_numpy() == pytest.approx(values.to_numpy(), rel=2e-3)  # compiled by XLA in `fit`
    assert list(tmp_path.glob("events.*"))
    assert "apply" not in vars(model.optimizer)


def test_tensorboard_has_the_rows(tmp_path):
    multiplexer = pytest.importorskip("tensorboard.backend.event_processing.plugin_event_multiplexer")
    from tensorboard.util.tensor_util import make_ndarray

    model, callback = compiled(), GradientsByDepth(every=2, log_dir=tmp_path / "run")
    for _ in range(2):  # the second training goes on with the steps
        model.fit(images_for(model, 12), labels_for(12), batch_size=4, shuffle=False, verbose=0, callbacks=[callback])
    events = multiplexer.EventMultiplexer().AddRunsFromDirectory(str(tmp_path))
    events.Reload()
    rows = callback.table()
    assert set(events.Runs()["run"]["tensors"]) == {f"gradient_l2/{layer}" for layer in rows["layer"]}
    for layer, mine in rows.groupby("layer"):
        written = events.Tensors("run", f"gradient_l2/{layer}")
        assert [event.step for event in written] == mine["step"].tolist() == [0, 2, 4]
        assert [float(make_ndarray(event.tensor_proto)) for event in written] == mine["value"].tolist()


def test_the_training_is_the_one_without():
    weights = []
    for callbacks in ([], [GradientsByDepth(every=2)]):
        model = compiled()
        model.fit(images_for(model, 32), labels_for(32), batch_size=8, shuffle=False, verbose=0, callbacks=callbacks)
        weights.append(model.get_weights())
    assert all(np.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(*weights, strict=True))
    assert callbacks[0].table()["step"].unique().tolist() == [0, 2]


def test_several_steps_in_one_execution_are_refused():
    model = compiled(steps_per_execution=2)
    with pytest.raises(UserError, match="steps_per_execution is 1, but it is 2"):
        model.fit(images_for(model, 4), labels_for(4), shuffle=False, verbose=0, callbacks=[GradientsByDepth()])
    with pytest.raises(UserError, match="at least 1, but got 0"):
        GradientsByDepth(every=0)
