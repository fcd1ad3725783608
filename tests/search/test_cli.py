import numpy as np
import pytest
from PIL import Image

from resnet_core.errors import UserError
from search import cli
from search.objectives import objectives
from search.oracles import ORACLES

FAST = ["--set", "train_size=200", "--set", "batch_size=16", "--epochs", "1", "--confirm", "0", "--executor", "serial"]
ONE = ["--fix", "skip=A", "--fix", "order=original", "--fix", "blocks=1", "--fix", "width=4"]  # a network, traced once


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """Give the program arguments that it must refuse; return what it says. Nothing may be written."""
    monkeypatch.chdir(tmp_path)

    def refuse(*arguments: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(UserError) as error:
            cli._main(list(map(str, arguments)))
        assert sorted(tmp_path.rglob("*")) == before
        message = str(error.value)
        assert "\n" not in message
        return message

    return refuse


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--oracle", "gpp"], "--oracle must be known, but got 'gpp'; did you mean 'gp'?"),
        (["--objective", "accuracy"], "--objective must be known, but got 'accuracy'; did you mean 'val_accuracy'?"),
        (["--objective", "test_accuracy"], "--objective must be known"),
        (["--objective", "f1_micro"], "--objective must be known, but got 'f1_micro'; did you mean 'f1_macro'?"),
        (["--objective", "macs"], "--objective must have a measure of what was learned, but got 'macs'"),
        (["--objective", "macs,macs"], "--objective must name each once"),
        (["--objective", "val_loss,macs", "--oracle", "asha"], "several objectives need an oracle that trades them"),
        (["--space", "huge"], "--space must be a known space or a Python file, but got 'huge'"),
        (["--space", "mine.py"], "a space must be a readable Python file"),
        (["--fix", "skp=none"], "--fix takes a hyperparameter of the space, but got 'skp'; did you mean 'skip'?"),
        (["--fix", "skip=Z"], "`skip` must be of its range, none, A, B, C, but got 'Z'"),
        (["--trials", "0"], "--trials must be a whole number above 0, but got '0'"),
        (["--trials", "2.5"], "--trials must be a whole number above 0, but got '2.5'"),
        (["--epochs", "0"], "`epochs` must be greater than 0, but got '0'"),
        (["--hours", "-1"], "--hours must be a number above 0, but got '-1'"),
        (["--total-epochs", "x"], "--total-epochs must be a whole number above 0, but got 'x'"),
        (["--max-params", "300q"], "--max-params must be a number such as 300000, 300k or 1.5M, but got '300q'"),
        (["--max-params", "100"], "a network of the space must be within the limits, parameters <= 100, but the small"),
        (["--max-macs", "1k"], "a network of the space must be within the limits, macs <= 1000, but the smallest"),
        (["--max-memory", "1e-6"], "within the limits, memory <= 1e-06"),
        (["--seed", "-1"], "--seed must be a whole number from 0 on, but got '-1'"),
        (["--name", "../x"], "--name must be of letters, digits, dots and dashes, but got '../x'"),
        (["--name", ".."], "--name must be of letters"),
        (["--confirm", "-1"], "--confirm must be a whole number from 0 on, but got '-1'"),
        (["--confirm-seeds", "0"], "--confirm-seeds must be a whole number above 0, but got '0'"),
        (
            ["--set", "skip=none"],
            "a field that the space decides cannot be set, but `skip` is decided by 'cifar-small'",
        ),
        (["--set", "nrm=none"], "--set knows no field 'nrm'; did you mean 'norm'?"),
        (["--set", "test=True"], "--set knows no field 'test'"),
        (["--set", "validation_fraction=0"], "a search chooses by validation images, but validation_fraction is 0"),
        (["--oracle", "asha", "--set", "steps=100"], "--oracle asha counts in epochs, but the training has steps=100"),
        (["--total-epochs", "9", "--set", "steps=100"], "--total-epochs counts in epochs, but the training has steps"),
        (["--oracle", "hyperband", "--set", "schedule=cosine"], "a learning rate that does not depend on their length"),
        (
            ["--oracle", "asha", "--start", "resnet20-cifar-A"],
            "--start needs an oracle that trains every trial in full",
        ),
        (["--set", "warmup_steps=20", "--epochs", "1"], "which has 17 updates, but got 20; set warmup_steps"),
        (["--set", "warmup_steps=20", "--epochs", "1", "--dry-run"], "which has 17 updates, but got 20"),
        (["--oracle", "asha", "--set", "warmup_steps=20", "--epochs", "9"], "which has 17 updates, but got 20"),
        (["--set", "batch_size=4000", "--dry-run"], "`batch_size` must be at most the number of training images"),
        (["--start", "resnet21-cifar-A"], "6n + 2"),
        (["--start", "nothing"], "`name` must be that of a published network, but got 'nothing'"),
        (["--data", "nothing"], "a data set must be a known name, an .npz file, a folder of images"),
        (["--executor", "threads"], "--executor must be serial or processes or ray, but got 'threads'"),
        (["--recipe", "he2016"], "a recipe must be known, but got 'he2016'; did you mean 'he2015'?"),
        (["--plugin", "missing.py"], "a plugin must be a readable Python file"),
        (["--trails", "3"], "resnet-search run has no option '--trails'; did you mean '--trials'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_bad_command_line_is_one_line_and_nothing_is_written(arguments, message, refused):
    assert message in refused("run", *arguments)


def test_folders_that_are_none_of_ours(refused, tmp_path):
    (tmp_path / "foreign" / "search").mkdir(parents=True)
    (tmp_path / "foreign" / "search" / "study.json").write_text("{}")
    assert "the study.json that this program wrote" in refused("run", "--out", "foreign")
    assert "the study.json that this program wrote" in refused("trials", "foreign/search")
    assert "SEARCH must be the folder of a search" in refused("trials", "foreign")
    (tmp_path / "locked").mkdir(mode=0o555)
    assert "the output folder must be writable, but" in refused("run", "--out", "locked")


@pytest.mark.parametrize("classes", [0, 1])
def test_images_of_fewer_than_two_classes(classes, refused, tmp_path):
    for name in "ab"[:classes]:
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(4):
            Image.fromarray(np.full((8, 8), i, np.uint8)).save(tmp_path / "images" / name / f"{i}.png")
    (tmp_path / "images").mkdir(exist_ok=True)
    assert "class" in refused("run", "--data", "images")


def test_the_program_searches_lists_and_goes_on(called):
    first = called("resnet-search", "run", "--space", "tiny", *ONE, "--trials", "2", *FAST)
    assert first.returncode == 0, first.stderr
    assert "[2/2] val_accuracy" in first.stdout
    assert first.stderr == ""
    second = called("resnet-search", "run", "--space", "tiny", *ONE, "--trials", "3", *FAST)
    assert "[3/3] val_accuracy" in second.stdout
    assert "[2/3]" not in second.stdout
    listed = called("resnet-search", "trials", "results/local/search")
    assert listed.stdout.count("completed") == 3
    refused = called("resnet-search", "run", "--space", "cifar-small", *FAST)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "space=tiny, not cifar-small" in refused.stderr
    shown = called("resnet-report", "results/local/search")
    assert shown.returncode == 0, shown.stderr


def test_a_dry_run_says_what_networks_cost_and_writes_nothing(called, tmp_path):
    done = called("resnet-search", "run", "--space", "tiny", "--max-params", "30k", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "smallest: 4,934 parameters" in done.stdout
    assert "60 trials of the oracle gp" in done.stdout
    assert "3 best and their twins with 3 fresh seeds each: 18 trainings, about " in done.stdout
    assert not list(tmp_path.iterdir())


def test_everything_that_is_listed_can_be_asked_for(called):
    listed = called("resnet-search", "list").stdout
    assert all(f" {name} " in listed or f"\n{name} " in listed for name in (*ORACLES, "tiny", "cifar-small", "full"))


def test_objectives_have_directions():
    assert [row.text for row in objectives("val_accuracy, macs")] == ["val_accuracy (max)", "macs (min)"]
    assert objectives("balanced_accuracy,f1_macro") == objectives("val_balanced_accuracy, val_f1_macro")
