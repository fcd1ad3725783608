import json
import os
import signal

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ablations.suites import suites

ONE = ["run", "depth", "--depth", "8", "--skip", "A"]  # a network, traced once
TINY = [*ONE, "--seeds", "2", "--set", "steps=12"]


def snapshot(folder):
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_list_has_a_line_a_study(called):
    done = called("resnet-ablate", "list")
    assert done.returncode == 0
    lines = [line.split()[0] for line in done.stdout.splitlines() if not line.startswith(" ")]  # less wrapped words
    assert lines[:-1] == ["study", *suites()]
    assert done.stdout.splitlines()[0].split() == ["study", "question", "source", "smoke", "laptop", "paper"]


def test_a_dry_run_lists_every_run_and_writes_nothing(called, tmp_path):
    done = called("resnet-ablate", "run", "depth", "--dry-run")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0][:8] == ["data:", "1293", "training,", "144", "validation,", "360", "test", "images,"]
    runs = lines[2:32]
    assert [line[0] for line in runs] == ["8"] * 10 + ["20"] * 10 + ["56"] * 10
    assert runs[20][:6] == ["56", "none", "8", "0", "214,402", "1.96"]
    assert lines[32][:2] == ["30", "runs"]
    assert lines[32][-3:] == ["30", "to", "run"]
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_knows_what_is_recorded(called, tiny_study):
    words = ["run", "depth", "--depth", "8", "14", "20", "--seeds", "2", "--set", "steps=30", "--dry-run", "--out"]
    done = called("resnet-ablate", *words, tiny_study.parent)
    recorded = [line.rstrip().endswith("recorded") for line in done.stdout.splitlines()]
    assert recorded[:15] == [False] * 2 + [True] * 8 + [False] * 5
    assert all(line.startswith("not of equal cost: ") for line in done.stdout.splitlines()[15:])


def test_a_second_call_repeats_nothing_and_widening_runs_the_rest(program, called, tmp_path):
    assert program("resnet-ablate", *TINY).returncode == 0
    study = tmp_path / "results" / "local" / "depth"
    first = snapshot(study)
    again = called("resnet-ablate", *TINY)
    assert "2 of 2 runs recorded (2 completed)" in again.stdout
    assert snapshot(study) == first
    words = [word.replace("2", "4") if word == "2" else word for word in TINY]
    wider = called("resnet-ablate", *words)
    assert "4 of 4 runs recorded (4 completed)" in wider.stdout
    runs = {path: kept for path, kept in first.items() if path.name != "study.json"}
    assert snapshot(study).items() >= runs.items()
    plan = json.loads((study / "study.json").read_text())
    assert len(plan["runs"]) == 4
    assert len(plan["commands"]) == 2


def test_when_the_hours_are_over_the_same_command_runs_the_rest(called, tmp_path):
    words = [*TINY, "--set", "probe.each_epoch=false", "--learning-rates", "0.1", "0.03", "--trial-seeds", "1"]
    over = called("resnet-ablate", *words, "--hours", "1e-9")
    assert over.returncode == 0
    assert "the 1e-09 hours are over, and 2 of 2 runs of" in over.stdout
    assert not (tmp_path / "results" / "local" / "depth" / "study.json").exists()  # its rates are not chosen
    done = called("resnet-ablate", *words, "--hours", "1")
    assert "2 of 2 runs recorded (2 completed)" in done.stdout
    assert "hours are over" not in done.stdout


def test_of_all_studies_those_are_planned_that_fit_into_the_hours(called):
    words = ["run", "--all", "--dry-run", "--hours"]
    some = called("resnet-ablate", *words, "0.1")
    rows = [line.split() for line in some.stdout.splitlines()]
    assert sorted(row[0] for row in rows[1:-1]) == sorted(suites())
    left_out = [row for row in rows if row[-3:] == ["does", "not", "fit"]]
    assert rows[-1][:4] == [str(len(suites()) - len(left_out)), "of", str(len(suites())), "studies"]
    assert 0 < len(left_out) < len(suites())
    assert "fit" not in called("resnet-ablate", *words, "8").stdout


def test_after_an_interrupt_the_same_command_runs_the_rest(called, started, tmp_path):
    words = ["run", "depth", "--depth", "8", "--seeds", "3", "--set", "steps=60"]  # the second network takes a while
    running, stdout, stderr = started("resnet-ablate", *words)
    with stdout:
        assert stdout.readline().startswith("data: ")
        line = stdout.readline()
        running.send_signal(signal.SIGINT)
        stdout.read()
    running.wait()
    stderr = stderr.read_text()
    assert line.startswith("[1/6]")
    assert running.returncode == 130
    assert "interrupted; " in stderr
    assert "Traceback" not in stderr
    study = tmp_path / "results" / "local" / "depth"
    first = {path: kept for path, kept in snapshot(study).items() if path.name != "study.json"}
    recorded = {path for path in first if path.parent.name == "runs"}
    assert 1 <= len(recorded) < 6
    assert {path.suffix for path in recorded} == {".json"}
    done = called("resnet-ablate", *words)
    assert f"[1/{6 - len(recorded)}]" in done.stdout
    assert "6 of 6 runs recorded (6 completed)" in done.stdout
    last = snapshot(study)
    assert all(last[path] == first[path] for path in recorded)
    assert {path.parent.name for path in last} == {"depth", "runs"}
    assert not list(study.glob("**/.*"))


def test_a_reader_who_leaves_does_not_end_the_study(started, tmp_path):
    running, stdout, stderr = started("resnet-ablate", *ONE, "--seeds", "4", "--set", "steps=3")
    with stdout:
        stdout.readline()
    assert running.wait() == 0
    assert stderr.read_text() == ""
    assert len(list(tmp_path.glob("results/local/depth/runs/*.json"))) == 4


def test_levels_given_twice_are_all_taken(called):
    done = called("resnet-ablate", "run", "depth", "--depth", "8", "--depth", "14", "--dry-run")
    rows = [line.split() for line in done.stdout.splitlines()[2:] if line.startswith("  ")]
    assert {row[0] for row in rows} == {"8", "14"}


def test_a_recipe_replaces_the_training_and_not_the_data(called, tmp_path):
    done = called("resnet-ablate", *TINY, "--recipe", "wrn", "--set", "batch_size=64", "--train-size", "700")
    assert done.returncode == 0
    records = [json.loads(path.read_text()) for path in tmp_path.glob("results/local/depth/runs/*.json")]
    names = ("data", "train_size", "steps", "epochs", "batch_size", "weight_decay", "nesterov", "drop_factor")
    expected = ["digits", 700, 12, None, 64, 5e-4, True, 0.2]
    assert [[record["run"]["train"][name] for name in names] for record in records] == [expected, expected]


def test_the_number_of_threads_of_a_study_does_not_depend_on_what_is_missing(program, tmp_path):
    wide = [*ONE, "--seeds", "1", "--set", "steps=2", "--train-size", "200"]
    assert program("resnet-ablate", *wide, "--width", "8").returncode == 0
    assert program("resnet-ablate", *wide, "--width", "8", "64").returncode == 0
    records = [json.loads(path.read_text()) for path in tmp_path.glob("results/local/depth/runs/*.json")]
    assert len(records) == 2
    assert {record["environment"]["threads"] for record in records} == {1}


def test_a_run_that_diverges_is_an_outcome(called, tmp_path):
    done = called("resnet-ablate", *TINY, "--set", "learning_rate=1e30")
    assert done.returncode == 0
    assert "2 of 2 runs recorded (2 diverged)" in done.stdout


def test_a_study_is_followed_in_tensorboard(called, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

    done = called("resnet-ablate", *TINY[:-1], "steps=25", "--log", "tensorboard", "--log", "tensorboard")
    assert (done.returncode, done.stderr) == (0, "")
    study = tmp_path / "results" / "local" / "depth"
    events = EventMultiplexer().AddRunsFromDirectory(str(study / "logs" / "tensorboard"))
    events.Reload()
    assert set(events.Runs()) == {f"depth=8,skip=A,width=8,seed={seed}" for seed in (0, 1)}
    records = [json.loads(path.read_text()) for path in study.glob("runs/*.json")]
    assert len(records) == 2
    for record in records:
        epochs = pd.DataFrame(record["epochs"])
        name = f"depth=8,skip=A,width=8,seed={record['run']['seed']}"
        assert [at.step for at in events.Tensors(name, "val_loss")] == epochs["step"].tolist()
        (accuracy,) = events.Tensors(name, "results/test_accuracy")
        assert accuracy.tensor_proto.float_val[0] == np.float32(record["results"]["test_accuracy"])


def test_a_logger_that_fails_does_not_end_the_study(called, tmp_path):
    pytest.importorskip("tensorboard")
    study = tmp_path / "results" / "local" / "depth"
    study.mkdir(parents=True)
    (study / "logs").touch()  # where a folder is to be
    done = called("resnet-ablate", *TINY, "--log", "tensorboard")
    assert done.returncode == 0
    assert done.stderr.startswith(
        "warning: tensorboard failed, and the study continues without it: NotADirectoryError: "
    )
    assert done.stderr.count("\n") == 1
    assert "2 of 2 runs recorded (2 completed)" in done.stdout


@pytest.fixture
def started(programs, tmp_path):
    """Start a program; return it with its standard output, a pipe, and the file of its standard error."""

    def start(*words):
        output, errors = tmp_path / "output", tmp_path / "errors"
        os.mkfifo(output)
        errors.touch()
        running = programs.start(*words, cwd=tmp_path, stdout=output, stderr=errors)
        return running, output.open(), errors

    return start


@pytest.fixture
def bad(tmp_path):
    """A folder of data sets with one mistake each."""
    rng = np.random.default_rng(0)

    def image(*names):
        path = tmp_path.joinpath("bad", *names)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(path)
        return path

    image("one", "ant", "0.png")
    (tmp_path / "bad" / "none").mkdir()
    image("corrupt", "ant", "0.png")
    image("corrupt", "bee", "1.png").write_bytes(b"not an image")
    whole = {
        "x_train": np.zeros((9, 6, 6), np.uint8),
        "y_train": np.arange(9) % 3,
        "x_test": np.zeros((3, 6, 6), np.uint8),
    }
    np.savez(tmp_path / "bad" / "lacking.npz", **whole)
    np.savez(tmp_path / "bad" / "short.npz", **whole, y_test=np.arange(2))
    return tmp_path


MISTAKES = {
    "depth": ("run depth --depth 21", "take 20 or 26"),
    "suite": ("run dept", "unknown study 'dept'; did you mean 'depth'?"),
    "command": ("rn depth", "unknown command 'rn'; did you mean 'run'?"),
    "scale": ("run depth --scale smok", "unknown scale 'smok'; did you mean 'smoke'?"),
    "factor": ("run depth --dept 20", "no option '--dept'; did you mean '--depth'?"),
    "level": ("run depth --skip Non", "but got 'Non'; did you mean 'none'?"),
    "not a number": ("run depth --depth deep", "`depth` must be a valid integer"),
    "no level": ("run depth --depth", "expected at least one argument"),
    "extra": ("run depth now", "takes no further argument, but got 'now'"),
    "seeds": ("run depth --seeds 0", "--seeds must be a whole number from 1 to 9999, but got '0'"),
    "field": ("run depth --set stps=3", "--set knows no field 'stps'; did you mean 'steps'?"),
    "kind of field": ("run depth --set nett.init=glorot", "did you mean 'net.init'?"),
    "field of data": ("run depth --set classes=3", "--set knows no field 'classes'"),
    "value": ("run depth --set init=gloro", "did you mean 'glorot'?"),
    "no value": ("run depth --set steps", "--set takes FIELD=VALUE, but got 'steps'"),
    "set a factor": ("run depth --set skip=A", "take --skip A"),
    "set a factor by its kind": ("run depth --set net.skip=A", "take --skip A"),
    "set what factors decide": ("run depth --set depths=1,1,1", "`depths` is decided by depth, skip, width"),
    "set twice": ("run depth --set steps=3 --set train.steps=4", "`steps` is set again"),
    "no effect": ("run depth --set warmup_steps=3", "`warmup_steps`=3 is overridden in every run"),
    "one run twice": ("run depth --set init_seed=0 --set data_seed=0", "every run must differ"),
    "logger": ("run depth --log tensorbord", "unknown --log 'tensorbord'; did you mean 'tensorboard'?"),
    "batch": ("run depth --set batch_size=9999", "`batch_size` must be at most"),
    "probed batch": ("run depth --set probe.batch_size=9999", "`probe.batch_size` must be at most"),
    "hours": ("run --all --hours 0", "--hours must be a number above 0, but got '0'"),
    "dry run": ("run depth --dry-run --train-size 9999", "1437, but got 9999"),
    "empty": ("run depth --out=", "it must name a folder"),
    "no seeds": ("run depth --seeds=", "--seeds must be"),
    "too deep": ("run depth --depth 600000002 --dry-run", "must be 10000 blocks at most"),
    "too long": (f"run depth --data {'x' * 5000}", "error: "),
    "recipe": ("run depth --recipe wnr", "a recipe must be known, but got 'wnr'; did you mean 'wrn'?"),
    "contradiction": ("run depth --set drop_factor=0.2", "`drop_factor` is read with learning_rate_drops only"),
    "budget": ("run depth --set steps=3 --set epochs=3", "exactly one of `steps` and `epochs`"),
    "image size": ("run depth --image-size 0", "`image_size` must be greater than or equal to 1, but got '0'"),
    "train size": ("run depth --train-size 9999", "at most the number of training images, 1437, but got 9999"),
    "data": ("run depth --data digit", "'digit' does not exist; did you mean 'digits'?"),
    "one class": ("run depth --data bad/one", "two classes or more"),
    "no class": ("run depth --data bad/none", "bad/none has none"),
    "corrupt image": ("run depth --data bad/corrupt", "bee/1.png cannot be identified"),
    "no y_test": ("run depth --data bad/lacking.npz", "no `y_test`"),
    "lengths": ("run depth --data bad/short.npz", "3 images and 2 classes"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2_and_writes_nothing(mistake, called, bad):
    words, message = MISTAKES[mistake]
    before = snapshot(bad)
    done = called("resnet-ablate", *words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert snapshot(bad) == before


def test_a_read_only_output_folder_is_refused(called, tmp_path):
    out = tmp_path / "out"
    out.mkdir(mode=0o555)
    done = called("resnet-ablate", *TINY, "--out", out)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"must be writable, but {out} is read-only" in done.stderr
    assert list(out.iterdir()) == []


def test_another_base_in_the_same_folder_is_refused(called, tiny_study):
    before = snapshot(tiny_study)
    done = called("resnet-ablate", *TINY, "--out", tiny_study.parent)
    assert done.returncode == 2
    assert "train.steps=30, not 12; choose another --out" in done.stderr
    assert snapshot(tiny_study) == before


@pytest.mark.skipif(os.name != "posix", reason="a pseudo-terminal is POSIX")
def test_a_terminal_shows_bars_with_epoch_loss_and_eta(programs, tmp_path, monkeypatch):
    import pty

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    parent, child = pty.openpty()
    terminal = os.ttyname(child)
    words = [*ONE, "--seeds", "4", "--set", "steps=60"]
    running = programs.start("resnet-ablate", *words, cwd=tmp_path, stdout=terminal, stderr=terminal)
    shown = os.read(parent, 65536)
    os.close(child)
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:  # the child has closed its end
            break
        if not part:
            break
        shown += part
    text = shown.decode()
    assert running.wait() == 0
    assert "0/4" in text
    assert "4/4" in text
    assert "epoch 1" in text
    assert "loss " in text
    assert "ETA " in text
