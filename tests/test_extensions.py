"""The examples of ARCHITECTURE: each is one file and one registration."""

import re
from argparse import Namespace
from contextlib import closing
from pathlib import Path

import keras_tuner
import pytest

from ablations.extensions import extensions
from analysis.measures import MEASURES, measured
from analysis.pages import report
from analysis.pages.study_sections import SECTIONS
from analysis.study import read
from resnet_core.errors import UserError
from resnet_core.nets.spec import cifar
from resnet_core.runs.data import open_source
from resnet_core.runs.data.named import NAMED
from resnet_core.runs.execution.base import EXECUTORS, OWN_OPTIONS, register_executor
from resnet_core.runs.execution.loggers import LOGGERS, open_loggers, register_logger
from resnet_core.runs.execution.options import own_options
from resnet_core.runs.execution.plugins import load_plugins
from resnet_core.runs.exports import FORMATS, register_format
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.spec import Run, TrainSpec
from search.oracles import ORACLES, oracle
from tests.analysis.synthetic import PAGE, study

PAGES = (Path(__file__).parents[1] / "ARCHITECTURE.md").read_text()
REGISTRIES = EXECUTORS, OWN_OPTIONS, LOGGERS, SECTIONS, MEASURES, NAMED, ORACLES, FORMATS
EXAMPLES = dict(re.findall(r"```python\n# (\w+\.py):[^\n]*\n(.*?)```", PAGES, re.S))


@pytest.fixture(autouse=True)
def registries():
    """Set all registries back to what they were."""
    before = [(registry, dict(registry)) for registry in REGISTRIES]
    yield
    for registry, content in before:
        registry.clear()
        registry.update(content)


@pytest.fixture
def example(tmp_path):
    def load(name):
        (tmp_path / name).write_text(EXAMPLES[name])
        load_plugins([tmp_path / name])

    return load


def test_a_logger_and_an_executor(example, tmp_path):
    example("mine.py")
    assert {("logger", "lines"), ("executor", "paused"), ("block", "basic")} <= {
        (kind, name) for kind, name, _ in extensions()
    }
    record = Record(Run(cifar(8), TrainSpec(steps=1)), Outcome("completed", 1))
    with closing(open_loggers(["lines"], "depth", tmp_path / "logs")) as loggers:
        loggers.end(record)
    assert (tmp_path / "logs" / "lines" / "runs.txt").read_text() == "seed=0: completed\n"
    given = Namespace(address="", executor_option=["pause=2"])
    assert own_options(given, "paused") == {"pause": "2"}
    with pytest.raises(UserError, match=r"^--pause must be a whole number, but got 'long'$"):
        own_options(Namespace(address="", executor_option=["pause=long"]), "paused")


@pytest.mark.parametrize(("register", "name"), [(register_logger, "wandb"), (register_executor, "serial")])
def test_a_name_of_this_project_stays(register, name):
    with pytest.raises(UserError, match=f"'{name}'"):
        register(name)(lambda *_: None)


def test_a_format_of_this_project_stays_and_a_new_name_is_registered():
    with pytest.raises(UserError, match="there is a format 'onnx' already"):
        register_format("onnx", "a", "", opened_by=lambda *_: None)(lambda *_: None)
    register_format("mine", "a", "", opened_by=lambda *_: None)(lambda *_: None)
    assert ("format", "mine") in {(kind, name) for kind, name, _ in extensions()}


def test_every_kind_is_listed():
    kinds = {"block", "order", "skip", "probe", "measure", "study", "data set", "executor", "logger", "format"}
    assert {kind for kind, *_ in extensions()} == kinds | {"section"}
    assert set(EXAMPLES) == {"measure.py", "stripes.py", "oracle.py", "mine.py", "section.py"}


def test_a_measure(example, tmp_path):
    example("measure.py")
    assert ("measure", "last_loss") in {(kind, name) for kind, name, _ in extensions()}
    known = read(study(tmp_path / "study", [{"skip": "A"}, {"skip": "none"}], 2, epochs=True))
    last = known.frames.epochs.sort_values("epoch").groupby("run")["loss"].last()
    values = measured("last_loss", known.planned, known.frames).set_index("run")["value"]
    assert values.to_dict() == last.to_dict()


def test_a_data_set(example):
    example("stripes.py")
    source = open_source("stripes")
    info = source.info
    assert source.images.info == info
    assert info.class_counts == ((200, 50), (200, 50))


def test_an_oracle(example):
    example("oracle.py")
    hyperparameters = keras_tuner.HyperParameters()
    hyperparameters.Int("depth", 1, 30)
    proposer = oracle("near-best", keras_tuner.Objective("loss", "min"), hyperparameters, 12, 0)
    depths = []
    while (trial := proposer.create_trial("tuner0")).status == "RUNNING":
        depths.append(trial.hyperparameters.get("depth"))
        proposer.update_trial(trial.trial_id, {"loss": abs(depths[-1] - 20)})
        trial.status = "COMPLETED"
        proposer.end_trial(trial)
    assert len(set(depths)) == len(depths) == 12
    assert abs(depths[-1] - 20) <= abs(depths[0] - 20)


def test_a_section_with_a_figure(example, tmp_path):
    example("section.py")
    names = list(SECTIONS)
    assert names[names.index("seconds") + 1] == "outcomes"
    reported = report.read(study(tmp_path / "study", [{"skip": "A"}, {"skip": "none"}], 2))
    page, _ = report.write(reported, tmp_path / "report", PAGE)
    assert '<section id="seconds"' in page.read_text()
    assert (page.parent / "figures" / "seconds.svg").exists()
