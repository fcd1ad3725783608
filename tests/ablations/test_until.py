"""Seeds are added until claims are decided; runs are recorded and not trained, so that what they come to is known."""

from dataclasses import replace

import numpy as np
import pytest

from ablations.request import Claimed, Seeds
from ablations.until import keep_look, until_decided
from analysis.claims import mean
from analysis.judging.looks import Look
from analysis.judging.verdicts import verdicts
from analysis.study import read
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.records.store import Store
from tests.ablations.test_tuning import DATA, request_of

RISES = mean("test_error", depth=14) > mean("test_error", depth=8)
LOW = mean("test_error", depth=8) < 0.5


@pytest.fixture
def request_(tmp_path):
    request = request_of(tmp_path / "mine", rates=())
    return replace(request, claimed=Claimed((RISES, LOW)), seeds=Seeds(3, 12))


def filled(error_of):
    """Return what records every run that is missing, and the list of those."""
    executed = []

    def fill(request, runs):
        store = Store(request.root)
        store.add_plan(request.plan(list(runs), DATA, ""))
        for run in runs:
            if not store.has(run.id):
                results = {"test_accuracy": 1 - error_of(run), "train_loss": 0.5, "train_accuracy": 0.9}
                about = {"layers": 8, "parameters": 9, "macs": 9}
                store.write(Record(run, Outcome("completed", 5), results, network=about))
                executed.append(run)

    return fill, executed


def noise(run):
    return 0.2 + 0.01 * np.random.default_rng([run.seed, run.net.depth]).normal()


def test_seeds_are_added_to_the_arms_of_open_claims_alone(request_):
    """That of depth 8 is decided at once; that of both depths is not, so both have more seeds."""
    fill, executed = filled(noise)
    until_decided(request_, DATA, "", fill)
    assert sorted({run.seed for run in executed}) == list(range(12))
    looks = Look.from_plan(Store(request_.root).plan().looks)
    assert [look.seeds for look in looks] == [3, 6, 12]
    assert sum(look.share for look in looks) == pytest.approx(1)
    study = read(request_.root)
    table = verdicts(study.claims, study.planned, study.frames, study.looks)
    assert table["verdict"].tolist() == ["inconclusive", "supported"]
    assert table["N"].tolist() == [12, 3]


def test_a_claim_that_is_decided_keeps_its_arms_as_they_are(request_):
    fill, executed = filled(lambda run: noise(run) + (run.net.depth == 14) * (0.3 + 0.2 * (run.seed % 2)))
    alone = replace(request_, claimed=Claimed((LOW, mean("test_error", depth=14) > 0.59)))
    until_decided(alone, DATA, "", fill)
    seeds = {depth: max(run.seed for run in executed if run.net.depth == depth) for depth in (8, 14)}
    assert seeds == {8: 2, 14: 11}


def test_the_same_command_adds_nothing_and_looks_no_more(request_):
    fill, executed = filled(noise)
    until_decided(request_, DATA, "", fill)
    count, looks = len(executed), Store(request_.root).plan().looks
    until_decided(request_, DATA, "", fill)
    assert len(executed) == count
    assert Store(request_.root).plan().looks == looks


def test_running_again_with_more_seeds_is_a_look_that_is_paid_for(request_):
    fill, _ = filled(noise)
    for seeds in (3, 5, 5, 10):
        request = request_.with_seeds(seeds)
        fill(request, request.runs(DATA, ""))
        keep_look(request.root)
    looks = Look.from_plan(Store(request_.root).plan().looks)
    assert [(look.seeds, look.share) for look in looks] == [
        (3, 0.8),
        (5, pytest.approx(0.1)),
        (10, pytest.approx(0.05)),
    ]


def test_a_study_with_runs_missing_is_not_looked_at(request_):
    fill, _ = filled(noise)
    runs = request_.runs(DATA, "")
    fill(request_, runs[:3])
    Store(request_.root).add_plan(request_.plan(runs, DATA, ""))
    keep_look(request_.root)
    assert Store(request_.root).plan().looks == ()
