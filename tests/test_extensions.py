"""The examples of ARCHITECTURE: each is one file and one registration."""

import re
from argparse import Namespace
from contextlib import closing
from pathlib import Path

import pytest

from ablations.extensions import extensions
from analysis import report
from analysis.study_sections import SECTIONS
from resnet_core.errors import UserError
from resnet_core.nets.spec import cifar
from resnet_core.runs.execution.base import EXECUTORS, OWN_OPTIONS, register_executor
from resnet_core.runs.execution.loggers import LOGGERS, open_loggers, register_logger
from resnet_core.runs.execution.options import own_options
from resnet_core.runs.execution.plugins import load_plugins
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.spec import Run, TrainSpec
from tests.analysis.synthetic import PAGE, study

PAGES = (Path(__file__).parents[1] / "ARCHITECTURE.md").read_text()
EXAMPLES = dict(re.findall(r"```python\n# (\w+\.py):[^\n]*\n(.*?)```", PAGES, re.S))


@pytest.fixture(autouse=True)
def registries():
    """Set all registries back to what they were."""
    before = [(registry, dict(registry)) for registry in (EXECUTORS, OWN_OPTIONS, LOGGERS, SECTIONS)]
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
    assert {("logger", "lines"), ("executor", "one"), ("block", "basic")} <= {
        (kind, name) for kind, name, _ in extensions()
    }
    record = Record(Run(cifar(8), TrainSpec(steps=1)), Outcome("completed", 1))
    with closing(open_loggers(["lines"], "depth", tmp_path / "logs")) as loggers:
        loggers.end(record)
    assert (tmp_path / "logs" / "lines" / "runs.txt").read_text() == "seed=0: completed\n"
    given = Namespace(address="", executor_option=["pause=2"])
    assert own_options(given, "one") == {"pause": "2"}
    with pytest.raises(UserError, match=r"^--pause must be a whole number, but got 'long'$"):
        own_options(Namespace(address="", executor_option=["pause=long"]), "one")


@pytest.mark.parametrize(("register", "name"), [(register_logger, "wandb"), (register_executor, "serial")])
def test_a_name_of_this_project_stays(register, name):
    with pytest.raises(UserError, match=f"'{name}'"):
        register(name)(lambda *_: None)


def test_a_section_with_a_figure(example, tmp_path):
    example("section.py")
    names = list(SECTIONS)
    assert names[names.index("seconds") + 1] == "outcomes"
    reported = report.read(study(tmp_path / "study", [{"skip": "A"}, {"skip": "none"}], 2))
    page, _ = report.write(reported, tmp_path / "report", PAGE)
    assert '<section id="seconds"' in page.read_text()
    assert (page.parent / "figures" / "seconds.svg").exists()
