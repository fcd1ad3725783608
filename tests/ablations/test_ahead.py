"""What is left of a request, and which studies fit into a time; runs are recorded and not trained."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablations.ahead import ahead
from ablations.asking import request_of as asked_of
from ablations.cli import _asked, parser
from ablations.dry_run import of_trials
from ablations.every import Waiting, planned, waiting
from ablations.request import Claimed, Seeds
from ablations.suites import suites
from ablations.tuning import tuned
from resnet_core.runs.execution.options import Execution
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.records.store import Store
from tests.ablations.test_tuning import Executor, peak, request_of
from tests.ablations.test_until import LOW, RISES, noise

HERE = Execution(workers=2)


def record(request, coming):
    """Record the runs of a request on the data that `coming` has."""
    runs = request.runs(coming.data, coming.data_sha256)
    store = Store(request.root)
    store.add_plan(request.plan(runs, coming.data, coming.data_sha256))
    for run in runs:
        results = {"test_accuracy": 1 - noise(run), "train_loss": 0.5, "train_accuracy": 0.9}
        store.write(Record(run, Outcome("completed", 5), results, network={"layers": 8, "parameters": 9, "macs": 9}))


@pytest.fixture
def request_(tmp_path):
    return replace(request_of(tmp_path / "mine"), claimed=Claimed((RISES, LOW)))


def test_what_is_recorded_is_recorded_at_the_rates_that_were_chosen(request_):
    """A tuned run has another id than the run as it was asked for: it must be found again."""
    before = ahead(request_, HERE)
    assert (len(before.trials.left), len(before.runs.left)) == (12, 4)
    chosen = tuned(request_, before.data, before.data_sha256, Executor(peak(0.03)))
    between = ahead(request_, HERE)
    assert (len(between.trials.left), len(between.runs.left)) == (0, 4)
    record(chosen, before)
    after = ahead(request_, HERE)
    assert after.left == 0
    assert {run.train.learning_rate for run in after.runs.runs} == {0.03}
    assert list(of_trials(request_, after)) == []
    assert ahead(request_, HERE, afresh=True).left == before.left


def test_with_until_decided_the_seeds_that_come_next_are_left(tmp_path):
    request = replace(request_of(tmp_path / "mine", rates=()), claimed=Claimed((RISES, LOW)), seeds=Seeds(3, 12))
    coming = ahead(request, HERE)
    assert coming.left == 6
    record(request, coming)
    assert ahead(replace(request, seeds=Seeds(3)), HERE).left == 0
    further = ahead(request, HERE)
    assert {run.seed for run in further.runs.runs} == set(range(6))
    assert further.left == 6


def test_a_study_waits_until_its_runs_are_recorded_with_its_claims(request_):
    request = replace(request_, rates=replace(request_.rates, grid=()))
    about = waiting("mine", request, HERE)
    assert (about.claims, about.undecided, about.left) == (2, 2, 4)
    coming = ahead(request, HERE)
    assert about.seconds == pytest.approx(max(sum(coming.runs.left) / 2, max(coming.runs.left)))
    record(request, coming)
    assert waiting("mine", request, HERE) is None


def test_the_options_of_a_study_are_read_twice_for_a_plan_and_a_run():
    words = ["run", "depth", "--probe", "lesions", "--set", "lesions.draws=7", "--set", "steps=9"]
    options = parser(suites()).parse(words)
    options.command_line = " ".join(words)
    (first, execution), (second, again) = _asked(options), _asked(options)
    assert [probe.words for probe in again.probes] == [probe.words for probe in execution.probes]
    assert "draws=7" in execution.probes[0].words
    assert second.train.steps == first.train.steps == 9


TIMES = st.dictionaries(st.tuples(st.sampled_from("abcdef"), st.just(1)), st.floats(1, 1e5))
STUDIES = st.lists(st.builds(Waiting, st.just("one"), st.just(9), st.integers(0, 9), TIMES, TIMES, st.just(2)))


@given(STUDIES, st.floats(0, 1e5))
def test_those_that_decide_most_in_their_time_come_first_and_none_that_would_fit_is_left_out(studies, seconds):
    rest = {str(i): replace(study, name=str(i)) for i, study in enumerate(studies)}
    order, fit = planned(rest.values(), seconds)
    left, trained = seconds, set()
    for study in order:
        rates = {name: other.undecided / max(other.after(trained).seconds, 1.0) for name, other in rest.items()}
        assert rates[study.name] == max(rates.values())
        assert rest.pop(study.name).after(trained) == study
        fits = any(study is each for each in fit)
        assert fits == (study.seconds <= left)
        if fits:
            left -= study.seconds
            trained |= study.trials.keys() | study.runs.keys()
    assert not rest


@pytest.mark.parametrize("study", suites().values(), ids=suites())
def test_every_scale_of_every_suite_can_be_run_on_the_data_that_it_names(study, tmp_path):
    for scale in study.scales:
        coming = ahead(asked_of(study, scale, out=tmp_path), HERE)
        assert coming.left == len(coming.trials.runs) + len(coming.runs.runs) > 0
