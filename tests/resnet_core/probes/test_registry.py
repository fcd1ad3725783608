"""The contract of every probe."""

import random
import subprocess
import sys

import keras
import numpy as np
import pytest

from resnet_core import probes
from resnet_core.errors import UserError
from resnet_core.probes.registry import COLUMNS, Passes, register_probe
from resnet_core.probes.registry import probes as registered
from resnet_core.probes.subject import Subject
from resnet_core.runs.training.precision import dtype_policy

from .conftest import SHORT, images_for, labels_for, two_joins

QUICK = {
    "curvature": {"steps": 2, "draws": 1, "largest": 1},
    "landscape": {"points": 3},
    "lesions": {"draws": 2, "counts": (1,)},
    "paths": {"draws": 1},
    "shattering": {"points": 6, "lags": (1,)},
    "shuffle": {"draws": 1, "swaps": (1,)},
    "similarity": {"batch": 8, "permutations": 2},
    "stitching": {"places": (0,), "epochs": 1},
}
NEEDS_A_JOIN = {"iterative": "a residual block that keeps the shape is needed", "paths": "has blocks without a skip"}
PLAIN = ("our_plain", "sequential")
HEAVY = {
    "curvature": ("our_residual", "our_plain", "our_bottleneck", "short_resnet50"),
    "gradients": ("short_resnet50",),
    "shattering": ("our_plain", "short_resnet50"),
    "stitching": ("our_plain", "our_bottleneck", "short_resnet50"),
}
"""Left out, since what these probes run is slow to compile: others stand for them."""
PAIRS = [
    (name, network)
    for name in registered()
    for network in ("our_residual", "our_plain", "our_bottleneck", "two_joins", "sequential", *SHORT)
    if network not in HEAVY.get(name, ())
]


def needed(model, probe):
    known = {
        "images": images_for(model, 10), "labels": labels_for(10), "initial": model.get_weights(), "other": model,
        "train_images": images_for(model, 20), "train_labels": labels_for(20),
    }  # fmt: skip
    return {name: known[name] for name in probe.needs}


def state(model):
    """Return what a probe must leave as it is."""
    numbers = np.random.get_state()  # noqa: NPY002  that of a user's code
    return [variable.numpy().tobytes() for variable in model.variables], random.getstate(), numbers[1].tolist()


@pytest.mark.parametrize(("name", "network"), PAIRS)
def test_rows_are_tidy_and_nothing_is_left_behind(name, network, subjects):
    probe, net = registered()[name], subjects(network)
    model = net.model
    if network in PLAIN and name in NEEDS_A_JOIN:
        with pytest.raises(UserError, match=NEEDS_A_JOIN[name]):
            probe(net, **needed(model, probe), **QUICK.get(name, {}))
        return
    before = state(model)
    table = probe(net, **needed(model, probe), **QUICK.get(name, {}))
    assert state(model) == before
    assert list(table.columns[: len(COLUMNS)]) == list(COLUMNS)
    measured = {"weight_gradient_l2", "weight_gradient_rms", "activation_gradient_l2"}
    assert set(table["probe"]) == (measured if name == "gradients" else {name})
    assert table["value"].dtype == np.float64
    # Where a stem is linear, its gradient is the same for all inputs, and has no autocorrelation.
    assert table["value"].isna().sum() <= (name == "shattering")
    blocks = {block.block for block in net.blocks}
    assert set(table["block"]) <= {"", *blocks}


@pytest.fixture(scope="module")
def halved():
    """A network of float16."""
    with dtype_policy("mixed_float16"):
        return Subject(two_joins())


@pytest.mark.parametrize("name", registered())
def test_a_network_of_half_precision_is_measured_as_it_computes_or_in_float32(name, halved):
    """In float32 the rows are those of a network of float32, bit for bit; else within the rounding of float16."""
    probe = registered()[name]
    needs, options = needed(halved.model, probe), QUICK.get(name, {})
    half, full = (probe(net, **needs, **options) for net in (halved, halved.in_float32()))
    column = "loss" if "loss" in full else "value"
    rounding = 2e-3 * full[column].abs().max() if probe.half else 0.0
    assert half[column].to_numpy() == pytest.approx(full[column].to_numpy(), rel=0, abs=rounding, nan_ok=True)


@pytest.mark.parametrize("name", registered())
def test_a_probe_says_what_it_measures_needs_and_costs(name, networks):
    probe = registered()[name]
    assert probe.about.endswith(".")
    assert "images" in probe.needs
    assert probe.passes(Subject(networks("our_residual"))).forward > 0
    assert getattr(probes, name) is probe


def test_listing_the_probes_loads_no_tensorflow():
    code = "import sys; from resnet_core.probes.registry import probes; probes(); print('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.parametrize(
    ("given", "named", "message"),
    [
        ((), {}, "the probe 'lesion' needs `images`, a batch of images; give it"),
        ((1, 2, 3), {}, r"takes 2 arguments beside the model \(images, labels\), but got 3"),
        ((1, 2), {"taken": "skip"}, "an option of the probe 'lesion' must be one of taken_out, but got 'taken'"),
    ],
)
def test_what_is_missing_or_unknown(given, named, message, networks):
    with pytest.raises(UserError, match=message):
        probes.lesion(networks("two_joins"), *given, **named)


OF_A_WHOLE = ("curvature", "gradients", "landscape", "scores")


@pytest.mark.parametrize("name", registered())
def test_a_network_of_one_layer_has_rows_or_one_clear_error(name):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(10)])
    probe = registered()[name]
    needs, options = needed(model, probe), QUICK.get(name, {})
    if name in OF_A_WHOLE:
        assert len(probe(model, **needs, **options))
        return
    with pytest.raises(UserError, match="must have|must be indices|is needed"):
        probe(model, **needs, **options)


def test_a_probe_of_ones_own(networks):
    @register_probe("own", passes=lambda net: Passes(forward=1))
    def own(net, images, scale=1.0):
        """Mean of the last place."""
        yield {"layer": "", "block": "", "index": 0, "path": "main",
               "value": scale * float(np.mean(net.at_places(images)[-1]))}  # fmt: skip

    try:
        model = networks("two_joins")
        table = probes.own(model, images_for(model, 3), scale=2.0)
        assert (table["probe"][0], len(table)) == ("own", 1)
        with pytest.raises(UserError, match="there is a probe 'own' already"):
            register_probe("own", passes=lambda net: Passes())(lambda net, images: iter(()))
        with pytest.raises(UserError, match="`strength` of 'other' is not and has none"):
            register_probe("other", passes=lambda net: Passes())(lambda net, images, strength: iter(()))
    finally:
        registered().pop("own")
