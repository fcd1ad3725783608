"""Records of several versions of the libraries in one folder."""

from importlib.metadata import version

import pytest

from resnet_core.errors import UserError
from resnet_core.runs.records.store import Store
from resnet_core.runs.records.versions import check_versions
from tests.analysis.synthetic import study

ARMS = [{"skip": "none"}, {"skip": "A"}]


@pytest.fixture
def store(tmp_path):
    """Two runs of seed 0 of an old version; two of seed 1 that name none."""
    environments = {0: {"tensorflow": "2.1", "numpy": version("numpy")}, 1: {}}
    return Store(study(tmp_path / "mixed", ARMS, 2, environment=lambda run: environments[run.seed]))


@pytest.mark.parametrize("compacted", [False, True])
def test_other_versions_are_refused_with_what_to_do(store, compacted):
    if compacted:
        store.compact()
    with pytest.raises(
        UserError, match=r"runs of tensorflow 2\.1 \(2 runs\), and tensorflow .* is installed.* --mix-versions"
    ):
        check_versions(store, store.survey(), mix=False)


def test_where_they_are_asked_for_it_is_said(store):
    warning = check_versions(store, store.survey(), mix=True)
    assert "has runs of tensorflow 2.1 (2 runs)" in warning


def test_what_a_record_does_not_name_is_not_another(tmp_path):
    here = {name: version(name) for name in ("tensorflow", "keras")}
    same = Store(study(tmp_path / "same", ARMS, 1, environment=lambda run: here))
    assert check_versions(same, same.survey(), mix=False) == ""


def test_run_asks_for_mix_versions_before_it_adds_to_a_study(called, tmp_path):
    words = ["resnet-ablate", "run", "depth", "--depth", "8", "--skip", "none", "--set", "steps=1"]
    words += ["--set", "train_size=200", "--width", "2", "--out", tmp_path]
    assert called(*words, "--seeds", "1").returncode == 0
    (file,) = (tmp_path / "depth" / "runs").iterdir()
    old = Store(tmp_path / "depth").read(file.stem)
    file.unlink()
    old.environment["keras"] = "3.0.1"
    Store(tmp_path / "depth").write(old)
    refused = called(*words, "--seeds", "2")
    assert refused.returncode == 2
    assert "has runs of keras 3.0.1 (1 run)" in refused.stderr
    assert called(*words, "--seeds", "1").returncode == 0  # nothing is added
    done = called(*words, "--seeds", "2", "--mix-versions")
    assert done.returncode == 0, done.stderr
    assert "mixed versions: " in done.stdout
