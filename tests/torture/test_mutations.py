"""Every kind of file, with bits or values changed: no traceback, no changed number unnoticed, nothing lost for good."""

import contextlib
import copy
import io
import json
import random
import shutil

import numpy as np
import pandas as pd
import pytest

from ablations import cli as ablate
from analysis import cli as report
from resnet_core.errors import UserError
from resnet_core.runs.execution.fill import fill
from resnet_core.runs.records.store import Store
from resnet_core.runs.training.checkpoints import Checkpoint, State
from resnet_core.sealed import CHECKSUM, seal
from tests.torture.stub import StubExecution, plan_of, record_of, run_of

VALUES = (
    None, True, -1, 0, 10**30, 1e308, "nan", "", "x", "../../victim", "[/b]", "$\\frac{a}$", "\ud800",
    "=cmd|' /C calc'!A0", [], [[]], {}, {"x": 1},
)  # fmt: skip
REPORTED = ("plan", "record", "runs.parquet", "epochs.parquet", "probes.parquet")  # what a report reads
KINDS = ("plan", "record", "runs.parquet", "epochs.parquet", "probes.parquet", "digests.json", "state", "claim")


def make(root):
    """Make a study of which half of the runs are compacted, with a failed run, a state and a claim."""
    runs = [run_of(seed, skip) for skip in ("A", "none") for seed in range(3)]
    store = Store(root)
    claim = {
        "text": "a skip helps", "measure": "test_error", "relation": "<", "bound": 0.0,
        "terms": [{"factor": 1.0, "levels": {"skip": "A"}}, {"factor": -1.0, "levels": {"skip": "none"}}],
    }  # fmt: skip
    figure = {"source": "Us", "measure": "test_error", "arm": {"skip": "A"}, "value": 0.5}
    plan = plan_of(runs)
    store.add_plan(plan.__class__(**{**vars(plan), "claims": (claim,), "published": (figure,)}))
    for run in runs:
        store.write(record_of(run))
    store.compact()
    for run in runs[::2]:
        store.write(record_of(run, 2))
    Checkpoint(store.state_of(runs[1].id), 0.0).save(State(step=1, variables=[np.ones(3)]))
    (root / "claims" / f"{runs[1].id}.lock").write_text("filelock/2\n")
    return runs


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole") / "stub"
    return root, make(root)


def file_of(root, kind, rng):
    patterns = {"plan": "study.json", "record": "runs/*.json", "state": "checkpoints/*", "claim": "claims/*"}
    return rng.choice(sorted(root.glob(patterns.get(kind, f"parts/*/{kind}"))))


def flip(path, rng):
    """Change some bits, cut the end off, or put bytes in."""
    content = bytearray(path.read_bytes())
    match rng.randrange(4):
        case 0:
            for _ in range(rng.randint(1, 3)):
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        case 1:
            del content[rng.randrange(len(content)) :]
        case 2:
            place = rng.randrange(len(content))
            content[place:place] = rng.randbytes(rng.randint(1, 9))
        case 3:
            place = rng.randrange(len(content))
            content[place : place + 16] = bytes(len(content[place : place + 16]))
    path.write_bytes(bytes(content))


def places_in(value, at=()):
    """Yield the places of all values in JSON."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*at, key)
        yield from places_in(inner, (*at, key))


def edit(values, rng):
    """Change one value of JSON: take it out, double it, rename it, or put another in its place."""
    values = copy.deepcopy(values)
    *way, last = rng.choice(list(places_in(values)))
    inner = values
    for key in way:
        inner = inner[key]
    match rng.randrange(4):
        case 0:
            del inner[last]
        case 1 if isinstance(inner, list):
            inner.insert(last, copy.deepcopy(inner[last]))
        case 1:
            inner[str(rng.choice(VALUES))] = inner.pop(last)
        case _:
            inner[last] = copy.deepcopy(rng.choice(VALUES))
    return values


def edit_file(path, kind, rng):
    """Change the content of a file; return whether its checksum was made to fit, or taken away."""
    fits = rng.random() < 0.5
    if kind.endswith("parquet"):
        table = pd.read_parquet(path)
        column = rng.choice(list(table))
        match rng.randrange(3):
            case 0:
                table = table.drop(columns=column)
            case 1:
                table[column] = [rng.choice(["x", "../../victim", "[/b]", ""])] * len(table)
            case 2:
                table = table.iloc[: len(table) // 2]
        table.to_parquet(path, index=False)
        if fits:  # as one of an earlier version
            (path.parent / "digests.json").unlink()
            path.parent.rename(path.parent.with_name("old"))
        return fits
    values = edit(json.loads(path.read_text()), rng)
    if kind == "digests.json":
        path.write_text(json.dumps(values))
        return False
    if fits:
        values.pop(CHECKSUM, None)
        path.write_text(seal(values) if rng.random() < 0.7 else json.dumps(values))
    else:
        path.write_text(json.dumps(values))
    return fits


def call(main, *words):
    """Return what a program prints and its exit code; what is no mistake of a user's is raised."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        try:
            main(list(map(str, words)))
            code = 0
        except UserError as error:
            print(error)
            code = 2
        except SystemExit as end:
            code = end.code
    return out.getvalue(), code


def exported(root, out):
    """Return each run's row of `export` as text, or None if it is refused."""
    printed, code = call(ablate._main, "export", root, out)
    if code:
        return None, printed
    table = pd.read_csv(out / "runs.csv", dtype=str)
    return {row["run"]: row for row in table.sort_index(axis=1).to_dict("records")}, printed


def numbers_of(rows):
    return {run: {name: str(value) for name, value in row.items()} for run, row in rows.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_file_is_named_and_made_again(kind, whole, tmp_path, pytestconfig, monkeypatch):
    """`make torture`: 500 changes in all, four with `make test` for each kind."""
    monkeypatch.chdir(tmp_path)
    count = max(4, pytestconfig.getoption("kills") * 500 // (50 * len(KINDS)))
    source, runs = whole
    before = numbers_of(exported(source, tmp_path / "before")[0])
    noticed = 0
    for seed in range(count):
        rng = random.Random(f"{kind} {seed}")
        root = tmp_path / f"{seed}" / "stub"
        shutil.copytree(source, root)
        (root.parent / "victim.npz").touch()
        path = file_of(root, kind, rng)
        fits = False
        if kind in ("state", "claim") or rng.random() < 0.5:
            flip(path, rng)
        else:
            fits = edit_file(path, kind, rng)
        reports = kind in REPORTED and seed % (3 if fits else 25) == 0
        noticed += _tried(root, runs, before, fits=fits, reports=reports)
        assert (root.parent / "victim.npz").exists()
        shutil.rmtree(root.parent)
    print(f"{kind}: {count} changes, {noticed} noticed")


def _tried(root, runs, before, *, fits, reports):
    """Let the programs read a changed folder, and then run what is missing; return whether the change was noticed."""
    status, _ = call(ablate._main, "status", root, "--messages")
    rows, printed = exported(root, root.parent / "export")
    call(ablate._main, "verdicts", root)
    if reports:
        call(report._main, root)
    refused = rows is None
    if not fits and not refused:
        rows = numbers_of(rows)
        assert rows.items() <= before.items() or all(
            before[run].items() >= row.items() for run, row in _shared(rows, before)
        )
        if rows.keys() != before.keys():
            assert "damaged" in printed
            assert "damaged" in status
    if refused:
        assert "study.json" in printed
        (root / "study.json").unlink()  # as the message says; the command makes it anew
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        refusal = _filled(root, runs)
    if refusal:
        assert fits, refusal
        assert "must differ in its factors alone" in refusal
        return True
    if not fits:
        after = numbers_of(exported(root, root.parent / "after")[0])
        assert {run: row["test_accuracy"] for run, row in after.items()} == {
            run: row["test_accuracy"] for run, row in before.items()
        } or _same_but_failed(after, before)
    return refused or "damaged" in status


def _filled(root, runs):
    """Run what is missing; return why that is refused, or nothing."""
    try:
        fill(plan_of(runs), runs, root, StubExecution(), 100)
    except UserError as error:
        return str(error)
    return ""


def _shared(rows, before):
    """Return the rows that are compared: columns may go with the runs that had them."""
    return [(run, row) for run, row in rows.items() if run in before]


def _same_but_failed(after, before):
    """Return whether all runs are there, and those with a number have the same: a lost attempt may end otherwise."""
    assert after.keys() == before.keys()
    return all(
        after[run]["test_accuracy"] in (before[run]["test_accuracy"], "nan") or before[run]["test_accuracy"] == "nan"
        for run in before
    )
