"""The executor ray as a user has it, on a Ray that is started for the study."""

import pickle
import re
import socket
import subprocess
import sys
from importlib.util import find_spec

import pytest

from resnet_core.errors import UserError
from resnet_core.nets.registry import BLOCKS, code_of
from resnet_core.runs.execution.plugins import load_plugins
from resnet_core.runs.execution.ray_cluster import connected
from resnet_core.runs.records.store import Store

STUDY = ["run", "depth", "--depth", "8", "--seeds", "1", "--set", "steps=10", "--out", "out"]
RAY = [*STUDY, "--executor", "ray"]
BLOCK = """
from resnet_core import register_block

@register_block("single", kernels=(3,))
def single(at, x, width, strides):
    return at.conv(x, width, 3, strides, name="conv1")
"""

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="the executor ray needs the extra ray")


@needs_ray
@pytest.mark.xdist_group("ray")
def test_a_study_with_a_block_of_the_users(program, tmp_path):
    """A line of the data, a line a run, what came of them, and the verdicts; the records are those of this process.

    The block's file imports one beside it.
    """
    (tmp_path / "kernels.py").write_text("SIZE = 3")
    (tmp_path / "block.py").write_text(f"import kernels\n{BLOCK.replace('3, strides', 'kernels.SIZE, strides')}")
    words = ["--plugin", "block.py", "--set", "block=single"]
    here, there = tmp_path / "here", tmp_path / "there"
    assert program("resnet-ablate", *STUDY[:-1], here, *words, "--executor", "serial").returncode == 0
    done = program("resnet-ablate", *STUDY[:-1], there, *RAY[-2:], *words, "--workers", "1")
    assert (done.returncode, done.stderr) == (0, "")
    data, first, second, last, *_, verdicts = done.stdout.splitlines()
    assert data.startswith("data: ")
    assert re.match(r"\[1/2\] depth=8 skip=none", first)
    assert re.match(r"\[2/2\] depth=8 skip=A", second)
    assert last.startswith("2 of 2 runs recorded (2 completed)")
    assert verdicts.startswith("3 claims: ")
    mine, theirs = (list(Store(out / "depth").records()) for out in (here, there))
    assert [record.results for record in mine] == [record.results for record in theirs]
    assert [record.probes for record in mine] == [record.probes for record in theirs]
    assert [record.environment for record in mine] == [record.environment for record in theirs]


def test_a_plugin_is_what_it_was_when_the_study_began(tmp_path, monkeypatch):
    """As it is where the file is not, on another machine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "block.py"
    (tmp_path / "kernels.py").write_text("SIZE = 3")
    block = BLOCK.replace("single", "single_of_a_plugin").replace("3, strides", "kernels.SIZE, strides")
    file.write_text(f"import kernels\n{block}")
    setup = pickle.dumps(load_plugins([file]))
    code = code_of("single_of_a_plugin")

    def known_again():
        del BLOCKS["single_of_a_plugin"]
        pickle.loads(setup)()
        return code_of("single_of_a_plugin")

    assert known_again() == code != ""
    assert not (tmp_path / "cache").exists()
    file.write_text("raise RuntimeError")
    assert known_again() == code
    file.unlink()
    assert known_again() == code


@needs_ray
def test_a_ray_that_does_not_start_is_said_in_a_line(monkeypatch):
    """As on a machine with so much to do that a node is not there in time."""
    import ray

    def init(**options):
        raise Exception("The current node timed out during startup.\nThe machine may be overloaded.")

    monkeypatch.setattr(ray, "init", init)
    message = "needs a cluster on this machine, but: The current node timed out during startup. The machine may be over"
    with pytest.raises(UserError, match=message), connected("", 1):
        pass


@needs_ray
@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nobody_listens(program, scheme):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"{scheme}127.0.0.1:{bound.getsockname()[1]}"
        done = program("resnet-ablate", *RAY, "--address", address)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: the executor ray needs a cluster at --address {address}, but: ")
    assert done.stderr.endswith("; see `ray status`, or leave out --address to start one on this machine\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--executor", "ray", "--address", "head"], "--address must be auto, HOST:PORT or ray://HOST:PORT"),
        (["--executor", "serial", "--address", "auto"], "--address needs --executor ray, but got --executor serial"),
        (["--address", "auto"], "--address needs --executor ray, but got no executor"),
        (["--executor", "ray", "--executor-option", "address=head"], "--address must be auto, HOST:PORT or"),
        (["--executor-option", "address"], "--executor-option must be NAME=VALUE, but got 'address'"),
        (
            ["--executor", "ray", "--executor-option", "adress=auto"],
            "--executor-option must name an option of the executor, which are address for --executor ray, "
            "but got 'adress'; did you mean 'address'?",
        ),
        (
            ["--executor", "serial", "--executor-option", "nodes=2"],
            "--executor-option must name an option of the executor, which are none for --executor serial",
        ),
    ],
    ids=["no address", "another executor", "no executor", "as an option", "no value", "misspelt", "no options"],
)
def test_an_option_that_no_executor_or_another_reads(called, words, message):
    done = called("resnet-ablate", *STUDY, *words)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {message}")


def test_without_the_package(tmp_path):
    script = "import sys; sys.modules['ray'] = None; from ablations.cli import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", script, *RAY], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 2
    assert done.stderr.endswith("but it is not installed; pip install 'resnet-ablation[ray]'\n")
    assert list(tmp_path.iterdir()) == []
