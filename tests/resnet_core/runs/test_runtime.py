"""What a record tells of where and on what it was made."""

import json
import os
import platform
import subprocess
import sys

import numpy as np
import pytest

from resnet_core.runs.runtime import configure, environment

ASK = "import json; from resnet_core.runs.runtime import repository; print(json.dumps(repository()))"
NOBODY = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CEILING_DIRECTORIES": ""}


def git(folder, *words):
    who = ("-c", "user.name=Us", "-c", "user.email=us@example.org")
    done = subprocess.run(
        ["git", *who, *words], cwd=folder, env={**os.environ, **NOBODY}, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def asked(folder, **variables):
    """What a process with `folder` as its working directory says."""
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=folder, check=True, capture_output=True, text=True,
        env={**os.environ, **NOBODY, "GIT_CEILING_DIRECTORIES": str(folder.parent), **variables},
    )  # fmt: skip
    return tuple(json.loads(done.stdout))


@pytest.fixture
def commit(tmp_path):
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    git(tmp_path, "tag", "a-tag")
    return git(tmp_path, "rev-parse", "HEAD")


def test_the_commit_and_whether_a_tracked_file_differs(commit, tmp_path):
    (tmp_path / "untracked").touch()
    assert asked(tmp_path) == (commit, False)
    (tmp_path / "file").write_text("2")
    assert asked(tmp_path) == (commit, True)


def test_without_a_repository_or_git_there_is_no_commit(tmp_path):
    assert asked(tmp_path) == ("", False)
    assert asked(tmp_path, PATH="") == ("", False)


def test_a_repository_without_a_commit_has_none(tmp_path):
    git(tmp_path, "init", "--quiet")
    assert asked(tmp_path) == ("", False)


def test_float32_is_float32_on_a_gpu_too():
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(True)
    configure(threads=1)
    assert not tf.config.experimental.tensor_float_32_execution_enabled()


def test_the_environment_names_versions_and_settings(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_a=1")
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_b=2")
    described = environment()
    assert described["xla_flags"] == "--xla_a=1 --tf_b=2"
    expected = {"python": platform.python_version(), "threads": 1, "inter_op_threads": 1, "onednn": "1"}
    expected |= {"dtype_policy": "float32", "deterministic_operations": True, "numpy": np.__version__}
    assert expected.items() <= described.items()
    assert {
        "resnet-ablation",
        "tensorflow",
        "keras",
        "processor",
        "instruction_set",
        "onednn_isa",
        "devices",
        "accelerators",
        "commit",
    } <= described.keys()
    assert json.loads(json.dumps(described)) == described


SPEND = """
import json
from resnet_core.runs.runtime import usage
used = usage()
told = [used()]
block = b"1" * (1 << 28)
told.append(used())
del block
told += [used(), usage()()]
print(json.dumps(told))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows tells no peak")
def test_usage_is_the_processors_time_since_then_and_the_peak_of_the_process():
    """Of a process that another, larger one has started."""
    larger = b"1" * (1 << 29)
    done = subprocess.run([sys.executable, "-c", SPEND], check=True, capture_output=True, text=True)
    before, during, after, anew = json.loads(done.stdout)
    assert before["peak_memory_bytes"] < len(larger) // 2
    assert during["peak_memory_bytes"] > 1 << 28
    for later in (after, anew):  # the kernel keeps its count to some pages only
        assert later["peak_memory_bytes"] == pytest.approx(during["peak_memory_bytes"], rel=0.01)
    assert 0 <= before["cpu_seconds"] < during["cpu_seconds"] <= after["cpu_seconds"]
    assert anew["cpu_seconds"] < after["cpu_seconds"]


@pytest.mark.parametrize(("backend", "message"), [("jax", "backend is 'jax'; set KERAS_BACKEND"), ("tensorflow", "")])
def test_runs_need_tensorflow(backend, message):
    script = (
        "from resnet_core.errors import UserError\nfrom resnet_core.surroundings import check_backend\n"
        "try: check_backend()\nexcept UserError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "KERAS_BACKEND": backend}, check=True, capture_output=True,
        text=True,
    )  # fmt: skip
    assert message in done.stdout
    assert bool(done.stdout) == bool(message)
