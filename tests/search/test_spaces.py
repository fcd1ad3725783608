import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnet_core.errors import UserError
from resnet_core.nets.cost import cost
from resnet_core.nets.spec import NetSpec
from resnet_core.nets.zoo import network
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data import DataInfo
from resnet_core.runs.spec import TrainSpec
from resnet_core.seeds import generator
from search.limits import GIB, Limits, run_bytes, training_bytes, within_step
from search.oracles.points import SamplerSpace
from search.request import excess
from search.space import Space, SpaceError
from search.spaces import SPACES, space_of
from search.starts import distance

DATA = DataInfo((32, 32, 3), 10, 1000)
TRAIN = TrainSpec(epochs=2)
SOME = st.sampled_from(list(SPACES.values()))


def sampled(space: Space, seed: int) -> dict:
    return SamplerSpace(space.hyperparameters).sample(generator(seed, "test"))


@given(space=SOME, seed=st.integers(0, 10_000))
def test_random_values_have_a_network_or_contradict_each_other(space, seed):
    values = sampled(space, seed)
    assert space.active(values) == values
    try:
        net, train = space.point(values, TRAIN, DATA)
    except UserError:
        assert excess(space, values, TRAIN, DATA, Limits()) == math.inf
        return
    assert (net.input_shape, net.classes) == ((32, 32, 3), 10)
    assert train.epochs == 2
    if "skip" in values:
        assert net.skip == values["skip"]
    assert cost(net).trainable > 0


@pytest.mark.parametrize("space", SPACES.values(), ids=lambda space: space.name)
def test_most_random_points_of_a_space_are_legal(space):
    legal = [excess(space, sampled(space, seed), TRAIN, DATA, Limits()) < math.inf for seed in range(100)]
    assert sum(legal) >= 80


@pytest.mark.parametrize("space", SPACES.values(), ids=lambda space: space.name)
def test_the_least_network_is_not_above_any_random_one(space):
    def parameters(values):
        try:
            return cost(space.point(values, TRAIN, DATA)[0]).trainable
        except UserError:
            return math.inf

    _, least = space.least(parameters)
    assert all(least <= parameters(sampled(space, seed)) for seed in range(50))


def test_a_hyperparameter_that_is_not_active_is_no_field():
    space = SPACES["full"]
    values = space.active({"skip": "none", "norm": "group", "survival": 0.5})
    assert "survival" not in values
    net, _ = space.point(values, TRAIN, DATA)
    assert (net.norm, net.norm_groups, net.survival) == ("group", 2, 1.0)


def test_what_is_fixed_does_not_vary_and_takes_what_depends_on_it_along():
    space = SPACES["full"].with_fixed(["skip=none", "optimizer=sgd", "sgd_rate=0.2", "width=16"])
    gone = {"skip", "optimizer", "sgd_rate", "width", "adamw_rate", "branch_scale", "survival"}
    assert set(space.names) == set(SPACES["full"].names) - gone
    for seed in range(10):
        net, train = space.point(sampled(space, seed), TRAIN, DATA)
        assert (net.skip, net.widths[0], train.optimizer, train.learning_rate) == ("none", 16, "sgd", 0.2)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("skp=none", "--fix takes a hyperparameter of the space, but got 'skp'; did you mean 'skip'?"),
        ("skip", "--fix takes NAME=VALUE, but got 'skip'"),
        ("skip=E", "`skip` must be of its range, none, A, B, but got 'E'"),
        ("blocks=9", "`blocks` must be of its range, 1 to 3, but got '9'"),
        ("learning_rate=7", "`learning_rate` must be of its range, 0.01 to 0.3, log, but got '7'"),
        ("learning_rate=x", "`learning_rate` must be of its range, 0.01 to 0.3, log, but got 'x'"),
    ],
)
def test_what_cannot_be_fixed(setting, message):
    with pytest.raises(UserError) as error:
        SPACES["tiny"].with_fixed([setting])
    assert str(error.value) == message


def test_a_hyperparameter_is_fixed_once():
    with pytest.raises(UserError, match="fixed once, but 'skip'"):
        SPACES["tiny"].with_fixed(["skip=A", "skip=B"])


MINE = """
from resnet_core import cifar

def space(hp, train):
    '''Depth alone.'''
    return cifar(hp.Choice("depth", [8, 14]), 8), train
"""


def test_a_space_of_ones_own_is_a_function_in_a_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    space = space_of(str(file))
    assert (space.name, space.about, space.names) == ("mine", "Depth alone.", ["depth"])
    assert space.point({"depth": 14}, TRAIN, DATA)[0].depth == 14


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def space(hp, train):\n    return 1", "must return a NetSpec and a TrainSpec"),
        ("def space(hp, train):\n    return hp.Choice('a', [1, 2]).b, train", "line 2: AttributeError"),
        ("from resnet_core import cifar\ndef space(hp, train):\n    return cifar(8), train", "asks for none"),
        ("space = 3", "must define a function `space(hp, train)`"),
        ("import nothing_of_this_name", "line 1, raises ModuleNotFoundError"),
        ("def space(", "line 1, raises SyntaxError"),
    ],
)
def test_a_file_that_is_no_space(text, message, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(UserError) as error:
        _ = space_of(str(file)).hyperparameters
    assert message in str(error.value)


def test_a_hyperparameter_behind_an_if_is_named():
    def declare(hp, train):
        skip = hp.Choice("skip", ["A", "none"])
        return NetSpec(skip=skip, norm="batch" if skip == "A" else hp.Choice("norm", ["batch", "none"])), train

    with pytest.raises(UserError, match="asked for in every call, but 'norm' of the space 'x' is not"):
        Space("x", "", declare).point({"skip": "none"}, TRAIN, DATA)


LATE = """
from resnet_core import NetSpec

def space(hp, train):
    norm = hp.Choice("norm", ["batch", "none"])
    if norm == "none":
        {line}
    return NetSpec(norm=norm), train
"""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train.replace(x=undefined)", "line 7: NameError"),
        ("hp.Choice('scale', ['one', 'skipinit'])", "asked for in every call, but 'scale'"),
    ],
)
def test_a_mistake_that_shows_with_other_values_is_no_contradiction(line, message, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(LATE.format(line=line))
    with pytest.raises(SpaceError) as error:
        excess(space_of(str(file)), {"norm": "none"}, TRAIN, DATA, Limits())
    assert message in str(error.value)


@pytest.mark.parametrize("name", ["status", "run", "parameters", "a.b"])
def test_a_hyperparameter_has_no_name_of_a_column(name):
    space = Space("x", "", lambda hp, train: (NetSpec(widths=(hp.Choice(name, [8, 16]), 16, 32)), train))
    with pytest.raises(SpaceError, match=f"asks for '{name}'; choose another name"):
        _ = space.hyperparameters


def test_what_is_fixed_must_be_active():
    with pytest.raises(UserError, match="'survival' is not with skip=none"):
        SPACES["full"].with_fixed(["skip=none", "survival=0.5"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tinny", "--space must be"),
        ("tiny.toml", "--space must be"),
        ("missing.py", "a space must be a readable Python file, but missing.py is not"),
    ],
)
def test_a_space_that_is_not_there(text, message):
    with pytest.raises(UserError, match=message):
        space_of(text)


def test_limits_are_ratios():
    net = network("resnet20-cifar-A")
    network_cost = cost(net)
    train = TrainSpec(epochs=1, batch_size=100)
    assert Limits().excess(net, train) == 0
    assert Limits(parameters=network_cost.trainable).excess(net, train) == 1
    assert Limits(parameters=network_cost.trainable * 2, macs=network_cost.macs / 2).excess(net, train) == 2
    assert training_bytes(net, train) == 100 * network_cost.activation_bytes + 12 * network_cost.trainable
    assert training_bytes(net, train.replace(optimizer="adamw", momentum=0.9)) == (
        100 * network_cost.activation_bytes + 16 * network_cost.trainable
    )
    assert Limits(memory=training_bytes(net, train) / GIB).excess(net, train) == pytest.approx(1)
    probe = ProbeSpec(batch_size=128)
    assert run_bytes(net, train, probe) == 512 * network_cost.activation_bytes + 12 * network_cost.trainable
    assert (
        run_bytes(net, train.replace(evaluation_batch=64), probe)
        == 128 * network_cost.activation_bytes + 12 * network_cost.trainable
    )
    assert Limits(memory=run_bytes(net, train, probe) / GIB).excess(net, train, probe) == pytest.approx(1)
    fitted = within_step(train, probe, {"train": (), "probe": ()})
    assert (fitted[0].evaluation_batch, fitted[1].batch_size) == (100, 100)
    assert run_bytes(net, *fitted) == training_bytes(net, train)
    assert within_step(train, probe, {"train": ("batch_size",), "probe": ("batch_size",)})[1] == probe
    assert Limits(parameters=300_000, memory=2).text == "parameters <= 300000, memory <= 2"


def test_the_distance_of_networks():
    net = network("resnet20-cifar-A")
    assert distance(net, net) == 0
    assert distance(net, net.replace(skip="none")) == 1
    assert distance(net, net.replace(widths=(32, 64, 128))) == 3
    assert distance(net, net.replace(depths=(3, 3), widths=(16, 32))) == 2
