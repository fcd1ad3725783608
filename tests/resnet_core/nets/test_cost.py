import pytest

from resnet_core.errors import UserError
from resnet_core.nets.cost import cost
from resnet_core.nets.registry import BLOCKS, RegisteredBlock
from resnet_core.nets.spec import NetSpec, cifar

# Trainable parameters, batch statistics and multiply-accumulates (convolutions and classifier) of
# the CIFAR networks of He et al. 2015 and 2016, counted on independent implementations of them.
GOLDEN = {
    (20, "A"): (269_722, 1_376, 40.551e6),
    (20, "none"): (269_722, 1_376, 40.551e6),
    (20, "B"): (272_474, 1_568, 40.813e6),
    (20, "C"): (283_962, 2_048, 42.648e6),
    (32, "A"): (464_154, 2_272, 68.863e6),
    (44, "A"): (658_586, 3_168, 97.174e6),
    (56, "A"): (853_018, 4_064, 125.486e6),
    (56, "B"): (855_770, 4_256, 125.748e6),
    (110, "A"): (1_727_962, 8_096, 252.888e6),
    (1202, "A"): (19_421_274, 89_632, 2829.239e6),
}
GOLDEN_PREACTIVATION = {
    (20, "B"): (272_282, 1_376, 40.813e6),
    (110, "A"): (1_727_962, 8_096, 252.888e6),
}


@pytest.mark.parametrize(("net", "golden"), GOLDEN.items())
def test_published_networks(net, golden):
    depth, skip = net
    assert _counts(cifar(depth, skip=skip)) == golden


@pytest.mark.parametrize(("net", "golden"), GOLDEN_PREACTIVATION.items())
def test_published_preactivation_networks(net, golden):
    depth, skip = net
    assert _counts(cifar(depth, skip=skip, order="full_preactivation")) == golden


def _counts(spec):
    """Return the counts, the operations to the thousand to which the golden ones are known."""
    counted = cost(spec)
    return counted.trainable, counted.bn_running_stats, round(counted.macs, -3)


@pytest.mark.parametrize("n", range(1, 10))
@pytest.mark.parametrize("order", ["original", "full_preactivation"])
def test_closed_form(n, order):
    """Option A: 97,216 n - 21,926; B adds its two projections, with BN in the original order alone."""
    depth = 6 * n + 2
    a, b = (cost(cifar(depth, skip=skip, order=order)).trainable for skip in "AB")
    assert a == 97_216 * n - 21_926
    assert b - a == {"original": 2_752, "full_preactivation": 2_560}[order]


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110, 1202])
@pytest.mark.parametrize("order", ["original", "full_preactivation"])
def test_the_plain_twin_of_option_a_costs_the_same(depth, order):
    plain, residual = (cifar(depth, skip=skip, order=order) for skip in ("none", "A"))
    assert _counts(plain) == _counts(residual)


@pytest.mark.parametrize("name", ["bn1", "conv1", "out"])
def test_two_layers_of_one_name_are_refused(name, monkeypatch):
    """As Keras refuses them once the network is built; `bn1` and `out` are those of the order."""

    def branch(at, x, width, strides):
        return at.activation(at.conv(x, width, 3, strides, name="conv1"), name=name)

    monkeypatch.setitem(BLOCKS, "twice", RegisteredBlock(branch, (3,), 1))
    with pytest.raises(UserError, match=f"a name of its own, but two are 'stage1_block1_{name}'; rename '{name}'"):
        cost(NetSpec(block="twice"))
