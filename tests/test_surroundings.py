"""A user's environment and settings change no number and no figure, and stop nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import analysis.cli
from resnet_core.errors import UserError
from resnet_core.nets.keras_net import build
from resnet_core.nets.spec import cifar
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.execution.job import dataset
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.training.train import train_run
from resnet_core.surroundings import set_for_program, set_variables

HOSTILE = {
    "COLUMNS": "10", "DNNL_DEFAULT_FPMATH_MODE": "BF16", "FORCE_COLOR": "1", "KERAS_MAX_EPOCHS": "many",
    "KERAS_NNX_ENABLED": "1", "LC_ALL": "C", "MPLBACKEND": "module://matplotlib_inline.of_another_environment",
    "NO_COLOR": "1", "OMP_NUM_THREADS": "3", "PYTHONHASHSEED": "5", "PYTHONWARNINGS": "error", "TERM": "dumb",
    "TF_DETERMINISTIC_OPS": "0", "TF_ENABLE_ONEDNN_OPTS": "0", "TF_NUM_INTRAOP_THREADS": "3",
    "TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit", "TZ": "Nowhere/At-all",
    "XLA_FLAGS": "--no_such_flag",
}  # fmt: skip
RC = "figure.figsize: 2, 2\nfont.size: 30\naxes.titlesize: 40\ntext.usetex: True\nlines.linewidth: 9\nno such line\n"


def program(folder, module, *words, variables):
    """Start a program from nothing."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "XLA_", "KERAS_"))}
    command = [sys.executable, "-m", module, *map(str, words)]
    return subprocess.run(command, cwd=folder, env={**clean, **variables}, capture_output=True, text=True, check=False)


def test_programs_run_and_report_as_in_an_empty_environment(programs, tmp_path):
    settings = {"floatx": "float64", "epsilon": 0.5, "image_data_format": "channels_first", "backend": "tensorflow"}
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "keras.json").write_text(json.dumps(settings))
    variables = {**HOSTILE, "KERAS_HOME": str(tmp_path / "keras")}
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "matplotlibrc").write_text(RC)
    words = ["run", "depth", "--depth", "8", "--skip", "A", "--seeds", "1", "--set", "steps=3", "--executor", "serial"]
    done = [
        programs.run("resnet-ablate", *words, "--out", tmp_path / "clean", cwd=tmp_path),
        program(tmp_path, "ablations", *words, "--out", tmp_path / "hostile", variables=variables),
    ]
    assert [process.returncode for process in done] == [0, 0], done[1].stderr
    assert done[1].stderr == ""
    assert "\x1b" not in done[1].stdout
    clean, hostile = (
        json.loads(next((tmp_path / place).glob("depth/runs/*")).read_text()) for place in ("clean", "hostile")
    )
    for name in ("id", "results", "epochs", "probes", "environment"):
        assert clean[name] == hostile[name]
    study, here = tmp_path / "clean" / "depth", tmp_path / "here"
    for written in (
        programs.run("resnet-report", study, "--out", tmp_path / "one", cwd=tmp_path),
        program(here, "analysis", study, "--out", tmp_path / "other", variables=variables),
    ):
        assert written.returncode == 0, written.stderr
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert any(path.suffix == ".png" for path in files)
    for path in files:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "other" / path).read_bytes(), path


@pytest.fixture
def session():
    """Settings of a session; the ones before are put back."""
    config = keras.config
    yield
    config.set_floatx("float32")
    config.set_epsilon(1e-7)
    config.set_image_data_format("channels_last")
    config.set_dtype_policy("float32")
    tf.config.run_functions_eagerly(False)
    tf.config.optimizer.set_jit(False)


def test_a_session_keeps_its_settings_and_runs_have_their_own(session):
    run = Run(
        cifar(8, width=4, input_shape=(8, 8, 1)),
        TrainSpec(steps=3, train_size=100, batch_size=32),
        ProbeSpec(batch_size=8),
    )
    plain = train_run(run, dataset(run.train))
    assert plain.outcome.status == "completed"
    keras.config.set_floatx("float16")
    keras.config.set_epsilon(0.1)
    keras.config.set_image_data_format("channels_first")
    keras.config.set_dtype_policy("mixed_bfloat16")
    tf.config.run_functions_eagerly(True)
    with np.errstate(all="raise"):
        other = train_run(run, dataset(run.train))
    assert (other.results, other.epochs, other.probes) == (plain.results, plain.epochs, plain.probes)
    assert keras.config.image_data_format() == "channels_first"
    assert keras.config.floatx() == "float16"
    assert keras.config.epsilon() == 0.1
    assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(False)
    assert build(run.net).input_shape == (None, 1, 8, 8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"floatx": "float8"}', "`floatx` must be float16 or float32 or float64, but .*keras.json has 'float8'"),
        ('{"epsilon": 1}', "`epsilon` must be a number with a point, but .*keras.json has 1"),
        ('{"image_data_format": "rows"}', "`image_data_format` must be channels_last or channels_first"),
        ("[]", "must be a JSON object"),
    ],
)
def test_settings_with_which_keras_does_not_load_are_a_users_mistake(text, message, tmp_path, monkeypatch):
    (tmp_path / "keras.json").write_text(text)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delitem(sys.modules, "keras")
    with pytest.raises(UserError, match=message):
        set_variables()


def test_settings_with_which_matplotlib_does_not_load_are_a_users_mistake(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "matplotlibrc").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="matplotlib's settings must be readable text, but .*matplotlibrc is not"):
        analysis.cli._main([str(tmp_path)])


def test_variables_of_numbers_are_set_or_removed_and_others_stay(monkeypatch):
    for name, value in {**HOSTILE, "TF_CPP_MIN_LOG_LEVEL": "0", "ONEDNN_MAX_CPU_ISA": "AVX2"}.items():
        if not name.startswith("PYTHON"):
            monkeypatch.setenv(name, value)
    set_variables()
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "1"
    assert (os.environ["TF_CPP_MIN_LOG_LEVEL"], os.environ["ONEDNN_MAX_CPU_ISA"]) == ("0", "AVX2")
    assert not {"TF_XLA_FLAGS", "XLA_FLAGS", "KERAS_MAX_EPOCHS", "DNNL_DEFAULT_FPMATH_MODE"} & os.environ.keys()
    monkeypatch.setenv("MPLBACKEND", "module://nothing")
    set_for_program()
    assert os.environ["MPLBACKEND"] == "agg"
    assert Path.cwd().exists()
