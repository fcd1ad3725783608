import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from resnet_core.runs.data import Images, open_source
from resnet_core.runs.runtime import configure

configure(threads=1)
settings.register_profile("same", derandomize=True, deadline=None)  # the same examples in every run
settings.register_profile("search", max_examples=300, deadline=None)  # pytest --hypothesis-profile=search
settings.load_profile("same")


def pytest_addoption(parser):
    parser.addoption("--kills", type=int, default=2, help="how often tests/torture kills a study")


PROGRAMS = {"resnet-ablate": "ablations", "resnet-report": "analysis", "resnet-search": "search"}


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """The cache folder of the programs that the tests run."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def program(tmp_path, cache):
    """Run one of the programs as a user does, in an empty folder; return the finished process."""

    def run(name: str, *arguments: str | Path, cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", PROGRAMS[name], *map(str, arguments)],
            cwd=cwd, capture_output=True, text=True, check=False,
            env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        )  # fmt: skip

    return run


@pytest.fixture(scope="session")
def digits() -> Images:
    return open_source("digits").images


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory) -> Path:
    """The folder of a real study: depths 8 and 14, plain and residual, two seeds, a few steps."""
    out = tmp_path_factory.mktemp("study")
    arguments = ["run", "depth", "--depth", "8", "14", "--seeds", "2", "--set", "steps=30", "--out"]
    subprocess.run([sys.executable, "-m", "ablations", *arguments, out], check=True, capture_output=True)
    return out / "depth"
