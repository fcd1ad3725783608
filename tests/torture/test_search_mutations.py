"""Every kind of file of a search, its bits or values changed: no traceback, no number changed unseen, nothing lost."""

import contextlib
import io
import random
import shutil
from dataclasses import dataclass, replace

import pytest

from ablations import cli as ablate
from analysis import cli as report
from resnet_core.errors import UserError
from resnet_core.runs.execution.job import Ended
from resnet_core.runs.execution.options import Execution
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.records.store import Store
from search import cli, runner
from search.proposals import SearchBudget
from tests.search.test_search import RATES, three
from tests.torture.stub import StubJob, result_of
from tests.torture.test_mutations import call, edit_file, exported, flip, numbers_of

TRIALS = 6
FILES = {
    "plan": "study.json", "oracle": "oracle.json", "record": "runs/*.json", "runs.parquet": "parts/*/runs.parquet",
    "digests.json": "parts/*/digests.json", "claim": "claims/search.lock",
}  # fmt: skip


class Made(StubJob):
    """Records a trial without training."""

    def execute(self, run, on_progress, *, keep=True):
        accuracy = result_of(run)
        row = {"epoch": 1, "step": 37, "learning_rate": 0.1, "loss": 1.0, "accuracy": 0.5, "val_accuracy": accuracy}
        network = {"layers": 4, "parameters": 1000, "macs": 1000}
        record = Record(
            run, Outcome("completed", 37), {"val_accuracy": accuracy}, [row], [], network, {"threads": 1}, 1.5,
            attempt=self.attempt_of(run),
        )  # fmt: skip
        return Ended(record)


@dataclass(frozen=True)
class Making(Execution):
    executor: str = "serial"

    def job(self, runs, seconds, threads, store, attempts):
        name, job = super().job(runs, seconds, threads, store, attempts)
        return name, Made(**vars(replace(job, setup=lambda: None)))


def searched(root):
    """Search, or go on; return what was printed, and why it was refused."""
    search = replace(three(root), space=RATES, oracle="evolution", budget=SearchBudget(TRIALS))
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        try:
            runner.run(search, Making(), best=0, seeds=1)
        except UserError as error:
            return out.getvalue(), str(error)
    return out.getvalue(), ""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search of which half of the trials are in a part."""
    root = tmp_path_factory.mktemp("whole") / "found"
    half = replace(three(root), space=RATES, oracle="evolution", budget=SearchBudget(TRIALS // 2))
    with contextlib.redirect_stdout(io.StringIO()):
        runner.run(half, Making(), best=0, seeds=1)
    Store(root).compact()
    searched(root)
    (root / "claims" / "search.lock").write_text("filelock/2\n")
    return root


def table_of(printed):
    """Return the lines of `trials`, without their spaces, which the widest value decides."""
    return {" ".join(line.split()) for line in printed.splitlines()}


@pytest.mark.parametrize("kind", FILES)
def test_a_changed_file_of_a_search_is_named_and_made_again(kind, whole, tmp_path, pytestconfig, monkeypatch):
    """`make torture`: 200 changes in all, two with `make test` for each kind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("filelock._soft.MALFORMED_LOCK_AGE_THRESHOLD", 0.0)
    count = max(2, pytestconfig.getoption("kills") * 200 // (50 * len(FILES)))
    before = Before(whole, tmp_path)
    noticed = 0
    for seed in range(count):
        rng = random.Random(f"{kind} of a search {seed}")
        root = tmp_path / f"{seed}" / "found"
        shutil.copytree(whole, root)
        path = rng.choice(sorted(root.glob(FILES[kind])))
        fits = False
        if kind == "claim" or rng.random() < 0.5:
            flip(path, rng)
        else:
            fits = edit_file(path, kind, rng)
        noticed += tried(root, before, fits=fits, reports=kind in ("plan", "record") and seed % 12 == 0)
        shutil.rmtree(root.parent)
    print(f"{kind} of a search: {count} changes, {noticed} noticed")


class Before:
    """What the programs say of the folder as it was."""

    def __init__(self, root, tmp_path):
        self.rows = numbers_of(exported(root, tmp_path / "before")[0])
        self.table = table_of(call(cli._main, "trials", root)[0])
        self.oracle = (root / "oracle.json").read_text()


def tried(root, before, *, fits, reports):
    """Let the programs read a changed folder, and go on with the search; return whether the change was noticed."""
    trials, code = call(cli._main, "trials", root)
    status, _ = call(ablate._main, "status", root)
    call(ablate._main, "verdicts", root)
    rows, printed = exported(root, root.parent / "export")
    if reports:
        call(report._main, root)
    noticed = code != 0 or "damaged" in trials + status
    if not fits:
        assert code or noticed or table_of(trials) == before.table, trials
        if rows is not None:
            assert all(before.rows[run].items() >= row.items() for run, row in numbers_of(rows).items())
            assert "damaged" in printed + status or len(rows) == len(before.rows)
    went_on, refused = searched(root)
    if refused and "study.json" in refused:  # it cannot be made anew but from the beginning
        (root / "study.json").unlink()
        (root / "oracle.json").unlink(missing_ok=True)
        went_on, refused = searched(root)
    if fits:
        return noticed or bool(refused) or "made anew" in went_on
    assert not refused, refused
    assert numbers_of(exported(root, root.parent / "after")[0]).keys() == before.rows.keys()
    assert table_of(call(cli._main, "trials", root)[0]) == before.table
    assert (root / "oracle.json").read_text() == before.oracle
    return noticed or "made anew" in went_on
