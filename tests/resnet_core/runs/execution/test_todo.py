"""In which order runs are handed out: those that share what is compiled stay together."""

import math

import pytest

from resnet_core.nets.spec import cifar
from resnet_core.runs.execution.todo import Todo
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run, TrainSpec

NETS = [cifar(depth, 4, skip=skip) for depth in (8, 14) for skip in ("A", "B")]


@pytest.fixture
def todo(tmp_path, request):
    runs = [Run(net, TrainSpec(steps=1, form=request.param), seed=seed) for seed in (0, 1) for net in NETS]
    return Todo(runs, Store(tmp_path))


def taken(todo, last=None):
    run = todo.take(last)
    return run.net.depth, run.net.skip


@pytest.mark.parametrize("todo", ["open"], indirect=True)
def test_a_taker_keeps_to_a_kind_and_the_next_begins_another(todo):
    first, second = taken(todo), taken(todo)
    assert [first, second] == [(8, "A"), (8, "B")]
    assert [taken(todo, NETS[0]) for _ in range(3)] == [(8, "A"), (14, "A"), (14, "A")]
    assert [taken(todo, NETS[1]) for _ in range(3)] == [(8, "B"), (14, "B"), (14, "B")]


@pytest.mark.parametrize("todo", ["own"], indirect=True)
def test_of_networks_by_themselves_a_taker_keeps_to_one(todo):
    assert [taken(todo), taken(todo), taken(todo, NETS[0])] == [(8, "A"), (8, "B"), (8, "A")]
    assert [taken(todo, NETS[0]), taken(todo, NETS[1])] == [(14, "A"), (8, "B")]


def test_after_the_deadline_no_run_is_handed_out_and_none_is_waited_for(tmp_path):
    runs = [Run(net, TrainSpec(steps=1)) for net in NETS]
    assert Todo(runs, Store(tmp_path), deadline=math.inf).take() is not None
    over = Todo(runs, Store(tmp_path), deadline=0.0)
    assert over.take() is None
    assert over.left == 0
