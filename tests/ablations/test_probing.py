"""`resnet-probe`, as a user calls it."""

import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.numpy import save_file

from ablations.cli import main as ablate
from ablations.probing import sharing
from ablations.probing.cli import main
from ablations.probing.progress import Shown, line
from ablations.probing.targets import StudyTarget, runs
from analysis.figures import inside_figures
from analysis.measures import find
from analysis.pages import report
from analysis.study import read
from resnet_core.errors import UserError
from resnet_core.nets.keras_net import build
from resnet_core.nets.spec import cifar
from resnet_core.nets.zoo import network
from resnet_core.probes.registry import PROBES, Passes, register_probe
from resnet_core.probes.requests import Item, ProbeRequest, Sample, asked_for
from resnet_core.runs.records import claims, measurements, networks
from resnet_core.runs.records.store import Store
from tests.analysis.synthetic import PAGE
from tests.resnet_core.nets.test_weights import state_dict

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SMALL = ("--images", "32")


@pytest.fixture(scope="module")
def trained_study(tiny_study, tmp_path_factory) -> Path:
    """The folder of a study of which the residual and the plain networks of depth 8 and seed 0 are kept."""
    folder = tmp_path_factory.mktemp("probed") / "depth"
    shutil.copytree(tiny_study, folder, ignore=shutil.ignore_patterns("report"))
    for record in Store(folder).records():
        if record.run.factors["depth"] == 8 and record.run.seed == 0:
            networks.write(folder, record.run.id, build(record.run.net, seed=1).get_weights())
    return folder


@pytest.fixture
def study(trained_study, tmp_path) -> Path:
    runs.cache_clear()
    return Path(shutil.copytree(trained_study, tmp_path / "depth"))


def probe(*words):
    """Run the program in this process; return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return ended.value.code


def script(name, folder):
    """Copy a script of the documentation into a folder."""
    shutil.copy(EXAMPLES / name, folder)


def files(study):
    return {path.name: path.stat().st_mtime_ns for path in (study / "probed").iterdir()}


def test_nothing_is_measured_twice_and_what_is_damaged_is_measured_again(study, capsys):
    assert probe(study, "lesion", "paths", *SMALL) == 0
    printed = capsys.readouterr().out
    assert "3 measured now, 1 unfit" in printed
    assert "unfit: paths, of 1 network: a network must have a skip in every block" in printed
    before = files(study)
    assert probe(study, "lesion", "paths", *SMALL) == 0
    assert files(study) == before
    table, _ = measurements.table(study)
    damaged, *_ = (path for path in sorted((study / "probed").iterdir()) if b'"lesion"' in path.read_bytes())
    content = damaged.read_bytes()
    damaged.write_bytes(content.replace(b'"value":[0.', b'"value":[1.'))
    assert [each.path for each in measurements.table(study)[1]] == [damaged]
    capsys.readouterr()
    assert probe(study, "lesion", "paths", *SMALL) == 0
    assert "2 measured before, 1 measured now, 1 unfit" in capsys.readouterr().out
    pd.testing.assert_frame_equal(measurements.table(study)[0], table)


def test_two_at_once_share_the_work(study, monkeypatch):
    """What another is at is waited for, and not measured here."""
    monkeypatch.setattr(sharing, "POLL_SECONDS", 0.01)
    target, sample = StudyTarget(study, 1), Sample(images=16)
    items = target.items(asked_for(["gradients"]), sample)
    theirs = claims.claim(study, f"probe-{items[0].id}")
    theirs.acquire(timeout=0)
    ended = []
    for each in sharing.measure(target, items, 1, lambda: None):
        ended.append((each.measured.item.id, each.here))
        if each.here:  # ours is done: now the other has its own
            measurements.write(study, measurements.Measurement(items[0], "measured"))
            theirs.release()
    assert ended == [(items[1].id, True), (items[0].id, False)]


def test_a_long_measurement_says_how_far_it_is(study, capsys):
    """Not more often than twice a minute, where there is no terminal."""
    now = [0.0]
    target, sample = StudyTarget(study, 1), Sample(images=16)
    items = target.items(asked_for(["lesion"]), sample)[:1]
    with Shown(target, len(items), lambda: now[0]) as shown:

        def later(item, share):
            now[0] += 20.0
            shown.under_way(item, share)

        for ended, each in enumerate(sharing.measure(target, items, 1, lambda: None, later), 1):
            shown(line(target, each), ended)
    *shares, last = capsys.readouterr().out.splitlines()
    label = target.label(items[0].network_id)
    counts = [re.fullmatch(rf"{re.escape(label)}: lesion: (\d+)% of its passes", line) for line in shares]
    assert all(counts)
    percent = [int(each[1]) for each in counts]
    assert percent == sorted(set(percent))
    assert 3 < len(percent) < 12
    assert last.startswith(f"[1/1] {label}: lesion: 3 rows")


def test_the_list_says_how_a_probe_takes_half_precision(capsys):
    assert probe("list") == 0
    printed = capsys.readouterr().out
    for name, each in PROBES.items():
        (line,) = re.findall(rf"^{name} .*$", printed, re.MULTILINE)
        assert ("as it computes" if each.half else "float32 copy") in line


def test_a_probe_of_ones_own_in_processes(study, tmp_path, program):
    """A plugin is known in every process, and options make measurements of their own."""
    script("dead.py", tmp_path)
    words = [study, "dead", "gradients", *SMALL, "--plugin", "dead.py", "--workers", "2"]
    done = program("resnet-probe", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "4 measurements: 4 measured now" in done.stdout
    table, _ = measurements.table(study)
    rows = table[table["probe"] == "dead"]
    assert (len(rows), rows["run"].nunique(), rows["value"].dtype) == (8, 2, np.float64)
    assert "dead" not in PROBES


MORTAL = """
import os, pathlib, signal
from resnet_core.probes.registry import Passes, register_probe, whole

@register_probe("mortal", passes=lambda net: Passes(forward=1))
def mortal(net, images):
    'Kills the process that measures it for the first time.'
    try:
        pathlib.Path("killed").touch(exist_ok=False)
    except FileExistsError:
        yield whole(value=1.0)
    else:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_program_goes_on_where_it_was(study, tmp_path, program):
    (tmp_path / "mortal.py").write_text(MORTAL)
    words = [study, "gradients", "mortal", *SMALL, "--plugin", "mortal.py"]
    assert program("resnet-probe", *words).returncode == -signal.SIGKILL
    before = files(study)
    assert len(before) == 1
    done = program("resnet-probe", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "4 measurements: 1 measured before, 3 measured now" in done.stdout
    assert files(study).items() >= before.items()
    assert [path.name for path in study.rglob(".writing-*")] == []


def test_a_model_of_ones_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    build(cifar(8, width=4, input_shape=(8, 8, 1))).save("mine.keras")
    words = ["mine.keras", "--data", "digits", "--preprocessing", "unit", *SMALL]
    assert probe(*words, "signal", "lesion") == 0
    table = pd.read_csv("results/local/mine/probed.csv")
    assert set(table["probe"]) == {"signal", "lesion"}
    assert "2 measurements: 2 measured now" in capsys.readouterr().out
    assert probe(*words, "all", "--dry-run") == 0
    printed = capsys.readouterr().out
    assert "not measured: reset: it needs the same network at its initial weights" in printed
    assert "not measured: stitching: it needs a second network" in printed
    assert probe(*words, "reset") == 2
    assert "the probe 'reset' cannot be measured: it needs the same network" in capsys.readouterr().err


def test_a_model_of_ones_own_is_loaded_without_a_notice_of_tensorflow(tmp_path, program):
    build(cifar(8, width=4, input_shape=(8, 8, 1))).save(tmp_path / "mine.keras")
    done = program("resnet-probe", "mine.keras", "--data", "digits", "--images", "16", "scores", "--out", "out")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_dry_run_adds_up_the_passes_of_what_is_not_measured(study, capsys):
    probe(study, "lesion", *SMALL)
    capsys.readouterr()
    assert probe(study, "lesion", "gradients", *SMALL, "--dry-run") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["lesion", "2", "2", "0", "0"] in lines
    assert ["gradients", "2", "0", "2", "2"] in lines
    assert ["in", "all", "2", "2"] in lines


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing", "lesion"], "TARGET must be a study, a published network, or a .keras file, but 'nothing'"),
        (["STUDY"], "needs a probe, or all"),
        (["STUDY", "lesio"], "but got 'lesio'; did you mean 'lesion'"),
        (["STUDY", "lesion", "--set", "lesion.taken_out=all"], "`lesion.taken_out` must be 'branch' or 'skip'"),
        (["STUDY", "lesions", "--set", "lesions.draw=1"], "but got 'draw'; did you mean 'draws'"),
        (["STUDY", "lesion", "--set", "reset.x=1"], "is for the probe 'reset', which is not requested"),
        (["STUDY", "signal", "--set", "signal.at=0"], "so a probe must have no step, but got 'signal at=0'"),
        (["STUDY", "lesion", "--set", "steps=1"], "--set takes PROBE.OPTION=VALUE, but got 'steps=1'"),
        (["STUDY", "lesion", "--images", "none"], "must be a whole number from 1 on, but got 'none'"),
        (["STUDY", "lesion", "--other", "abc"], "--other must be 'seed' or the id of a run with a kept network"),
        (["STUDY", "lesion", "--data", "digits"], "--data is for a single network"),
        (["STUDY", "stitching"], "none of the probes could be measured; stitching: it needs a second network"),
        (["resnet50", "lesion"], "but got none for resnet50; give --data"),
        (["mine.keras", "lesion", "--data", "digits"], "there is no mine.keras"),
        (["list", "more"], "takes no further argument, but got 'more'"),
    ],
)
def test_a_mistake_is_one_line(words, message, study, capsys):
    assert probe(*[study if word == "STUDY" else word for word in words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_study_without_networks_says_how_to_keep_them(tiny_study, capsys):
    runs.cache_clear()
    assert probe(tiny_study, "lesion", "--dry-run") == 2
    assert "`resnet-ablate run … --keep-networks` keeps them" in capsys.readouterr().err


def test_steps_are_apart_from_options_and_make_measurements_of_their_own():
    asked = asked_for(["signal training=False at=0,5,end"])
    assert [(probe.step, probe.text) for probe in asked] == [
        (0, "training=False"),
        (5, "training=False"),
        (None, "training=False"),
    ]
    assert asked == asked_for([item.words for item in asked])
    assert len({Item("0" * 16, item, Sample()).id for item in asked}) == 3
    with pytest.raises(UserError, match="must not be called `at`"):
        register_probe("late", passes=lambda net: Passes())(lambda net, images, at=0: iter(()))


def test_the_id_of_a_measurement():
    """It must not change, or what is measured is measured again."""
    assert Item("0" * 16, ProbeRequest("lesion"), Sample()).id == "2286289306e3260e"


def test_options_are_read_by_their_type():
    (asked,) = asked_for(["lesions"], {"lesions": {"counts": "1,2", "draws": "20", "seed": "3"}})
    assert asked == ProbeRequest("lesions", {"counts": [1, 2], "seed": 3})  # 20 is the default
    assert asked.text == "counts=1,2 seed=3"


def test_what_fails_is_data_and_is_measured_again(tmp_path):
    item = Item("0" * 16, ProbeRequest("lesion"), Sample())
    measurements.write(tmp_path, measurements.Measurement(item, "failed", reason="ValueError: no"))
    assert measurements.there(tmp_path, item) is None
    rows = [{"layer": "a", "value": float("nan"), "x": 1}, {"layer": "b", "value": 2.0}]
    measurements.write(tmp_path, measurements.Measurement(item, "measured", rows, 3, "val"))
    table, damaged = measurements.table(tmp_path)
    assert damaged == ()
    assert table["value"].isna().tolist() == [True, False]
    assert list(table.columns) == [*measurements.FIRST, "x", "part", "images", "other"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--probe", "stitching"], "the probe 'stitching' cannot be measured with a run: it needs a second network"),
        (
            ["--probe", "lesion at=0,end"],
            "a probe with `at` must be one that makes sense in training (gradients, shattering, ",
        ),
        (["--probe", "signal at=first"], "must be steps and `end`, as at=0,100,end, but got 'first' for 'signal'"),
        (["--probe", "signal", "--set", "signal.at=-1"], "must be steps and `end`, as at=0,100,end, but got '-1'"),
    ],
)
def test_what_a_run_cannot_take(words, message, capsys):
    with pytest.raises(SystemExit) as ended:
        ablate(["run", "depth", *words, "--dry-run"])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_dry_run_adds_the_cost_of_every_step(capsys):
    words = ["run", "depth", "--depth", "8", "--skip", "A", "--seeds", "1", "--dry-run"]
    with pytest.raises(SystemExit):
        ablate([*words, "--probe", "signal", "--set", "signal.at=0,10,end", "--probe", "gradients at=5"])
    assert "the probes signal, gradients of 1 networks take 4 forward and 1 backward passes" in capsys.readouterr().out


def test_a_probe_of_ones_own_in_records_claims_and_report(program, tmp_path):
    script("dead.py", tmp_path)
    script("dead_units.py", tmp_path)
    run = ["run", "dead_units.py", "--plugin", "dead.py", "--set", "train_size=200", "--out", "out"]
    done = program("resnet-ablate", *run)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Plain networks have more dead units" in " ".join(done.stdout.split())
    study = read(tmp_path / "out" / "dead-units")
    assert study.probed["probe"].unique().tolist() == ["dead"]
    assert len(study.probed) == 4 * 4
    assert find("dead.mean").compute(study.frames).between(0, 1).sum() == 4
    assert report.tables_of(study)["verdicts"]["claim"].tolist() == ["Plain networks have more dead units."]
    assert [each.name for each in inside_figures.figures_of(study.probed, PAGE)] == ["inside_dead"]


def test_a_published_network_with_weights_of_timm(tmp_path, monkeypatch, capsys):
    """The file has timm's names and axes; the images are a folder's, of another size than the network's own."""
    monkeypatch.chdir(tmp_path)
    spec = network("resnet18")
    save_file(state_dict(build(spec), spec), "resnet18.safetensors", {"architecture": "resnet18"})
    random = np.random.default_rng(0)
    for i in range(8):
        Path("pictures", f"class{i % 2}").mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(pixels).save(Path("pictures", f"class{i % 2}", f"{i}.png"))
    words = ["resnet18", "--weights", "timm:resnet18.safetensors", "--data", "pictures", "--image-size", "32"]
    assert probe(*words, "lesion", "reset", "--out", "out") == 0
    printed = capsys.readouterr().out
    assert "[1/2] resnet18: lesion: 8 rows" in printed
    assert "[2/2] resnet18: reset: 29 rows" in printed
    table = pd.read_csv("out/probed.csv")
    assert table["probe"].value_counts().to_dict() == {"reset": 29, "lesion": 8}
    assert table["block"].dropna().iloc[0] == "stage1_block1"
    assert probe("resnet18", "--data", "pictures", "--weights", "timm:nothing.pth", "lesion", "--out", "out") == 2
    assert "nothing.pth" in capsys.readouterr().err
