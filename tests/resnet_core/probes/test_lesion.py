import numpy as np
import pytest
from tensorflow.python.platform import tf_logging

from resnet_core import probes
from resnet_core.errors import UserError
from resnet_core.nets.keras_net import build
from resnet_core.nets.spec import cifar
from resnet_core.probes.kinds.lesion import lesion, lesions, shuffle
from resnet_core.probes.progress import counted
from resnet_core.probes.subject import Subject
from resnet_core.probes.surgery import in_order, without_branch

from .conftest import SMALL, images_for, labels_for, our_residual, two_joins


def error(model, images, labels):
    return float(np.mean(np.argmax(model(images), -1) != labels))


@pytest.mark.parametrize("name", ["our_residual", "our_bottleneck", "two_joins"])
def test_the_error_is_that_of_the_network_without_the_branch(name, networks):
    model = networks(name)
    images, labels = images_for(model, 20), labels_for(20)
    rows = lesion(model, images, labels)
    assert len(rows) == len(Subject(model).blocks)
    for row in rows.iloc[[0, -1]].itertuples():
        assert row.value == error(without_branch(model, row.layer), images, labels)
        assert row.intact == error(model, images, labels)


def test_a_plain_block_is_taken_out_where_the_shape_stays(networks):
    model = networks("our_plain")
    images, labels = images_for(model, 20), labels_for(20)
    rows = lesion(model, images, labels)
    assert list(rows["block"]) == [
        f"stage{i}_block{j}" for i in (1, 2, 3) for j in (1, 2, 3) if (i, j) not in [(2, 1), (3, 1)]
    ]
    others = [block.block for block in Subject(model).blocks if block.block != "stage2_block3"]
    assert rows.set_index("block")["value"]["stage2_block3"] == error(in_order(model, others), images, labels)


def test_taking_out_branches_that_are_zero_changes_nothing():
    model = build(cifar(20, skip="A", branch_scale="zero_gamma", **SMALL))
    images, labels = images_for(model, 30), labels_for(30)
    rows = lesion(model, images, labels)
    assert (rows["value"] == rows["intact"]).all()
    assert (rows["loss"] == rows["intact_loss"]).all()
    assert (lesions(model, images, labels, draws=2)["value"] == rows["intact"][0]).all()


def test_tensorflow_does_not_warn_of_the_parts_that_are_traced_once_each(monkeypatch):
    """It takes the closures of one code for one function, and warns from the fifth trace on."""
    warnings = []
    monkeypatch.setattr(tf_logging, "warning", lambda *words: warnings.append(words))
    model = our_residual()
    lesion(model, images_for(model, 10), labels_for(10))
    for _ in range(6):
        probes.gradients(two_joins(), images_for(model, 10), labels_for(10))
    assert warnings == []


def test_the_passes_are_counted_as_the_cost_says(networks):
    model, counts = networks("our_residual"), []
    with counted(counts.append):
        lesion(model, images_for(model, 20), labels_for(20))
    assert counts == sorted(counts)
    expected = 20 * probes.lesion.passes(Subject(model)).forward
    assert counts[-1] == pytest.approx(expected, rel=0.2)  # which takes a block for its share of the whole


def test_sets_of_blocks(networks):
    model = networks("our_residual")
    images, labels = images_for(model, 10), labels_for(10)
    rows = lesions(model, images, labels, counts=(1, 6, 7), draws=5)
    assert rows.groupby("count")["taken_out"].nunique().to_dict() == {1: 5, 6: 5, 7: 1}
    first = rows["taken_out"][rows["count"] == 6].iloc[0].split()
    cut = model
    for block in first:
        cut = without_branch(cut, block)
    assert rows["value"][rows["count"] == 6].iloc[0] == error(cut, images, labels)
    with pytest.raises(UserError, match="between 1 and 7"):
        lesions(model, images, labels, counts=(8,))


def test_exchanged_blocks_are_of_one_shape(networks):
    model = networks("our_residual")
    images, labels = images_for(model, 10), labels_for(10)
    rows = shuffle(model, images, labels, swaps=(0, 4), draws=3)
    assert (rows["tau"][rows["swaps"] == 0] == 1.0).all()
    assert (rows["value"][rows["swaps"] == 0] == error(model, images, labels)).all()
    assert rows["tau"][rows["swaps"] == 4].lt(1.0).any()
    again = shuffle(model, images, labels, swaps=(0, 4), draws=3)
    assert rows.equals(again)


def test_what_has_no_block():
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(10)])
    with pytest.raises(UserError, match="has neither"):
        lesion(model, np.zeros((2, 4), "float32"), np.zeros(2, int))
