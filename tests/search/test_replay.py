"""The state of an oracle is made anew from the plan and the records, bit for bit."""

import json
import random
from dataclasses import replace

import pytest

from resnet_core.errors import UserError
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import TrainSpec
from resnet_core.sealed import seal, unseal
from search import runner
from search.objectives import for_keras_tuner
from search.oracles import oracle
from search.proposals import Proposals, SearchBudget
from search.replay import replay
from tests.search.test_search import RATES, three


@pytest.fixture
def search(tmp_path):
    return replace(three(tmp_path / "found"), space=RATES, budget=SearchBudget(7))


def oracle_of(search, trials=7):
    return oracle(
        search.oracle, for_keras_tuner(search.objectives), search.space.hyperparameters.copy(), trials, search.seed,
        accepts=search.accepts, **search.options,
    )  # fmt: skip


def result(run):
    """Return a record as if the run had been executed."""
    accuracy = random.Random(run.id).random()
    return Record(run, Outcome("completed", 1), {"val_accuracy": accuracy}, network={"parameters": 1, "macs": 1})


def searched(search, workers, restart=None):
    """Search with so many runs under way, which end in no order; return the oracle's state."""
    store, rng = Store(search.root), random.Random(workers)
    store.root.mkdir(exist_ok=True)
    plan = search.plan()
    count = 0
    while True:
        proposes = oracle_of(search)
        proposes._set_project_dir(str(store.root.parent), store.root.name)
        accepts = search.accepts.add
        proposals = Proposals(proposes, search.run_of, plan, store, search.objectives, search.budget, accepts)
        held = []
        while proposals.left or held:
            while len(held) < workers and (run := proposals.take()):
                held.append(run)
            if not held:
                break
            run = held.pop(rng.randrange(len(held)))
            store.write(result(run))
            count += 1
            if count == restart:
                break  # killed before the oracle hears of it
            proposals.ended(result(run))
            proposals.finish(run)
        if count != restart:
            return (store.root / "oracle.json").read_text()
        for left in [run, *held]:
            proposals.finish(left)
        count += 1


def again(search):
    """Return the state that is made anew."""
    search, store = replace(search), Store(search.root)  # it has seen no point
    kept = store.plan()
    (store.root / "oracle.json").unlink()
    anew = oracle_of(search)
    replay(anew, kept.runs, search.run_of, result, lambda run: store.has(run.id), search.objectives, search.accepts.add)
    anew._set_project_dir(str(store.root.parent), store.root.name)
    anew.save()
    return (store.root / "oracle.json").read_text()


@pytest.mark.parametrize("name", ["gp", "tpe", "evolution", "asha", "hyperband"])
@pytest.mark.parametrize(("workers", "restart"), [(1, None), (3, None), (3, 4)])
def test_the_state_is_what_it_was(name, workers, restart, search):
    """Whatever was open and had ended before each proposal."""
    if name in ("asha", "hyperband"):
        search = replace(search, oracle=name, train=TrainSpec(epochs=9, test=False, batch_size=32))
    else:
        search = replace(search, oracle=name)
    state = searched(search, workers, restart)
    trials, ends = (json.loads(state)[field] for field in ("trials", "end_order"))
    replayed = json.loads(again(search))
    assert replayed["trials"] == trials
    assert sorted(replayed["end_order"]) == sorted(ends)


def test_the_plan_says_what_was_known_at_each_proposal(search):
    searched(search, 3)
    known = [run.known for run in Store(search.root).plan().runs]
    assert known[:3] == [(), (), ()]
    assert [len(ids) for ids in known[3:]] == [1, 1, 1, 1]


def test_an_oracle_that_proposes_something_else_is_refused(search):
    searched(search, 1)
    with pytest.raises(UserError, match="must propose the same trials again, but trial 1 is not"):
        again(replace(search, seed=7))


@pytest.mark.parametrize("damage", ["", "{}", "[]", "null", "truncated", "score", "missing", "values"])
def test_a_damaged_state_is_made_anew(damage, search, capsys, monkeypatch):
    """And the search goes on as if nothing had been; the message names the file."""
    from tests.search.test_search import SERIAL

    search = replace(search, budget=SearchBudget(2), train=search.train.replace(epochs=2))
    monkeypatch.setattr(runner, "trials_table", lambda *_: "")
    path = search.root / "oracle.json"
    runner.run(search, SERIAL, best=0, seeds=1)
    state = path.read_text()
    match damage:
        case "missing":
            path.unlink()
        case "truncated":
            path.write_text(state[:200])
        case "score":
            path.write_text(state.replace('"score": 0.', '"score": 0.9').replace('"score":0.', '"score":0.9'))
        case "values":  # of a trial, in a file that is sealed anew
            values = unseal(path.read_bytes())
            del values["trials"][0]["values"]["rate"]
            path.write_text(seal(values))
        case _:
            path.write_text(damage)
    records = {file.name: file.read_bytes() for file in search.root.glob("runs/*")}
    runner.run(search, SERIAL, best=0, seeds=1)
    assert path.read_text() == state
    assert {file.name: file.read_bytes() for file in search.root.glob("runs/*")} == records
    assert f"{path} is reconstructed" in capsys.readouterr().out
    assert len(list(search.root.glob("damaged/*"))) == (damage != "missing")


@pytest.mark.parametrize("content", [None, "{}"], ids=["lost", "damaged"])
def test_a_record_that_is_lost_with_the_state_is_made_again(content, search, monkeypatch):
    """A run's results are a function of its trial, so the state is what it was."""
    from tests.search.test_search import SERIAL, trials

    search = replace(search, budget=SearchBudget(2))
    monkeypatch.setattr(runner, "trials_table", lambda *_: "")
    runner.run(search, SERIAL, best=0, seeds=1)
    path, before = search.root / "oracle.json", trials(search)
    state = path.read_text()
    path.unlink()
    record = sorted(search.root.glob("runs/*.json"))[0]
    record.unlink()
    if content is not None:
        record.write_text(content)
    runner.run(search, SERIAL, best=0, seeds=1)
    assert trials(search) == before
    assert path.read_text() == state
