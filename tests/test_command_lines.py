"""Wrong command lines of the three programs: exit code 2, one line, nothing written; and their help."""

import re

import pytest

import ablations.cli
import analysis.cli
import search.cli

PROGRAMS = {"resnet-ablate": ablations.cli, "resnet-report": analysis.cli, "resnet-search": search.cli}


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Call a program in this process, in a folder of its own; return its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("import sys\nsys.exit(0)\n")
    (tmp_path / "text.py").write_text("a text")
    (tmp_path / "folder").mkdir()

    def call(line):
        name, *words = line.split(" ")
        with pytest.raises(SystemExit) as end:
            PROGRAMS[name].main(words)
        out, err = capsys.readouterr()
        return end.value.code, out, err

    return call


ABLATE = """
|the following arguments are required: command
runn|unknown command 'runn'; did you mean 'run'?
--verbose|the following arguments are required: command
list now|takes no further argument, but got 'now'
run|needs a study
run --scale smoke|the study must come first, then its options, but got --scale
run dpeth|unknown study 'dpeth'; did you mean 'depth'?
run mine.py|a study must load, but mine.py, line 2, raises SystemExit(0)
run text.py|a study must load, but text.py, line 1, raises SyntaxError
run nothing.py|there is no nothing.py
run folder|unknown study 'folder'
run depth --seeds 2 --seeds 3|an option must be given once, but --seeds was given 2 and 3
run depth --scale smoke --scale laptop|an option must be given once, but --scale was given smoke and laptop
run depth --out a --out b|an option must be given once, but --out was given a and b
run depth --seeds|expected one argument
run depth --seeds x|--seeds must be a whole number from 1 to 9999
run depth --seeds -1|--seeds must be a whole number
run depth --most-seeds 5|--most-seeds needs --until decided
run depth --until decided --seeds 5 --most-seeds 3|at least the number of seeds, 5, but got 3
run depth --until bored|unknown --until 'bored'
run depth --set steps=5 --trial-seeds 3|--trial-seeds needs learning rates
run depth --set steps=5 --trial-share 0.5|--trial-share needs learning rates to choose from, but got --trial-share 0.5
run depth --trial-share 2|--trial-share must be a number above 0 and up to 1, but got '2'
run depth --trial-share 0|--trial-share must be a number above 0 and up to 1, but got '0'
run depth --learning-rates|expected at least one argument
run depth --learning-rates 0.1 --set learning_rate=0.2|either set or chosen
run depth --match size|unknown --match 'size'
run depth --set|expected one argument
run depth --set steps|--set takes FIELD=VALUE, but got 'steps'
run depth --set =3|--set knows no field ''
run depth --set zzzz=3|; the nearest of
run depth --set net.zzzz=3|; the nearest of
run depth --set probe.size=3|--set knows no field 'probe.size'
run depth --set data=digits --data digits|`data` is set again
run depth --train-size 50 --set train_size=60|`train_size` is set again
run depth --set steps=3 --set epochs=3|exactly one of `steps` and `epochs`
run depth --set widths=|must not be empty
run depth --set batch_size=0.5|`batch_size` must be a valid integer
run depth --recipe he|a recipe must be known
run depth --executor serial --retries 3|--retries needs processes
run depth --executor serial --workers 2|--workers needs processes
run depth --executor thread|--executor must be serial or processes or ray
run depth --workers 0|--workers must be a whole number above 0
run depth --timeout -3|--timeout must be a number above 0
run depth --memory nan|--memory must be a number above 0
run depth --stream always|--stream always needs a file or a folder of images, but 'digits' is a name
run depth --set probe.steps= --set probe.each_epoch=false --set probe.batch_size=4|`probe.batch_size` needs steps
run depth --stream maybe|unknown --stream 'maybe'
run depth --plugin mine.py|a plugin must load, but mine.py, line 2, raises SystemExit(0)
run depth --plugin nothing.py|a plugin must be a readable Python file
run depth --plugin folder|a plugin must be a Python file, with a name that ends in .py, but got folder
run depth --log wand|unknown --log 'wand'; did you mean 'wandb'?
run depth --all --sedes 3|has no option '--sedes'; did you mean '--seeds'?
run depth --skip|expected at least one argument
run depth --skip Z|but got 'Z'
run depth --data nothing|a data set must be a known name
show resnet5o|`name` must be that of a published network
show resnet50 resnet18 resnet34|takes no further argument
show resnet50 resnet18 --json|--json is for one network
show --norm grup|`norm` must be
show --set norm=group --norm batch|`norm` is set again
show --norm batch --norm group|an option must be given once
show --set zzzzz=3|; the nearest of
status|the following arguments are required: STUDY
status folder|STUDY must be the folder of a study
retry nothing|STUDY must be the folder of a study
export folder|the following arguments are required: DIR
compact nothing --now|has no option '--now'
verdicts nothing|STUDY must be the folder of a study
power|the following arguments are required: STUDY
"""
REPORT = """
|the following arguments are required: STUDY
nothing|nothing does not exist
folder|with a study.json, but folder has none
compare folder|compare needs two studies or more
folder --style colour|unknown --style 'colour'
folder --style paper --style screen|an option must be given once
folder --output x|has no option '--output'; did you mean '--out'?
folder folder --out x|an output folder must be of one report
"""
SEARCH = """
|the following arguments are required: command
rn|unknown command 'rn'; did you mean 'run'?
run now|takes no further argument, but got 'now'
run --space mine.py|a space must load, but mine.py, line 2, raises SystemExit(0)
run --space text.py|a space must load, but text.py, line 1, raises SyntaxError
run --space folder|--space must be a known space or a Python file
run --epochs 3 --set epochs=5|`epochs` is set by --epochs 3 and by --set epochs=5
run --epochs 3 --set steps=5|exactly one of `steps` and `epochs`
run --epochs 3 --epochs 4|an option must be given once
run --trials 3 --trials 5|an option must be given once
run --confirm 0 --confirm-seeds 3|--confirm-seeds needs networks to confirm
run --seed 1.5|--seed must be a whole number
run --max-params|expected one argument
run --max-params 1e999|--max-params must be a number
run --start nothing|published network
run --fix skip|--fix takes NAME=VALUE
run --fix skip=A --fix skip=B|must be fixed once
run --set zzzz=3|; the nearest of
run --set skip=A|`skip` is decided by 'cifar-small'
run --set learning_rate=0.5|`learning_rate` is decided by 'cifar-small'
run --stream always|--stream always needs a file
run --set probe.steps= --set probe.batch_size=4|`probe.batch_size` needs steps
trials|the following arguments are required: SEARCH
trials folder|SEARCH must be the folder of a search
export|the following arguments are required: SEARCH
export folder|SEARCH must be the folder of a search
export folder --calls -1|--calls must be a whole number from 0 on
export folder --images 0|--images must be a whole number above 0
export folder --format|expected at least one argument
export folder --format tflite --format onnx|an option must be given once
"""
LINES = [
    (f"{name} {line}".partition("|")[0].rstrip(" "), line.partition("|")[2])
    for name, lines in (("resnet-ablate", ABLATE), ("resnet-report", REPORT), ("resnet-search", SEARCH))
    for line in lines.strip("\n").splitlines()
]


@pytest.mark.parametrize(("line", "message"), LINES, ids=[line for line, _ in LINES])
def test_a_wrong_command_line_is_one_line(line, message, call, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    code, out, err = call(line)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: ")
    assert message in err
    assert len(err) < 600
    assert sorted(tmp_path.rglob("*")) == before


def test_there_are_enough_of_them():
    assert len({line for line, _ in LINES}) >= 60


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_version(name, call):
    code, out, _ = call(f"{name} --version")
    assert code == 0
    assert re.fullmatch(rf"{name} \d+\.\d+\.\d+\n", out)


def test_the_help_of_run_has_every_option_and_setting_with_types_and_defaults(call):
    code, out, _ = call("resnet-ablate run --help")
    assert code == 0
    for line in ("--seeds N", "--executor", "norm=batch|group|layer|none", "steps=N|none", "probe.steps=N,..."):
        assert f"  {line}" in out
    assert "settings of the network, skip:" in out
    assert re.search(r"batch_size=N .*\(default: 128\)", out)
    assert "input_shape" not in out


def test_the_help_of_show_says_what_each_field_takes(call):
    _, out, _ = call("resnet-ablate show --help")
    assert "VALUE" not in out.replace("FIELD=VALUE", "")
    assert "--norm batch|group|layer|none" in out
    assert "fields of the network, skip:" in out
    assert len(re.findall(r"\(default:", out)) >= 30


@pytest.mark.parametrize("text", ["", " ", "\t"])
def test_a_folder_has_a_name(text, capsys):
    with pytest.raises(SystemExit):
        ablations.cli.main(["export", "study", text])
    assert f"it must name a folder, but got {text!r}" in capsys.readouterr().err
