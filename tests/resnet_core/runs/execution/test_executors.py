"""What every executor promises, and what each adds."""

import json
import os
import signal
import threading
import time
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest

from resnet_core.errors import UserError
from resnet_core.nets.keras_net import build
from resnet_core.nets.spec import cifar
from resnet_core.probes.requests import ProbeRequest, Sample
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.execution import slots
from resnet_core.runs.execution.executors import EXECUTORS
from resnet_core.runs.execution.job import Job, dataset
from resnet_core.runs.execution.measuring import measured_all
from resnet_core.runs.execution.ray_cluster import STARTED_HERE, STORE_BYTES, connected
from resnet_core.runs.execution.todo import Todo
from resnet_core.runs.records import measurements
from resnet_core.runs.records.record import Stored
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.training.checkpoints import Checkpoint, step_of
from resnet_core.runs.training.train import train_run

PLUGIN = Path(__file__).with_name("misbehaving.py")
TRAIN = TrainSpec(steps=12, batch_size=32, train_size=200)


def run(seed=0, train=TRAIN, **net):
    return Run(cifar(8, width=4, input_shape=(8, 8, 1), **net), train, ProbeSpec(batch_size=16), seed)


def misbehaving(how, **train):
    return run(train=TRAIN.replace(**train), block=how)


def setup():
    """Make the blocks of `misbehaving.py` known, in whatever process."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("misbehaving", PLUGIN)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


setup()

JOB = Job(Store(Path("nowhere")), setup=setup)


def executed(name, runs, store, job=None, on_progress=lambda run, progress: None):
    todo = Todo(runs, store)
    records = {}
    for record in EXECUTORS[name](todo, replace(job or JOB, store=store), on_progress):
        assert store.read(record.run.id).to_dict() == record.to_dict()
        todo.finish(record.run)
        records[record.run.id] = record
    return [records[planned.id] for planned in runs]


def bits(record):
    """Return all of a record that is the same whoever makes it."""
    return replace(record, seconds=0.0, usage={})


@pytest.fixture
def store(tmp_path):
    (tmp_path / "study").mkdir()
    return Store(tmp_path / "study")


@pytest.fixture(scope="module")
def alone():
    """The records of four runs, each made in this process."""
    runs = run(0), run(1), run(0, skip="none"), run(1, skip="none")
    return [
        train_run(planned, dataset(planned.train), on_trained=partial(WEIGHTS.__setitem__, planned.id))
        for planned in runs
    ]


SAMPLE = Sample(images=16)
PROBES = (ProbeRequest("lesion"), ProbeRequest("signal", step=0), ProbeRequest("signal", step=10))
WEIGHTS = {}
"""The trained weights of those runs, by their ids."""


NODE = {"num_cpus": 1, "object_store_memory": STORE_BYTES}


@pytest.fixture(scope="module")
def cluster():
    """A Ray cluster on the loopback address: two nodes of one core, of which the first is the head."""
    if find_spec("ray") is None:
        pytest.skip("the executor ray needs the extra ray")
    os.environ.update(STARTED_HERE)
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    try:
        nodes.add_node(**NODE)
        with connected(nodes.address, cores=0):
            yield nodes
    finally:
        nodes.shutdown()


RAY = pytest.mark.xdist_group("ray")


@pytest.fixture(scope="module", params=[pytest.param(name, marks=RAY) if name == "ray" else name for name in EXECUTORS])
def ended(request, alone, tmp_path_factory):
    """What one call of an executor has made of runs of every kind, while another launcher shared the folder."""
    if request.param == "ray":
        request.getfixturevalue("cluster")
    return Ended(request.param, Store(tmp_path_factory.mktemp(request.param)), alone)


class Ended:
    """The records of one call, in the order of their ends, and what was told on the way.

    `theirs` is claimed by another launcher, which records it when all of ours are done; `resumed` was ended in
    another process, after 7 of 12 steps.
    """

    def __init__(self, name, store, alone):
        self.store, self.theirs, self.resumed = store, run(7), run(8)
        self.raising, self.diverging = misbehaving("raises"), run(1, TRAIN.replace(learning_rate=1e30))
        ours = [self.raising, *(each.run for each in alone), self.diverging, self.resumed, run(2)]
        claim = store.claim(self.theirs.id)
        claim.acquire(timeout=0)
        recorded = train_run(self.theirs, dataset(self.theirs.train))
        interrupt_at(7, self.resumed, store.state_of(self.resumed.id))
        self.interrupted_at = step_of(store.state_of(self.resumed.id))
        self.records, self.progress = [], []
        todo = Todo([self.theirs, *ours], store)
        job = replace(JOB, store=store, keep_networks=True, probes=PROBES, sample=SAMPLE)
        for record in EXECUTORS[name](todo, job, lambda run, progress: self.progress.append((run.id, progress.step))):
            assert store.read(record.run.id).to_dict() == record.to_dict()
            todo.finish(record.run)
            self.records.append(record)
            if len(self.records) == len(ours):
                store.write(recorded)
                claim.release()
        self.ours = [each.id for each in ours]

    def record(self, planned):
        """Return the record of a run."""
        (match,) = [record for record in self.records if record.run.id == planned.id]
        return match

    def steps(self, planned):
        """Return the steps that were told of a run."""
        return [step for name, step in self.progress if name == planned.id]


class TestContract:
    def test_every_run_has_its_record_bit_for_bit(self, ended, alone):
        assert [bits(ended.record(record.run)) for record in alone] == list(map(bits, alone))
        assert [set(ended.steps(record.run)) for record in alone] == [{5, 10, 12}] * 4
        assert ended.store.claimed() == set()

    def test_a_run_that_ends_badly_takes_no_other_with_it(self, ended, alone):
        raised, diverged = ended.record(ended.raising), ended.record(ended.diverging)
        assert raised.outcome.status == "crashed"
        assert "RuntimeError: this block raises in training" in raised.outcome.message
        assert diverged.outcome.status == "diverged"
        others = [record for record in ended.records if record not in (raised, diverged)]
        assert [record.outcome.status for record in others] == ["completed"] * 6

    def test_a_run_is_executed_by_one_of_two_that_share_a_folder(self, ended):
        """The other has a run, and records it when ours are done: ours waits for it, and does not do it again."""
        assert sorted(record.run.id for record in ended.records) == sorted(ended.ours)
        assert ended.steps(ended.theirs) == []
        assert ended.store.has(ended.theirs.id)

    def test_a_run_goes_on_from_its_state(self, ended):
        assert ended.interrupted_at == 7
        assert bits(ended.record(ended.resumed)) == bits(train_run(ended.resumed, dataset(TRAIN)))
        assert ended.steps(ended.resumed) == [10, 12]
        assert not ended.store.state_of(ended.resumed.id).exists()

    def test_the_networks_of_completed_runs_are_kept_bit_for_bit(self, ended, alone):
        completed = [record.run.id for record in ended.records if record.outcome.status == "completed"]
        assert {path.stem for path in (ended.store.root / "networks").iterdir()} == {*completed}
        for record in alone:
            weights = ended.store.network(record.run.id).get_weights()
            assert [w.tobytes() for w in weights] == [w.tobytes() for w in WEIGHTS[record.run.id]]
        data = dataset(alone[0].run.train)
        logits = ended.store.network(alone[0].run.id).predict((data.x_test - data.shift) * data.scale, verbose=0)
        assert (logits.argmax(1) == data.y_test).mean() == alone[0].results["test_accuracy"]

    def test_probes_are_measured_of_the_networks_of_completed_runs(self, ended, alone):
        table, damaged = measurements.table(ended.store.root)
        table = table[table["step"].isna()]
        completed = {record.run.id for record in ended.records if record.outcome.status == "completed"}
        assert (set(table["run"]), damaged) == (completed, ())
        probed = alone[0].run
        (given,) = measured_all(probed, WEIGHTS[probed.id], dataset(probed.train), [ProbeRequest("lesion")], SAMPLE)
        rows = table[table["run"] == probed.id]
        assert [row["value"] for row in given.rows] == rows["value"].tolist()
        assert (set(rows["part"]), set(rows["images"])) == ({"test"}, {16})

    def test_probes_are_measured_at_their_steps(self, ended, alone):
        """Of a run that diverges, too, and of one that goes on from a state at the steps that follow it."""
        table, _ = measurements.table(ended.store.root)
        table = table[table["probe"] == "signal"]
        steps = table.groupby("run")["step"].unique().map(list).to_dict()
        assert [steps[record.run.id] for record in alone] == [[0, 10]] * 4
        assert (steps[ended.diverging.id], steps[ended.resumed.id]) == ([0], [10])
        probed = alone[0].run
        initial = build(probed.net, seed=probed.init_seed).get_weights()
        (given,) = measured_all(probed, initial, dataset(probed.train), [ProbeRequest("signal")], SAMPLE)
        rows = table[(table["run"] == probed.id) & (table["step"] == 0)]
        assert [row["value"] for row in given.rows] == rows["value"].tolist()


def interrupt_at(step, planned, path):
    """Execute a run until a state is saved after so many steps."""
    from resnet_core.runs.training.loop import made_with

    asked = []

    def stop():
        asked.append(None)
        return len(asked) >= step

    with pytest.raises(KeyboardInterrupt):
        train_run(planned, dataset(planned.train), checkpoint=Checkpoint(path, 1e9, made_with(), stop))


class TestStates:
    @pytest.mark.parametrize("step", [1, 5, 6, 11, 12])
    def test_a_run_interrupted_anywhere_ends_as_if_it_had_not_been(self, step, tmp_path):
        """Within an epoch, at its end (an epoch has 5 steps), at the last step; with dropout, whose seeds go on."""
        planned = run(3, TRAIN.replace(augmentation="crop_flip"), dropout=0.3)
        whole = train_run(planned, dataset(planned.train))
        interrupt_at(step, planned, tmp_path / "state.npz")
        again = train_run(planned, dataset(planned.train), checkpoint=Checkpoint(tmp_path / "state.npz", 1e9, log()))
        assert bits(again) == bits(whole)

    @pytest.mark.parametrize("step", [3, 7])
    def test_so_does_one_whose_optimiser_loss_scale_and_mixtures_go_on(self, step, tmp_path):
        """The rows stand in the order of their steps, also where they were read earlier for the state."""
        train = TRAIN.replace(
            optimizer="adamw", learning_rate=0.01, precision="mixed_float16", cutout=3, mixup=0.4, label_smoothing=0.1
        )
        planned = replace(run(3, train), probe=ProbeSpec(steps=(4, 8), batch_size=16, step_gradients=1))
        whole = train_run(planned, dataset(planned.train))
        interrupt_at(step, planned, tmp_path / "state.npz")
        again = train_run(planned, dataset(planned.train), checkpoint=Checkpoint(tmp_path / "state.npz", 1e9, log()))
        assert whole.outcome.status == "completed"
        assert bits(again) == bits(whole)

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half of an archive"])
    def test_a_damaged_state_is_as_none(self, content, tmp_path):
        (tmp_path / "state.npz").write_bytes(content)
        assert Checkpoint(tmp_path / "state.npz", 1e9).load() is None
        assert step_of(tmp_path / "state.npz") is None

    def test_a_state_made_otherwise_is_as_none(self, tmp_path):
        interrupt_at(2, run(), tmp_path / "state.npz")
        assert Checkpoint(tmp_path / "state.npz", 1e9, "another environment").load() is None

    def test_where_there_is_no_room_the_run_goes_on(self, tmp_path):
        (tmp_path / "states").touch()
        record = train_run(run(), dataset(TRAIN), checkpoint=Checkpoint(tmp_path / "states" / "state.npz", 0.0))
        assert record.outcome.status == "completed"


def log():
    from resnet_core.runs.training.loop import made_with

    return made_with()


class TestProcesses:
    """What only processes can promise."""

    def test_runs_that_end_their_process_leave_the_others_as_they_are(self, store, tmp_path, alone):
        """Killed at the first training step once, killed there every time, asleep in it, without memory, at fault."""
        job = replace(
            JOB, setup=partial(setup_with, str(tmp_path / "died")), workers=2, retries=1, timeout=20, memory=6.0
        )
        bad = [misbehaving("dies_once", data_seed=1), *map(misbehaving, ("sleeps", "dies", "allocates", "faults"))]
        again, late, killed, large, crashed, good = executed("processes", [*bad, alone[0].run], store, job)
        assert again.outcome.status == "completed"
        assert (tmp_path / "died").exists()
        assert bits(good) == bits(alone[0])
        assert killed.outcome.status == "killed"
        assert killed.outcome.message == "its process ended with signal SIGKILL, in 2 of 2 tries"
        assert killed.network["layers"] == 8
        assert crashed.outcome.status == "crashed"  # and is not tried again
        assert crashed.outcome.message == "its process ended with signal SIGSEGV, in 1 of 2 tries"
        assert late.outcome.status == "timed_out"
        assert late.outcome.message == "it took more than 20 s"
        assert large.outcome.status == "out_of_memory"

    def test_workers_end_with_their_launcher(self, store):
        """What `stop` does when the generator is left. There are no more of them than runs."""
        todo = Todo([run(0), run(1, TRAIN.replace(steps=100_000))], store)
        records = EXECUTORS["processes"](todo, replace(JOB, store=store, workers=3), lambda run, progress: None)
        next(records)
        assert len(active_children()) == 2
        records.close()
        assert active_children() == []


def test_a_process_gives_way_to_a_new_one_after_so_many_networks(store, alone, monkeypatch):
    """TensorFlow keeps some memory of each; the results are the same, and seeds of one network do not count."""
    monkeypatch.setattr(slots, "NETWORKS", 1)
    seen = {}

    def on_progress(run, progress):
        (worker,) = active_children()
        seen[run.id] = worker.pid

    runs = [record.run for record in alone[:3]]
    assert list(map(bits, executed("processes", runs, store, on_progress=on_progress))) == list(map(bits, alone[:3]))
    first, second, other = (seen[run.id] for run in runs)
    assert first == second != other


def test_a_node_that_does_not_see_the_folder_writes_nothing_there(store, alone):
    """It would see the run's claim; the record is the same."""
    pytest.importorskip("ray", reason="the executor ray needs the extra ray")
    from resnet_core.runs.execution.ray_worker import Worker

    worker = Worker(replace(JOB, store=store, checkpoint_seconds=0.0), str(Path.cwd()), {})
    text, files, reports = worker.perform(alone[0].run)
    assert files == {}
    assert bits(Stored.from_dict(json.loads(text)).record()) == bits(alone[0])
    assert [progress.step for progress in reports] == [5, 10, 12]
    assert list(store.root.iterdir()) == []


@RAY
class TestRay:
    """What the nodes of a cluster can promise."""

    def test_runs_that_end_their_process_leave_the_others_as_they_are(self, cluster, store, alone):
        """What is begun again is a run whose node is lost, below."""
        job = replace(JOB, retries=0, memory=6.0)
        bad = map(misbehaving, ("dies", "allocates", "faults"))
        killed, large, crashed, good = executed("ray", [*bad, alone[0].run], store, job)
        assert crashed.outcome.status == "crashed"
        assert crashed.outcome.message.endswith("its process ended with signal SIGSEGV")
        assert good.outcome.status == "completed"
        assert bits(good) == bits(alone[0])
        assert killed.outcome.status == "killed"
        assert killed.outcome.message == "its process ended or its node was lost, in 1 of 1 tries"
        assert killed.network["layers"] == 8
        assert large.outcome.status == "out_of_memory"

    def test_a_run_that_takes_too_long_is_ended(self, cluster, store):
        (record,) = executed("ray", [misbehaving("sleeps")], store, replace(JOB, timeout=2))
        assert record.outcome.status == "timed_out"
        assert record.outcome.message == "it took more than 2 s"

    def test_a_node_is_lost_in_mid_run(self, cluster, store, tmp_path, monkeypatch):
        """Both nodes are within a run when one is lost: the other executes all, and the records are as ever."""
        monkeypatch.setenv("MISBEHAVING_PATH", str(tmp_path))
        runs = [run(seed, block="waits") for seed in range(3)]

        def lose_one():
            while len(list(tmp_path.glob("*.mark"))) < 2:
                time.sleep(0.05)
            cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
            (tmp_path / "open").touch()

        losing = threading.Thread(target=lose_one, daemon=True)
        losing.start()
        try:
            job = replace(JOB, workers=2, setup=partial(setup_with, str(tmp_path)))
            records = executed("ray", runs, store, job)
        finally:
            losing.join(30)
            cluster.add_node(**NODE)
        marks = len(list(tmp_path.glob("*.mark")))
        assert list(map(bits, records)) == [bits(train_run(planned, dataset(planned.train))) for planned in runs]
        assert {record.outcome.status for record in records} == {"completed"}
        assert marks == 2

    def test_a_run_that_is_stopped_keeps_its_state(self, cluster, store):
        planned = run(1, TRAIN.replace(steps=100_000))
        todo = Todo([planned], store)
        reached = []

        def stop(run, progress):
            reached.append(progress.step)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            list(EXECUTORS["ray"](todo, replace(JOB, store=store), stop))
        assert step_of(store.state_of(planned.id)) >= reached[0]

    def test_a_node_that_cannot_load_the_users_code_is_a_users_mistake(self, cluster, store):
        job = replace(JOB, setup=partial(setup_without, "/nowhere/plugin.py"))
        with pytest.raises(UserError, match=r"a plugin must be .* but /nowhere/plugin.py is not.* \(on the node "):
            executed("ray", [run()], store, job)

    def test_an_actor_that_fits_no_node_is_a_users_mistake(self, cluster, store):
        with pytest.raises(UserError, match="needs a node with 64 CPUs, but the cluster has none"):
            executed("ray", [run()], store, replace(JOB, threads=64))


def setup_without(path):
    from resnet_core.runs.execution.plugins import load_plugins

    load_plugins([Path(path)])


def setup_with(path):
    os.environ["MISBEHAVING_PATH"] = path
    setup()


def test_a_state_keeps_arrays_bit_for_bit(tmp_path):
    from resnet_core.runs.training.checkpoints import State

    arrays = [np.array([1e-45, np.pi, -0.0], np.float32), np.arange(6, dtype=np.uint32).reshape(2, 3), np.array(3)]
    state = State(4, arrays, [{"epoch": 1, "loss": 0.1}], [{"value": float("inf")}], [(0.1 + 0.2, 0.5)], 1.25)
    Checkpoint(tmp_path / "state.npz", 0.0).save(state)
    kept = Checkpoint(tmp_path / "state.npz", 0.0).load()
    assert replace(kept, variables=()) == replace(state, variables=())
    for mine, theirs in zip(kept.variables, arrays, strict=True):
        assert (mine.dtype, mine.tobytes()) == (theirs.dtype, theirs.tobytes())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_last_state_of_a_run_ends_the_study_after_that_run(number, tmp_path):
    class Interrupted(Store):
        def write(self, record):
            os.kill(os.getpid(), number)
            return super().write(record)

    store = Interrupted(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        executed("serial", [run(0), run(1)], store)
    assert [record.run.seed for record in store.records()] == [0]


def test_a_signal_between_two_runs_is_not_lost_in_a_finaliser(store):
    """Python reports what a finaliser raises, and goes on; collecting a network runs many."""

    class Interrupting:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGINT)

    class Trapped(Todo):
        def finish(self, run):
            super().finish(run)
            Interrupting()

    todo = Trapped([run(0), run(1)], store)
    records = EXECUTORS["serial"](todo, replace(JOB, store=store), lambda run, progress: None)
    todo.finish(next(records).run)
    with pytest.raises(KeyboardInterrupt):
        next(records)
