import gc
import sys
from functools import lru_cache, partial
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from resnet_core.runs.data import Images, open_source
from resnet_core.runs.runtime import configure
from tests.programs import Programs, call

settings.register_profile("same", derandomize=True, deadline=None)  # the same examples in every run
settings.register_profile("search", max_examples=300, deadline=None)  # pytest --hypothesis-profile=search
settings.load_profile("same")


def pytest_addoption(parser):
    parser.addoption("--kills", type=int, default=2, help="how often tests/torture kills a study")
    parser.addoption("--site", type=Path, help="folder of the built documentation, for tests/docs")


def pytest_configure(config):
    """Load TensorFlow where tests are run: not in the process that hands them out to workers."""
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        configure(threads=1)


LONG = (
    "ray", "probes", "torture-test_torture", "ablations-test_cli", "nets-test_weights", "execution-test_executors",
    "nets-test_keras_net", "search-test_search", "nets-test_opened", "pages-test_any_study", "pages-test_report",
    "tests-test_reference", "torture-test_mutations",
)  # fmt: skip
"""The groups that take more than half a minute of a processor: they come first, so that no worker ends with one."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Give the tests of a module, or of a folder with fixtures of its own, to one worker, which makes them once."""
    groups = {}
    for item in items:
        folder, name = item.path.parent, item.path.stem
        of_folder = folder != Path(__file__).parent and (folder / "conftest.py").exists()
        mark = item.get_closest_marker("xdist_group")
        groups[item] = mark.args[0] if mark else folder.name if of_folder else f"{folder.name}-{name}"
        if mark is None:
            item.add_marker(pytest.mark.xdist_group(groups[item]))
    items.sort(key=lambda item: LONG.index(groups[item]) if groups[item] in LONG else len(LONG))


@pytest.fixture(scope="session", autouse=True)
def engines_of_before():
    """Keep the compiled networks of the tests before: a network that several train is traced by the first alone."""
    if "tensorflow" in sys.modules:
        from resnet_core.runs.training import engine

        kept = lru_cache(maxsize=16)(lambda net, step, code: engine.Engine(net, step))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine, "engine", kept)
            yield
    else:
        yield


def pytest_collection_finish(session):
    """Let collections of garbage look at nothing that is there already."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node, ids):
    """Refuse tests that would not be grouped, as with a pytest that pytest-xdist does not know.

    The tests of a module would go to all workers. Each would make its fixtures, and start a cluster of its own.
    """
    if node.config.getoption("dist") == "loadgroup" and not all("@" in name for name in ids):
        pytest.exit("these versions of pytest and pytest-xdist do not group tests; take `make install`", returncode=4)


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """The cache folder of the programs that the tests run."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def programs():
    """What starts programs, in a tenth of a second each."""
    running = Programs()
    yield running
    running.close()


@pytest.fixture
def program(tmp_path, cache, programs, monkeypatch):
    """Run one of the programs as a user does, in an empty folder; return the finished process.

    With `fresh` it starts from nothing and loads its libraries itself, in the environment that there is.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return partial(programs.run, cwd=tmp_path)


@pytest.fixture
def called(tmp_path, cache, monkeypatch):
    """Run one of the programs as `program` does, but in this process: for tests of what it says and records.

    It forks nothing, and trains a network that a test before has compiled without compiling it again.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return partial(call, cwd=tmp_path)


@pytest.fixture(scope="session")
def digits() -> Images:
    return open_source("digits").images


@pytest.fixture(scope="session")
def shared(tmp_path_factory, worker_id) -> Path:
    """A folder that all workers of a session have in common."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def tiny_study(shared, programs) -> Path:
    """The folder of a real study, not to be changed: depths 8 and 14, plain and residual, two seeds, a few steps."""
    arguments = ["run", "depth", "--depth", "8", "14", "--seeds", "2", "--set", "steps=30", "--out", shared]
    with FileLock(shared / "depth.lock"):
        if not (shared / "depth").exists():
            assert programs.run("resnet-ablate", *arguments, cwd=shared).returncode == 0
    return shared / "depth"
