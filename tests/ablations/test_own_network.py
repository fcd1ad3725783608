"""The example of the documentation: a study of somebody's own network, from arrays."""

from pathlib import Path

import pytest

import ablations
from resnet_core.runs.records.store import Store

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SCRIPT = """
import os, signal, sys
from pathlib import Path
import ablations
from sklearn.datasets import load_digits
from resnet_core.runs.execution.loggers import register_logger

class Killer:
    def progress(self, run, progress): ...
    def close(self): ...
    def end(self, record):
        os.kill(os.getpid(), signal.SIGKILL)

@register_logger("killer")
def killer(study, folder):
    return Killer()

if __name__ == "__main__":
    x, y = load_digits(return_X_y=True)
    x = x.reshape(-1, 8, 8).astype("uint8")
    options = {"workers": 1} if "workers" in sys.argv else {}
    log = ablations.Execution(log=["killer"]) if "kill" in sys.argv else None
    ablations.run("own_network.py", data=(x[:200], y[:200], x[200:300], y[200:300]), without=["nothing", "red"],
                  epochs=1, seeds=1, out=sys.argv[1], execution=log, progress=False, **options)
"""


@pytest.fixture
def example(tmp_path):
    code = (EXAMPLES / "own_network.py").read_text()
    assert len(code.splitlines()) <= 40
    (tmp_path / "own_network.py").write_text(code)
    (tmp_path / "go.py").write_text(SCRIPT)
    return tmp_path


def results(folder):
    return {record.run.id: (record.results, record.probes) for record in Store(folder / "skips").records()}


def test_it_is_killed_and_continued_and_is_the_same_in_workers(example, program):
    go = str(example / "go.py")
    assert program(go, "out", "kill").returncode == -9
    assert len(results(example / "out")) == 1
    for words in (["out"], ["others", "workers"]):
        done = program(go, *words)
        assert done.returncode == 0, done.stderr
    assert len(results(example / "out")) == 2
    assert results(example / "out").keys() == results(example / "others").keys()
    opened = ablations.results(example / "out" / "skips")
    assert opened.verdicts()["claim"].str.contains("red").any()
    assert opened.runs()["layers"].tolist() == [8, 8]
    assert {"entry", "red_first", "exit"} <= {*opened.probes()["layer"]}
    assert {"red_end", "blue_end"} <= {*opened.probes("activation_gradient_l2")["layer"]}
    assert opened.report().exists()


def test_the_dry_run_counts_its_networks(example, program):
    done = program("resnet-ablate", "run", "own_network.py", "--data", "digits", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("990") == 8
