"""Studies that are run from Python."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ablations
from ablations import Scale, Study, grid, mean
from resnet_core import TrainSpec, cifar, cost
from resnet_core.errors import UserError
from resnet_core.runs.execution.options import Execution
from resnet_core.runs.records.store import Store


def net(depth: int, skip: str, width: int = 2):
    return cifar(depth, width=width, skip=skip, input_shape=(8, 8, 1))


CLAIM = mean("test_error", depth=8, skip="none") > mean("test_error", depth=8, skip="A")
STUDY = Study(
    "mine",
    "Does the skip help?",
    net,
    {
        "smoke": Scale(
            grid(depth=[8, 14], skip=["none", "A"]),
            TrainSpec(steps=2, batch_size=32, train_size=200),
            seeds=2,
            claims={"it does": CLAIM},
        )
    },
)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A study that was run in this process, without output, with its networks kept."""
    return ablations.run(STUDY, depth=8, out=tmp_path_factory.mktemp("out"), progress=False, keep_networks=True)


def test_a_study_is_run_and_its_results_are_returned(ran):
    assert ran.runs()["status"].value_counts().sum() == 4
    assert ran.table("train_loss").index.names == ["depth", "skip"]
    assert ran.verdicts()["claim"].tolist() == ["it does"]
    assert ran.warnings == ()
    assert "ablations.run('mine', depth=8)" in Store(ran.folder).plan().commands


def test_a_kept_network_has_what_the_run_has_reached(ran):
    model = ran.network(skip="A", seed=1)
    assert model.output_shape == (None, 10)
    assert model.count_params() == cost(net(8, "A")).trainable + cost(net(8, "A")).bn_running_stats


def test_a_kept_network_is_exported(ran, tmp_path, capsys):
    exports = ran.export(tmp_path / "best", seed=1, formats=["keras"], calls=0, skip="A")
    assert capsys.readouterr().err == ""
    (row,) = exports.rows
    run = ran.runs().query("seed == 1 and skip == 'A'").iloc[0]
    assert row.accuracy == pytest.approx(run["test_accuracy"], abs=1e-6)
    assert row.equal_predictions == 1
    with pytest.raises(UserError, match="a network must be of one run, but 2 have seed 1"):
        ran.export(tmp_path / "other", seed=1, formats=["keras"])
    assert not (tmp_path / "other").exists()


def test_more_levels_run_what_is_new_alone(ran, capsys):
    before = set(ran.runs()["run"])
    after = ablations.run(STUDY, out=ran.folder.parent, progress=False, seeds=1, depth=[8, 14], skip=("none",))
    assert len(after.runs()) == len(before) + 1
    assert capsys.readouterr() == ("", "")


def test_the_command_and_the_call_make_the_same_runs(program, tmp_path):
    words = ["--depth", "8", "--skip", "A", "--set", "steps=2", "--set", "batch_size=32", "--train-size", "200"]
    called = ablations.run("depth", seeds=1, depth=8, skip="A", steps=2, batch_size=32, train_size=200,
                           out=tmp_path / "called", progress=False)  # fmt: skip
    done = program("resnet-ablate", "run", "depth", *words, "--seeds", "1", "--out", "commanded")
    assert done.returncode == 0, done.stderr
    results = [{record.run.id: record.results for record in Store(root).records()}
               for root in (called.folder, tmp_path / "commanded" / "depth")]  # fmt: skip
    assert results[0] == results[1]


def test_levels_and_rates_are_taken_from_arrays(tmp_path):
    results = ablations.run(
        STUDY, out=tmp_path, depth=np.array([8]), skip="A", seeds=np.int64(1), steps=0, workers=1, progress=False,
        learning_rates=np.array([0.125, 0.0625], "float32"), trial_seeds=1,
    )  # fmt: skip
    plan = json.loads((results.folder / "study.json").read_text())
    assert (plan["runs"][0]["factors"]["depth"], plan["base"]["train.learning_rate"]) == (8, [0.125, 0.0625])


def test_progress_is_lines_where_there_is_no_terminal(tmp_path, capsys):
    ablations.run(STUDY, depth=8, skip="A", seeds=1, out=tmp_path)
    printed = capsys.readouterr().out
    assert "data: 180 training, 20 validation" in printed
    assert "[1/1] depth=8 skip=A seed=0: " in printed
    assert "1 of 1 runs recorded" in printed


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"study": "depht"},
            "a study must be known, or a Python file of yours, but got 'depht'; did you mean 'depth'?",
        ),
        ({"study": Path("nowhere.py")}, "there is no nowhere.py"),
        ({"scale": "huge"}, "unknown scale 'huge'"),
        (
            {"probe": ["lesion"]},
            "`probe` must be a mapping of fields of ProbeSpec, as {'batch_size': 64}, but got [",
        ),
        ({"seeds": 0}, "`seeds` must be a whole number from 1 to 9999, but got 0"),
        ({"seeds": True}, "`seeds` must be int | None, but got True"),
        ({"workers": 1.5}, "`workers` must be int | None, but got 1.5"),
        ({"dept": 8}, "but got 'dept'; did you mean 'depth'?"),
        ({"depth": "deep"}, "`depth` must be a valid integer"),
        ({"depth": 9}, "`depth` must be 6n + 2"),
        ({"norm": "bach"}, "`norm` must be 'batch'"),
        ({"steps": -1}, "`steps` must be"),
        ({"data_sha256": "a"}, "but got 'data_sha256'"),
        ({"skips": 1}, "did you mean 'skip'"),
        ({"executor": "serial"}, "but got 'executor'; use execution=Execution(executor=…)"),
        ({"most_seeds": 9}, "`most_seeds` needs until='decided', but got most_seeds=9 alone"),
        ({"until": "dark"}, "`until` must be 'decided', but got 'dark'"),
        ({"learning_rates": ["a"]}, "`learning_rates` must be Sequence[float], but got ['a']"),
        ({"learning_rates": 0.1}, "`learning_rates` must be Sequence[float], but got 0.1"),
        ({"learning_rates": np.array([0.1, np.nan])}, "`learning_rates` must be a finite number, but got nan"),
        ({"learning_rates": [0.0]}, "`learning_rates` must be greater than 0, but got 0.0"),
        ({"trial_share": 0.5}, "`trial_share` needs learning rates to choose from"),
        ({"trial_seeds": 3}, "`trial_seeds` needs learning rates to choose from"),
        ({"learning_rates": (0.1, 0.2), "learning_rate": 0.3}, "either set or chosen, but got `learning_rates`"),
        ({"workers": 2, "execution": Execution("serial")}, "`workers` needs processes, but got executor='serial'"),
        ({"execution": Execution(log=["paper"])}, "paper"),
        ({"data": "nowhere"}, "a data set must be a known name"),
        ({"probes": ["lesoin"]}, "lesoin"),
        ({"plugins": ["none.py"]}, "none.py"),
        ({"width": 3}, "`width` must be a factor of the scale, but 'smoke' varies depth, skip"),
    ],
    ids=str,
)
def test_a_mistake_is_a_user_error_and_nothing_is_written(given, message, tmp_path, capsys):
    options = {"study": STUDY, **given}
    with pytest.raises(UserError, match=re.escape(message)):
        ablations.run(**options, out=tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()
    assert capsys.readouterr() == ("", "")


def test_a_study_is_loaded_by_name_or_from_a_file(tmp_path):
    assert ablations.load("depth").name == "depth"
    file = tmp_path / "own.py"
    file.write_text(
        "from ablations import Scale, Study, grid\nfrom resnet_core import TrainSpec, cifar\n"
        "scale = Scale(grid(skip=['A']), TrainSpec(steps=1), 1)\n"
        "study = Study('own', '?', lambda skip: cifar(8, skip=skip), {'s': scale})\n"
    )
    assert ablations.load(file).name == "own"


def test_the_packages_are_light_until_they_are_used():
    slow = {"tensorflow", "keras", "pandas", "matplotlib", "sklearn", "scipy"}
    script = f"import sys, ablations, resnet_core, search; ablations.load('depth'); print({slow!r} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
