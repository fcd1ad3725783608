"""Searches that are run from Python."""

import re

import pytest

import search
from resnet_core.errors import UserError
from tests.search.test_search import SMALL

TINY = {"trials": 2, "epochs": 1, "batch_size": 8, "train_size": 200, "oracle": "random", "progress": False}


def test_a_search_is_run_and_what_it_found_is_returned(tmp_path, capsys):
    results = search.run(SMALL, **TINY, confirm=1, confirm_seeds=1, out=tmp_path)
    assert capsys.readouterr() == ("", "")
    trials = results.trials()
    assert trials["trial"].tolist() == [1, 2] or trials["trial"].tolist() == [0, 1]
    assert results.best.record.results["val_accuracy"] == trials["val_accuracy"].max()
    assert set(results.best.values) == {"blocks", "skip", "order", "rate"}
    assert results.best.model.output_shape == (None, 10)
    assert results.report().is_file()
    assert repr(results) == f"SearchResults('{tmp_path / 'search'}'): 2 trials recorded"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"space": "smal"}, "must be a known space or a Python file, but got 'smal'"),
        ({"oracle": "delphi"}, "`oracle` must be known, but got 'delphi'"),
        ({"name": "a/b"}, "`name` must be of letters, digits, dots and dashes, but got 'a/b'"),
        ({"objective": "speed"}, "must be known, but got 'speed'"),
        ({"bach_size": 8}, "but got 'bach_size'; did you mean 'batch_size'?"),
        ({"validation_fraction": 0.0}, "a search chooses by validation images"),
        ({"max_params": 3}, "a network of the space must be within the limits"),
        ({"data": ([1], [1], [1])}, "but got a tuple of 3"),
    ],
    ids=str,
)
def test_a_mistake_is_a_user_error_and_nothing_is_written(given, message, tmp_path):
    with pytest.raises(UserError, match=re.escape(message)):
        search.run(**{"space": SMALL, **TINY, "out": tmp_path / "out", **given})
    assert not (tmp_path / "out").exists()
