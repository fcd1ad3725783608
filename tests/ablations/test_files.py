"""A study in a user's own file: the one of the documentation, and mistakes in it, each named with its line."""

import json
import re
from pathlib import Path

import pytest

from ablations.files import study_in
from resnet_core.errors import UserError

STUDY = (Path(__file__).parents[2] / "docs" / "examples" / "my_study.py").read_text()


@pytest.fixture
def write(tmp_path):
    def write(text, name="my_study.py"):
        file = tmp_path / name
        file.write_text(text)
        return file

    return write


def test_the_study_of_the_documentation_runs_and_its_claim_is_judged(called, write, tmp_path):
    assert len(STUDY.splitlines()) < 30
    write(STUDY)
    done = called("resnet-ablate", "run", "my_study.py", "--seeds", "2", "--set", "steps=20")
    assert done.returncode == 0, done.stderr
    assert "8 of 8 runs recorded (8 completed)" in done.stdout
    assert re.search(r"(supported|refuted|inconclusive) +the skip lowers the error more", done.stdout)
    again = called("resnet-ablate", "verdicts", "mine")
    assert again.stdout.strip() in done.stdout
    assert "seeds for the effect" in called("resnet-ablate", "power", "mine").stdout


ARM = 'depth=depth, skip="A"'
GAIN = "gain(14) > gain(8)"
BLOCK = """
from resnet_core import register_block

@register_block("mine", kernels=(3,))
def branch(at, x, width, strides):
    return at.conv(x, width, 3, strides, name="conv1")
"""
MISTAKES = {
    "an unknown field": ("width=8", "widht=8", "NetSpec has no field 'widht'; did you mean 'widths'"),
    "a factor that nothing reads": ("grid(depth", "grid(depht", "nothing reads 'depht'; did you mean 'depth'"),
    "a claim on no arm": (GAIN, "gain(14) > gain(20)", "none has depth=20 skip=none; there are depth 8, 14"),
    "a claim on no factor": (ARM, 'layers=depth, skip="A"', "factors of the design, but got 'layers'"),
    "an unknown measure": (f'"test_error", {ARM}', '"error", depth=depth', "a measure, but got 'error'"),
    "two inequalities": (GAIN, f"{GAIN} > 0", "must be one inequality, but two were chained"),
    "a wrong value": ("steps=300", "steps=-1", "`steps` must be greater than or equal to 0, but got -1"),
    "no syntax": ("seeds=3", "seeds=", "SyntaxError"),
    "an error": ("width=8", "width=8 / 0", "ZeroDivisionError"),
    "a level that has no network": ("(8, 14)", "(8, 15)", r"`depth` must be 6n \+ 2 with n >= 1, but got 15"),
}
LINES = {"a level that has no network": "return cifar", "a claim on no factor": GAIN}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_line(mistake, write):
    right, wrong, message = MISTAKES[mistake]
    assert right in STUDY
    text = STUDY.replace(right, wrong, 1)
    marked = LINES.get(mistake, wrong)
    line = next(i for i, content in enumerate(text.splitlines(), 1) if marked in content)
    with pytest.raises(UserError, match=rf"my_study.py, line {line}(:|, raises) .*{message}"):
        study_in(write(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("study = 3", "must define a Study as `study`, but .* defines int"),
        ("", "must define a Study as `study`, but .* defines NoneType"),
        (STUDY.replace("skip: ", "seeds: ").replace("skip=skip", "skip='A'"), "'skip'"),
    ],
)
def test_a_file_without_a_study_is_refused(text, message, write):
    with pytest.raises(UserError, match=message):
        study_in(write(text))


def test_a_factor_that_some_arms_leave_open_needs_a_default(write):
    text = STUDY.replace('skip=("none", "A"))', 'skip=("none", "A")) + grid(depth=(20,))')
    with pytest.raises(UserError, match=r"must have a default in `net`, but `skip` has none and the arm \(depth=20\)"):
        study_in(write(text))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "nowhere.py"], "a study must be .* or a Python file of yours, but there is no nowhere.py"),
        (["run"], "resnet-ablate run needs a study: .*, a Python file of yours, or --all"),
        (["verdicts", "nowhere"], "STUDY must be the folder of a study"),
        (["run", "my_study.py", "--until", "bored"], "unknown --until 'bored'; choose one of decided"),
        (["run", "my_study.py", "--learning-rates", "fast"], "`learning_rate` must be .* but got 'fast'"),
        (
            ["run", "my_study.py", "--learning-rates", "0.1", "--set", "learning_rate=1"],
            "either set or chosen, but got --learning-rates and --set learning_rate",
        ),
        (
            ["run", "my_study.py", "--learning-rates", "0.1", "0.2", "--set", "validation_fraction=0"],
            "a learning rate is chosen by validation images, but validation_fraction is 0",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_on_the_command_line_writes_nothing(words, message, called, write, tmp_path):
    write(STUDY)
    done = called("resnet-ablate", *words)
    assert done.returncode == 2
    assert re.fullmatch(f"error: .*{message}.*\n", done.stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["my_study.py"]


def test_an_arm_that_changes_nothing_is_named(called, write):
    text = STUDY.replace("skip=skip", 'skip="A"')
    write(text)
    done = called("resnet-ablate", "run", "my_study.py", "--dry-run")
    assert done.returncode == 2
    assert (
        "`skip` changes nothing: (depth=8 skip=none seed=0) and (depth=8 skip=A seed=0) are the same run" in done.stderr
    )


def test_every_arm_takes_its_best_learning_rate_and_seeds_are_added_until_claims_are_decided(called, write, tmp_path):
    write(STUDY.replace("(8, 14)", "(8,)").replace(GAIN, "gain(8) > 0"))
    words = ["run", "my_study.py", "--set", "steps=20", "--seeds", "1", "--learning-rates", "1e9", "0.05"]
    done = called("resnet-ablate", *words, "--until", "decided", "--most-seeds", "2", "--executor", "serial")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": learning rate 0.05 of 2.5e-12, 0.05, 1e+09; validation accuracy") == 2
    assert len(re.findall("learning_rate=.*test accuracy", done.stdout)) == 0
    assert "1 seeds leave 1 of 1 claims open; seeds are added to their arms" in done.stdout
    plan = json.loads(next(tmp_path.glob("results/local/*/study.json")).read_text())
    assert [(look["seeds"], round(look["share"], 3)) for look in plan["looks"]] == [(1, 0.333), (2, 0.667)]
    assert "4 of 4 runs recorded (4 completed)" in done.stdout


def test_a_file_with_a_block_of_its_own_is_a_plugin_too(program, write, tmp_path):
    text = STUDY.replace("width=8", 'width=8, block="mine"').replace("(8, 14)", "(5,)")
    write(BLOCK + text.replace(GAIN, "gain(5) > 0"))
    done = program("resnet-ablate", "run", "my_study.py", "--seeds", "1", "--set", "steps=3", "--executor", "processes")
    assert done.returncode == 0, done.stderr
    assert "2 of 2 runs recorded" in done.stdout  # three steps are no training


@pytest.mark.parametrize("words", [["--plugin", "block.py"], ["--plugin=block.py"]])
def test_a_study_names_blocks_of_a_plugin(words, program, write):
    write(BLOCK, "block.py")
    write(STUDY.replace("width=8", 'width=8, block="mine"').replace("(8, 14)", "(5,)").replace(GAIN, "gain(5) > 0"))
    done = program("resnet-ablate", "run", "my_study.py", "--dry-run", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "6 runs" in done.stdout


def test_a_dry_run_says_which_claims_compare_unequal_networks_and_what_the_trials_cost(called, write):
    write(STUDY.replace("gain(14) > gain(8)", 'mean("test_error", depth=14) < mean("test_error", depth=8)'))
    done = called("resnet-ablate", "run", "my_study.py", "--dry-run", "--learning-rates", "0.1", "0.01")
    assert "no learning rate is chosen" not in done.stdout
    assert re.search("before these, 16 trials of learning rates: .*; 8 more at most", done.stdout)
    unequal = "not of equal cost: the skip lowers the error more at 14 layers than at 8: parameters ×2.28, MACs ×2.17"
    assert unequal in done.stdout
    matched = called("resnet-ablate", "run", "my_study.py", "--dry-run", "--match", "parameters")
    assert "than at 8: parameters ×0.965, MACs ×0.879" in matched.stdout  # 5, 10 and 21 channels for 8, 16 and 32


def test_more_seeds_for_a_narrow_interval_need_a_claim(called, write, tmp_path):
    write(STUDY.replace("gain(14) > gain(8)", 'mean("test_error", depth=14) > mean("test_error", depth=8)'))
    done = called("resnet-ablate", "run", "my_study.py", "--depth", "8", "--until", "decided")
    assert done.returncode == 2
    assert "--until decided needs a claim on the arms of the study, but there is none" in done.stderr
