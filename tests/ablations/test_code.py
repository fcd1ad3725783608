"""A study whose block is edited: what stays, what is run anew."""

import json
import re
import shutil
from pathlib import Path

import pytest

from ablations import cli
from resnet_core.errors import UserError
from resnet_core.nets import blocks
from resnet_core.nets.cost import cost
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run, TrainSpec

STUDY = '''
"""A question."""
from typing import Literal

import branches
from ablations import Scale, Study, grid, mean
from resnet_core import NetSpec, ProbeSpec, TrainSpec


def net(block: Literal["basic", "plain_one", "broken_one"]):
    return NetSpec(depths=(1,), widths=(4,), block=block)


train = TrainSpec(data="digits", train_size=40, steps=1, batch_size=8)
scale = Scale(grid(block=("basic", "plain_one", "broken_one")), train, 1)
study = Study("mine", "A question?", net, {"smoke": scale}, probe=ProbeSpec(batch_size=8))
'''
BRANCHES = """
import keras
import tensorflow as tf
from resnet_core import register_block


class Scaled(keras.layers.Layer):
    def call(self, x):
        BODY

    def compute_output_shape(self, shape):
        return shape


@register_block("plain_one", kernels=(3,))
def plain_one(at, x, width, strides):
    return at.conv(x, width, 3, strides, name="conv1")


@register_block("broken_one", kernels=(3,))
def broken_one(at, x, width, strides):
    x = at.layer(x, lambda name: Scaled(name=name), name="scaled")
    return at.conv(x, width, 3, strides, name="conv1")
"""
RAISES = "tf.raw_ops.Assert(condition=tf.reduce_sum(x) > 1e9, data=['broken'])\n        return x * 2"
BROKEN, MENDED = BRANCHES.replace("BODY", RAISES), BRANCHES.replace("BODY", "return x * 2")


@pytest.fixture
def registry(monkeypatch):
    """Blocks that are registered in a test are registered in it alone."""
    monkeypatch.setattr(blocks, "BLOCKS", blocks.BLOCKS)
    before = {**blocks.BLOCKS}
    yield blocks.BLOCKS
    blocks.BLOCKS.clear()
    blocks.BLOCKS.update(before)


def call(*words):
    """Run the program in this process; return its exit code."""
    try:
        cli._main([*map(str, words)])
    except SystemExit as end:
        return end.code
    return 0


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """A folder with a study of which the runs of one block have crashed."""
    folder = tmp_path_factory.mktemp("failed")
    (folder / "mine.py").write_text(STUDY)
    (folder / "branches.py").write_text(BROKEN)
    before = {**blocks.BLOCKS}
    assert call("run", folder / "mine.py", "--out", folder / "out", "--executor", "serial") == 1
    blocks.BLOCKS.clear()
    blocks.BLOCKS.update(before)
    return folder


@pytest.fixture
def study(failed, registry, tmp_path, monkeypatch):
    shutil.copytree(failed, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Store(tmp_path / "out" / "mine")


def statuses(store):
    return sorted(f"{record.run.net.block} {record.outcome.status}" for record in store.records())


def files(store):
    return {path.name: path.stat().st_mtime_ns for path in store.root.glob("runs/*.json")}


RUN = ["run", "mine.py", "--out", "out", "--executor", "serial"]
DONE = ["basic completed", "broken_one completed", "plain_one completed"]


def test_of_stock_blocks_there_is_no_code(study):
    codes = {run.block: run.code for run in study.plan().runs}
    assert codes.keys() == {"", "plain_one", "broken_one"}
    assert codes[""] == ""
    assert len({*codes.values()}) == 3
    stored = json.loads((study.root / "study.json").read_text())
    assert [run.keys() for run in stored["runs"] if run["factors"]["block"] == "basic"] == [{"id", "seed", "factors"}]


@pytest.mark.parametrize("words", [RUN, ["retry", "out/mine", "--plugin", "branches.py", "--executor", "serial"]])
def test_a_failed_run_whose_code_was_mended_is_replaced_and_good_ones_stay(words, study):
    before = files(study)
    Path("branches.py").write_text(MENDED)
    assert call(*words) == 0
    assert statuses(study) == DONE
    assert len(study.plan().runs) == 3
    after = files(study)
    assert len(before.items() & after.items()) == 2
    assert [path.name for path in study.root.glob("removed/*.json")] == [*before.keys() - after.keys()]
    assert call(*RUN) == 0
    assert files(study) == after


EDITS = {
    "a comment": ("branches.py", "import keras", "# a comment\nimport keras"),
    "a third block": ("branches.py", '@register_block("plain', '@register_block("third")\n@register_block("plain'),
    "a claim": ("mine.py", "train, 1)", 'train, 1, claims={"so": mean("test_error", block="basic") < 1})'),
    "a question": ("mine.py", "A question?", "Another?"),
    "an import": ("mine.py", "import branches", "import math, branches"),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_what_no_run_executes_changes_no_id(edit, study, capsys):
    file, old, new = EDITS[edit]
    text = Path(file).read_text()
    assert old in text
    Path(file).write_text(text.replace(old, new))
    before = files(study)
    assert call(*RUN) == 1
    assert files(study) == before
    assert not (study.root / "removed").exists()


def test_an_arm_of_an_older_code_that_is_not_asked_for_is_named(study):
    Path("branches.py").write_text(MENDED)
    Path("mine.py").write_text(STUDY.replace("train, 1)", "train, 2)"))
    call(*RUN)
    Path("branches.py").write_text(MENDED.replace("* 2", "* 3"))
    before = files(study)
    with pytest.raises(UserError, match=r"'broken_one' has changed since \(block=broken_one seed=1\) was planned"):
        call(*RUN, "--seeds", "1")
    assert files(study) == before


def test_what_was_set_aside_is_taken_back_with_its_code(study):
    Path("branches.py").write_text(MENDED)
    call(*RUN)
    mended = files(study)
    Path("branches.py").write_text(MENDED.replace("* 2", "* 3"))
    call(*RUN)
    assert len(files(study).items() & mended.items()) == 2
    Path("branches.py").write_text(MENDED)
    call(*RUN)
    assert files(study) == mended


def test_a_study_of_an_earlier_version_is_refused_in_a_line(study):
    path = study.root / "study.json"
    text = path.read_text().replace('"code": "",', '"code": "0123456789abcdef",', 1)
    path.write_text(re.sub(r'"sha256":".*",', "", text, count=1))  # which it did not have
    for words in (RUN, [*RUN, "--dry-run"], ["retry", "out/mine", "--plugin", "branches.py"]):
        with pytest.raises(UserError, match="made by an earlier version, .*; choose another --out"):
            call(*words)


def test_retry_names_the_block_that_it_does_not_know(study):
    with pytest.raises(UserError, match=r"\(block=broken_one seed=0\) .*name its file by --plugin"):
        call("retry", "out/mine")


def test_a_block_that_is_registered_anew_changes_the_id_and_the_cost(registry):
    def define(size):
        @blocks.register_block("again", kernels=(3,))
        def again(at, x, width, strides):
            return at.conv(x, width, size, strides, name="conv1")

    define(3)
    net = NetSpec(depths=(1,), widths=(4,), block="again")
    first, weights = Run(net, TrainSpec(steps=1)), cost(net).trainable
    define(1)
    second = Run(net, TrainSpec(steps=1))
    assert first.id != second.id
    assert cost(net).trainable < weights
    define(3)
    assert Run(net, TrainSpec(steps=1)).id == first.id


def test_the_steps_of_two_registrations_are_not_shared(registry):
    from resnet_core.runs.execution.job import dataset
    from resnet_core.runs.training.train import train_run

    train = TrainSpec(data="digits", train_size=40, steps=1, batch_size=8)
    runs, results = [], []
    for offset in (0.0, 3.0):

        @blocks.register_block("offset", kernels=(3,))
        def again(at, x, width, strides, offset=offset):
            return at.linear(at.conv(x, width, 3, strides, name="conv1"), 1.0, offset, name="move")

        net = NetSpec(depths=(1,), widths=(4,), block="offset", norm="none", input_shape=(8, 8, 1))
        run = Run(net, train, ProbeSpec(batch_size=8))
        runs.append(run)
        results.append(train_run(run, dataset(train)).results["train_loss"])
    assert results[0] != results[1]
    with pytest.raises(UserError, match="the code of the block 'offset' must be what it was"):
        train_run(runs[0], dataset(train))


def test_a_class_may_be_registered_again_and_a_stock_block_may_not(registry):
    for _ in range(2):

        @blocks.register_block("called", kernels=(3,))
        class Branch:
            def __call__(self, at, x, width, strides):
                return at.conv(x, width, 3, strides, name="conv1")

    with pytest.raises(UserError, match="there is a block 'basic' already"):

        @blocks.register_block("basic")
        def basic(at, x, width, strides):
            return x
