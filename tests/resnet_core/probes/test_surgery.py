import keras
import numpy as np
import pytest

from resnet_core.errors import UserError
from resnet_core.probes.anatomy import anatomy
from resnet_core.probes.surgery import in_order, without_branch, without_skip

from .conftest import NETWORKS, images_for, operator_of


def blocks_of(model):
    return [block.block for block in anatomy(model).blocks]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_trained_order_changes_no_bit_and_shares_the_weights(name, networks):
    model = networks(name)
    same = in_order(model, blocks_of(model))
    images = images_for(model, 3)
    assert np.array_equal(same(images), model(images))
    assert {id(weight) for weight in same.weights} == {id(weight) for weight in model.weights}


@pytest.mark.parametrize("block", ["stage1_block1", "stage2_block2", "stage3_block1"])
def test_without_a_branch_is_with_its_last_kernel_at_zero(block, networks):
    model = networks("our_bottleneck")
    cut = without_branch(model, block)
    images, kernel = images_for(model, 3), model.get_layer(f"{block}_conv3").kernel
    before, after = kernel.numpy(), cut(images).numpy()
    assert not np.array_equal(after, model(images))
    kernel.assign(np.zeros_like(before))
    expected = model(images).numpy()
    kernel.assign(before)
    assert np.array_equal(after, expected)


def test_without_a_skip_is_the_branch_alone(networks):
    model = networks("two_joins")
    layer = {name: model.get_layer(name) for name in ("begin", "lefty", "righty", "mix", "answer")}
    images = images_for(model, 3)
    x = layer["righty"](layer["lefty"](layer["begin"](images)))
    x = layer["mix"](x) + x
    expected = layer["answer"](keras.ops.mean(x, axis=(1, 2)))
    assert np.allclose(
        without_skip(model, operator_of(model))(images), expected, rtol=1e-5, atol=1e-6
    )  # sums in another order


def test_blocks_may_be_exchanged_repeated_and_left_out(networks):
    model = networks("our_residual")
    blocks = blocks_of(model)
    images = images_for(model, 3)
    without = in_order(model, [name for name in blocks if name != "stage1_block2"])
    # The values between blocks are not negative, so the activation after the addition does nothing to the skip.
    assert np.array_equal(without(images), without_branch(model, "stage1_block2")(images))
    twice = in_order(model, [blocks[0], blocks[0], *blocks[1:]])
    assert not np.array_equal(twice(images), model(images))


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (["stage1_block9"], "a block must be one of the network's, but got 'stage1_block9'"),
        (["stage1_block1", "stage3_block2"], r"'stage3_block2' takes values of shape \(2, 2, 16\)"),
        (["stage1_block1"], r"the last block must fit the head, .* but 'stage1_block1' gives \(8, 8, 4\)"),
    ],
)
def test_orders_that_have_no_network(blocks, message, networks):
    with pytest.raises(UserError, match=message):
        in_order(networks("our_residual"), blocks)


@pytest.mark.parametrize(
    ("name", "block", "message"),
    [("our_plain", "stage1_block1", "must have residual joins"), ("our_residual", "stage1", "but got 'stage1'")],
)
def test_a_branch_that_is_not_there(name, block, message, networks):
    with pytest.raises(UserError, match=message):
        without_branch(networks(name), block)
