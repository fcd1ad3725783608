import numpy as np
import pytest
import tensorflow as tf

from resnet_core.errors import UserError
from resnet_core.probes.kinds.paths import by_path_length, paths, share_of_paths
from resnet_core.probes.subject import Subject

from .conftest import images_for, labels_for


def test_most_paths_of_54_blocks_are_of_medium_length():
    """Veit et al. 2016, section 4.3: paths of 5 to 17 branches are 0.45 % of all."""
    assert share_of_paths(54)[5:18].sum() == pytest.approx(0.004537, abs=5e-7)
    assert share_of_paths(54).sum() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ["our_residual", "our_bottleneck", "two_joins"])
def test_the_gradients_of_all_lengths_sum_to_the_whole_gradient(name, training, networks):
    net = Subject(networks(name))
    images, labels = images_for(net.model, 6), labels_for(6)
    values = net.at_places(images, training=training)
    parts = by_path_length(net, values, labels, training=training)
    assert list(parts) == list(range(len(net.blocks) + 1))
    whole = net.gradients(images, labels, training=training)[1][0].numpy()
    total = tf.add_n(list(parts.values())).numpy()
    # Sums of up to 2^9 terms in float32, in another order.
    assert total == pytest.approx(whole, rel=1e-3, abs=1e-5 * float(np.abs(whole).max()))


def test_a_path_through_no_branch_is_the_gradient_of_the_skips_alone(networks):
    net = Subject(networks("our_bottleneck"))
    rows = paths(net, images_for(net.model, 6), labels_for(6), draws=2).set_index("length")
    for only in (0, len(net.blocks)):  # there is one path
        assert rows["single"][only] == pytest.approx(rows["value"][only], rel=1e-5)
    assert rows["share"].sum() == pytest.approx(1.0)
    assert rows["share_of_paths"].to_numpy() == pytest.approx(share_of_paths(9))


def test_a_plain_network_has_no_paths(networks):
    model = networks("our_plain")
    with pytest.raises(UserError, match="blocks without a skip"):
        paths(model, images_for(model, 2), labels_for(2))
