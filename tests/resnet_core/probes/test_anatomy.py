import keras
import numpy as np
import pytest

from resnet_core import probes
from resnet_core.errors import UserError
from resnet_core.nets.keras_net import build
from resnet_core.nets.spec import cifar
from resnet_core.probes.anatomy import anatomy
from resnet_core.probes.gradient_norms import activation_sites, weight_sites
from resnet_core.probes.subject import Subject
from resnet_core.probes.surgery import without_branch

from .conftest import SMALL, images_for, labels_for, operator_of, two_joins


@pytest.mark.parametrize(
    ("name", "layers", "joins", "places", "changes"),
    [
        ("our_residual", 20, 9, 10, [3, 6]),
        ("our_plain", 20, 0, 10, []),
        ("our_bottleneck", 32, 9, 10, [0, 3, 6]),
        ("applications_resnet50", 54, 16, 17, [0, 3, 7, 13]),
        # The last block of each stage but the fourth halves the map; its skip is a pooling.
        ("applications_resnet50v2", 54, 16, 17, [0, 2, 3, 6, 7, 12, 13]),
        ("two_joins", 5, 2, 3, []),
        ("sequential", 4, 0, 3, []),
    ],
)
def test_what_a_network_consists_of(name, layers, joins, places, changes, networks):
    parts = anatomy(networks(name))
    assert (len(parts.layers), len(parts.joins), len(parts.places)) == (layers, joins, places)
    assert [join.index for join in parts.joins if join.changes_shape] == changes
    assert len(parts.blocks) == places - 1


def test_joins_of_other_names(networks):
    parts, add = anatomy(networks("two_joins")), operator_of(networks("two_joins"))
    assert [(join.layer, join.skip_input, join.split.name) for join in parts.joins] == [
        (add, 0, "begin"),
        ("plus", 1, add),
    ]
    assert [(layer.layer, layer.block, layer.path) for layer in parts.layers] == [
        ("begin", "", "main"),
        ("lefty", add, "main"),
        ("righty", add, "main"),
        ("mix", "plus", "main"),
        ("answer", "", "main"),
    ]


def test_blocks_of_keras_applications_are_called_by_what_their_layers_begin_with(networks):
    blocks = [block.block for block in anatomy(networks("applications_resnet50v2")).blocks]
    assert blocks[:4] == ["conv2_block1", "conv2_block2", "conv2_block3", "conv3_block1"]
    skips = [layer.layer for layer in anatomy(networks("applications_resnet50")).layers if layer.path == "skip"]
    assert skips == [f"conv{i}_block1_0_conv" for i in (2, 3, 4, 5)]


@pytest.mark.parametrize(
    "changed",
    [
        {"skip": "C"},
        {"skip": "B", "order": "full_preactivation", "block": "bottleneck"},
        {"skip": "B", "skip_transform": "exclusive_gate"},
        {"norm": "none", "branch_scale": "fixup"},
        {"se_reduction": 4},
        {"order": "bn_after_addition", "skip": "D"},
    ],
    ids=str,
)
def test_the_graph_tells_what_the_names_of_our_layers_tell(changed):
    depth = 29 if changed.get("block") == "bottleneck" else 20
    model = build(cifar(depth, **SMALL, **changed))
    parts = anatomy(model)
    assert [(x.layer, x.index, x.path) for x in parts.layers] == [
        (site.layer, site.index, site.path) for site in weight_sites(model)
    ]
    assert [place.layer for place in parts.places] == [site.layer for site in activation_sites(model)]
    assert [join.block for join in parts.joins] == [block.block for block in parts.blocks]


def test_a_join_within_a_branch_is_a_join_and_no_block():
    images = keras.Input((8, 8, 4))
    y = keras.layers.Conv2D(4, 3, padding="same", name="outer1")(images)
    inner = keras.layers.Conv2D(4, 3, padding="same", name="inner")(y)
    y = keras.layers.Conv2D(4, 3, padding="same", name="outer2")(keras.layers.Add(name="inside")([y, inner]))
    x = keras.layers.Add(name="outside")([images, y])
    model = keras.Model(images, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    parts = anatomy(model)
    assert [join.layer for join in parts.joins] == ["inside", "outside"]
    assert [block.layer for block in parts.blocks] == ["outside"]


def test_two_towers_of_one_kind_are_no_residual_join():
    images = keras.Input((8, 8, 4))
    towers = [keras.layers.Conv2D(4, 3, name=name)(images) for name in ("left", "right")]
    model = keras.Model(images, keras.layers.Dense(2)(keras.layers.Flatten()(keras.layers.add(towers))))
    assert anatomy(model).joins == ()


@pytest.mark.parametrize("wrap", [lambda base: base, lambda base: keras.Sequential([keras.Input((8, 8, 3)), base])])
def test_the_blocks_of_a_nested_model_are_found(wrap):
    """As of a network of `keras.applications` with a head of the user's, in a `Sequential` of its own or not."""
    images = keras.Input((8, 8, 3))
    base = two_joins()
    x = wrap(base)(keras.layers.Rescaling(2.0, name="twice")(images), training=False)
    model = keras.Model(images, keras.layers.Dense(4, name="head")(x))
    net, pixels = Subject(model), images_for(model, 6)
    assert [block.block for block in net.blocks] == [operator_of(base), "plus"]
    assert [layer.layer for layer in net.layers] == ["begin", "lefty", "righty", "mix", "answer", "head"]
    assert np.array_equal(net.outputs(pixels), model(pixels))
    assert {id(variable) for variable in net.model.variables} == {id(variable) for variable in model.variables}
    cut = without_branch(model, "plus")
    assert probes.lesion(model, pixels, labels_for(6) % 4)["loss"].iloc[-1] == pytest.approx(
        Subject(cut).scored(pixels, labels_for(6) % 4).loss, rel=1e-6
    )
    rows = probes.reset(model, pixels, labels_for(6) % 4, model.get_weights())
    assert (rows["loss"] == rows["intact_loss"]).all()


def test_two_nested_models_with_equal_names_are_refused():
    images = keras.Input((4, 4, 3))
    halves = [keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(3, 1, name="same")]) for _ in range(2)]
    with pytest.raises(UserError, match="must have layers of different names"):
        anatomy(keras.Model(images, halves[1](halves[0](images))))


class Subclassed(keras.Model):
    def call(self, x):
        return x


def two_outputs():
    images = keras.Input((4,))
    return keras.Model(images, [keras.layers.Dense(1)(images), keras.layers.Dense(1)(images)])


@pytest.mark.parametrize(
    ("make", "received"), [(Subclassed, "but got Subclassed"), (two_outputs, "has 1 and 2"), (dict, "but got dict")]
)
def test_what_is_no_functional_model_of_one_input_and_output(make, received):
    with pytest.raises(UserError, match=received):
        anatomy(make())
