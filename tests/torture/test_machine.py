"""Run, widen, retry, compact, remove, damage, each killed at any moment, against what must be true of a study."""

import contextlib
import io
import os
import shutil
import tempfile
from argparse import Namespace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from ablations import runner
from ablations.remove import remove_runs
from resnet_core.runs.execution.fill import fill
from resnet_core.runs.records.files import run_and_attempt
from resnet_core.runs.records.record import FAILED
from resnet_core.runs.records.store import Store
from resnet_core.runs.records.survey import files_in
from tests.torture.stub import StubExecution, killed_after, plan_of, result_of, run_of

KILLS = st.one_of(st.none(), st.integers(0, 40))
SKIPS = ("A", "none")


class Studied(RuleBasedStateMachine):
    """A study and, of each run, how its last record says that it ended."""

    @initialize()
    def begins(self):
        self.folder = Path(tempfile.mkdtemp(prefix="machine-"))
        self.store = Store(self.folder / "study")
        self.seeds = 1
        self.runs = {}  # all that were ever asked for
        self.away = {}  # how runs had ended that were removed
        self.known = {}
        self.kills = 0
        self.run(None)

    def teardown(self):
        shutil.rmtree(self.folder)

    def _do(self, function, kill):
        """Do something, or begin to; return whether it was done."""
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            if kill is None:
                with contextlib.suppress(SystemExit):
                    function()
                return True
            killed = killed_after(kill, lambda: self._silently(function))
        self.kills += killed
        return not killed

    @staticmethod
    def _silently(function):
        with contextlib.suppress(SystemExit):
            function()

    def _learn(self, *, done, again=(), removed=()):
        """Compare what is there with what was: what had ended well stays so, and what was done is there."""
        ended = self.store.survey(whole=True).statuses
        for run_id, status in self.known.items():
            if run_id not in removed:
                assert ended.get(run_id) == status or (run_id in again and run_id in ended), (run_id, status)
        if done:
            assert ended.keys() >= self.runs.keys() - again
        self.known = {run_id: status for run_id, status in ended.items() if run_id not in removed}

    @rule(kill=KILLS)
    def run(self, kill):
        runs = [run_of(seed, skip) for skip in SKIPS for seed in range(self.seeds)]
        self.runs |= {run.id: run for run in runs}
        done = self._do(lambda: fill(plan_of(runs), runs, self.store.root, StubExecution(), 100), kill)
        if done:
            self.known |= self.away  # they are taken back
            self.away = {}
        self._learn(done=done)
        if done:
            assert not self.store.survey(whole=True).damaged

    @rule(kill=KILLS)
    def widen(self, kill):
        self.seeds += 1
        self.run(kill)

    @rule(kill=KILLS)
    def retry(self, kill):
        failed = {run_id for run_id, status in self.known.items() if status in FAILED}
        attempts = {run_id: copy.attempt for run_id, copy in self.store.survey().copies.items()}
        done = self._do(lambda: runner.retry(self.store.root, FAILED, StubExecution()), kill)
        self._learn(done=False, again=failed)
        if done:
            after = self.store.survey().copies
            assert all(after[run_id].attempt > attempts[run_id] for run_id in failed)

    @rule(kill=KILLS)
    def compact(self, kill):
        done = self._do(self.store.compact, kill)
        self._learn(done=False)
        if done:  # what is left is damaged, or is older than a damaged record of its run, which runs anew
            survey = self.store.survey(whole=True)
            damaged = {file.path for file in survey.damaged}
            left = {run_and_attempt(path.name) for path in files_in(self.store.root / "runs") if path not in damaged}
            assert all(run not in survey.copies and attempt < survey.lost[run] for run, attempt in left)

    @rule(skip=st.sampled_from(SKIPS), kill=KILLS)
    def remove(self, skip, kill):
        plan = self.store.plan()
        if {run.factors["skip"] for run in plan.runs} != set(SKIPS):
            return  # a study keeps a run
        options = Namespace(study=str(self.store.root), levels=[f"skip={skip}"], dry_run=False)
        self._do(lambda: remove_runs(options), kill)
        left = {run.id for run in self.store.plan().runs}
        self.away |= {run_id: status for run_id, status in self.known.items() if run_id not in left}
        gone = self.runs.keys() - left
        self._learn(done=False, removed=gone)

    @rule(which=st.integers(0, 1000), place=st.floats(0, 1), bits=st.integers(1, 255))
    def damage(self, which, place, bits):
        places = sorted([*self.store.root.glob("runs/*.json"), *self.store.root.glob("parts/*/*.*")])
        if not places:
            return
        path = places[which % len(places)]
        content = bytearray(path.read_bytes())
        content[int(place * (len(content) - 1))] ^= bits
        copies = self.store.survey().copies
        path.write_bytes(bytes(content))
        survey = self.store.survey(whole=True)
        gone = {run_id for run_id, copy in copies.items() if copy.place in (path, path.parent)}
        kept = {run_id for run_id in gone if survey.copies.get(run_id) == copies[run_id]}
        named = [file.path for file in survey.damaged]
        assert gone == kept or path in named or path.parent in named
        self.known, self.away = (
            {run_id: status for run_id, status in known.items() if run_id not in gone - kept}
            for known in (self.known, self.away)
        )

    @invariant()
    def every_way_of_reading_says_the_same(self):
        if not hasattr(self, "store"):
            return
        survey, frames = self.store.survey(), self.store.frames()
        statuses = dict(zip(frames.runs["run"], frames.runs["status"], strict=True)) if len(frames.runs) else {}
        records = {record.run.id: record for record in self.store.records()}
        whole = self.store.survey(whole=True).statuses
        assert survey.statuses == statuses == whole == {key: each.outcome.status for key, each in records.items()}
        assert whole.items() >= self.known.items()
        for run_id, record in records.items():
            if record.outcome.status == "completed":
                assert record.results == {"test_accuracy": result_of(self.runs[run_id])}
        if len(frames.runs):
            values = frames.runs.set_index("run")["test_accuracy"].dropna() if "test_accuracy" in frames.runs else {}
            assert all(value == result_of(self.runs[run_id]) for run_id, value in dict(values).items())
            assert frames.runs["run"].is_unique
            assert sorted(frames.epochs["run"] if len(frames.epochs) else []) == sorted(dict(values))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is forked to be killed")
def test_a_study_bears_everything_in_any_order(pytestconfig):
    """`make torture`: as many examples as there are to be kills, times four."""
    examples = 4 * pytestconfig.getoption("kills")
    count = []

    class Counted(Studied):
        def teardown(self):
            count.append(getattr(self, "kills", 0))
            super().teardown()

    run_state_machine_as_test(
        Counted,
        settings=settings(
            max_examples=examples, stateful_step_count=12, deadline=None, derandomize=True, database=None,
            phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
    print(f"{len(count)} studies, {sum(count)} kills")
    assert len(count) >= examples
