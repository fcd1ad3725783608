"""Kept networks: what is said of one that is missing or damaged."""

import pytest

from resnet_core.errors import UserError
from resnet_core.nets.keras_net import build
from resnet_core.nets.spec import cifar
from resnet_core.runs.records import networks
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run, TrainSpec


def run(width=4):
    return Run(cifar(8, width=width, input_shape=(8, 8, 1)), TrainSpec(steps=1))


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    store.write(Record(run(), Outcome("completed", 1), network={}))
    networks.write(tmp_path, run().id, build(run().net).get_weights())
    return store


def test_the_size_of_a_file_is_known_before_it_is_written(store):
    assert networks.bytes_of(run()) == sum(weights.nbytes for weights in networks.weights_of(store.root, run()))


def cut(path):
    path.write_bytes(path.read_bytes()[:1000])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def of_another(path):
    path.write_bytes(networks.encoded(build(run(8).net).get_weights()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut, "a kept network must be whole, but .* is not: File is not a zip file; remove it, and train the run"),
        (flip, "a kept network must be whole, but .* is not: Bad CRC-32"),
        (of_another, "a kept network must be whole, but .* is not: its weights are of another network"),
        (lambda path: path.unlink(), "must have been kept, but .* is not there; run the study with --keep-networks"),
    ],
)
def test_one_that_is_missing_or_damaged_is_one_line(change, message, store):
    assert len(store.network(run().id).weights) > 1
    change(networks.place_of(store.root, run().id))
    with pytest.raises(UserError, match=message) as caught:
        store.network(run().id)
    assert "\n" not in str(caught.value)


def test_a_run_that_is_not_recorded_has_none(store):
    with pytest.raises(UserError, match="a run must be recorded, but 'abc' is not in"):
        store.network("abc")


def test_compaction_leaves_networks(store):
    store.compact()
    assert len(store.network(run().id).weights) > 1
