"""What the loggers write, read back with their own packages; a run's progress and record are real."""

import json
import os
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from resnet_core.errors import UserError
from resnet_core.nets.spec import cifar
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data import prepare
from resnet_core.runs.execution.loggers import (
    LOGGERS,
    Loggers,
    check_loggers,
    open_loggers,
)
from resnet_core.runs.execution.loggers.base import settings
from resnet_core.runs.execution.loggers.tensorboard import folder_name
from resnet_core.runs.records.record import Outcome
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.training.train import train_run

RUN = Run(
    cifar(8, 4, input_shape=(8, 8, 1)),
    TrainSpec(steps=45, batch_size=64),
    ProbeSpec(steps=(0, 1), batch_size=32),
    seed=3,
    factors={"depth": 8, "skip": "A", "fused": True},
)
LABEL = "depth=8,skip=A,fused=True,seed=3"
MEASURES = ["learning_rate", "loss", "accuracy", "val_loss", "val_accuracy"]
SETTINGS = {
    "depth": "8", "skip": "A", "fused": "True", "seed": "3", "net.input_shape": "[8, 8, 1]", "net.depths": "[1, 1, 1]",
    "net.widths": "[4, 8, 16]", "train.steps": "45", "train.batch_size": "64",
    "probe.steps": "[0, 1]", "probe.batch_size": "32",
}  # fmt: skip


@pytest.fixture(scope="module")
def done(digits):
    """What was told of a run on its way, and its record."""
    reports = []
    record = train_run(RUN, prepare(digits, RUN.train), reports.append)
    assert [row["step"] for row in record.epochs] == [20, 40, 45]
    return reports, record


def follow(done, names, folder, *, rows=3, end=True):
    """Tell loggers of the run up to the end of so many epochs."""
    reports, record = done
    loggers = open_loggers(names, "depth", folder)
    for progress in reports:
        if progress.row is None or record.epochs.index(progress.row) < rows:
            loggers.progress(RUN, progress)
    if end:
        loggers.end(record)
    loggers.close()


def curve(record, name):
    return [(row["step"], pytest.approx(row[name], rel=1e-6)) for row in record.epochs]


def test_settings_are_factors_seed_and_what_differs_from_the_defaults():
    assert {name: str(value) for name, value in settings(RUN).items()} == SETTINGS


@pytest.mark.parametrize(
    ("factors", "name"),
    [
        ({"depth": 8, "skip": "A"}, "depth=8,skip=A,seed=0"),
        ({"data": "../a b"}, "data=.._a,b,seed=0-ID"),
        ({"long": "x" * 300}, f"long={'x' * 145}-ID"),
    ],
)
def test_a_folder_is_named_by_the_label_and_by_the_id_where_that_does_not_tell(factors, name):
    run = replace(RUN, factors=factors, seed=0)
    assert folder_name(run) == name.replace("ID", run.id)


class TestTensorBoard:
    @pytest.fixture(autouse=True)
    def _package(self):
        pytest.importorskip("tensorboard", reason="pip install 'resnet-ablation[tensorboard]'")

    def read(self, folder, name=LABEL):
        """Return the scalars of a run as TensorBoard reads them: name to steps and values."""
        from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
        from tensorboard.util.tensor_util import make_ndarray

        self.events = EventMultiplexer().AddRunsFromDirectory(str(folder / "tensorboard"))
        self.events.Reload()
        tags = [tag for tag in self.events.Runs()[name]["tensors"] if not tag.startswith("_hparams_")]
        return {
            tag: [(event.step, float(make_ndarray(event.tensor_proto))) for event in self.events.Tensors(name, tag)]
            for tag in tags
        }

    def test_epochs_stand_at_their_steps_and_results_at_the_last(self, done, tmp_path):
        follow(done, ["tensorboard"], tmp_path)
        scalars, record = self.read(tmp_path), done[1]
        for name in MEASURES:
            assert scalars[name] == curve(record, name)
        for name, value in record.results.items():
            assert scalars[f"results/{name}"] == [(45, pytest.approx(value, rel=1e-6))]

    @pytest.mark.parametrize(("when", "step"), [("first", 0), ("last", 45)])
    def test_a_probe_is_a_curve_over_depth(self, done, tmp_path, when, step):
        follow(done, ["tensorboard"], tmp_path)
        probe, path = "weight_gradient_l2", "main"
        expected = [
            (row["index"], pytest.approx(row["value"], rel=1e-6))
            for row in done[1].probes
            if (row["probe"], row["path"], row["step"]) == (probe, path, step)
        ]
        assert len(expected) >= 8
        assert self.read(tmp_path)[f"{probe}/{path}_by_depth_{when}"] == expected

    @pytest.mark.parametrize(
        ("status", "shown"), [("completed", "STATUS_SUCCESS"), ("diverged", "STATUS_FAILURE"), (None, "STATUS_UNKNOWN")]
    )
    def test_the_table_of_hyperparameters_has_factors_results_and_status(self, done, tmp_path, status, shown):
        from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
        from tensorboard.context import RequestContext
        from tensorboard.plugins.base_plugin import TBContext
        from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

        reports, record = done
        follow(
            (reports, replace(record, outcome=Outcome(status or "crashed", 45))), ["tensorboard"], tmp_path, end=status
        )
        self.read(tmp_path)
        folder = str(tmp_path / "tensorboard")
        context = backend_context.Context(TBContext(data_provider=MultiplexerDataProvider(self.events, folder)))
        metric = api_pb2.ColParams(metric=api_pb2.MetricName(tag="results/test_accuracy"))
        request = api_pb2.ListSessionGroupsRequest(
            start_index=0, slice_size=9, allowed_statuses=api_pb2.Status.values(), col_params=[metric]
        )
        (group,) = list_session_groups.Handler(RequestContext(), context, "", request).run().session_groups
        values = {name: getattr(value, value.WhichOneof("kind")) for name, value in group.hparams.items()}
        assert values == {"depth": 8.0, "skip": "A", "fused": True, "seed": 3.0}
        assert api_pb2.Status.Name(group.sessions[0].status) == shown
        shown_results = {value.name.tag: value.value for value in group.metric_values}
        accuracy = pytest.approx(record.results["test_accuracy"], rel=1e-6)
        assert shown_results.get("results/test_accuracy") == (accuracy if status else None)

    def test_epochs_are_readable_while_the_run_is_under_way(self, done, tmp_path):
        loggers = open_loggers(["tensorboard"], "depth", tmp_path)
        for progress in done[0][:3]:  # at step 10, at step 20, the row of the first epoch
            loggers.progress(RUN, progress)
        assert self.read(tmp_path)["loss"] == curve(done[1], "loss")[:1]
        loggers.close()

    @pytest.mark.parametrize("rows", [0, 1])
    def test_a_second_attempt_takes_the_place_of_the_first(self, done, tmp_path, rows):
        """From the first epoch that it tells of; what was not told on the way comes with the record."""
        follow(done, ["tensorboard"], tmp_path, rows=2, end=False)
        follow(done, ["tensorboard"], tmp_path, rows=rows)
        assert self.read(tmp_path)["loss"] == curve(done[1], "loss")

    def test_it_does_not_load_tensorflow(self, tmp_path):
        script = (
            "import sys; from pathlib import Path; from resnet_core.runs.execution.loggers import open_loggers;"
            "from resnet_core.runs.records.record import Outcome, Record; from resnet_core.nets.spec import cifar;"
            "from resnet_core.runs.spec import Run, TrainSpec;"
            "loggers = open_loggers(['tensorboard'], 'depth', Path(sys.argv[1]));"
            "loggers.end(Record(Run(cifar(8), TrainSpec(steps=1)), Outcome('crashed', 0)));"
            "assert 'tensorflow' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", script, tmp_path], check=True)
        assert len(list(tmp_path.glob("tensorboard/seed=0/events.out.tfevents.*"))) == 1


class TestMLflow:
    @pytest.fixture(autouse=True)
    def _package(self, monkeypatch):
        for name in ("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_ALLOW_FILE_STORE"):
            monkeypatch.setenv(name, "true")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        pytest.importorskip("mlflow", reason="pip install 'resnet-ablation[mlflow]'")

    def read(self, store):
        """Return the client of the store and its one run."""
        from mlflow import MlflowClient

        client = MlflowClient(store.as_uri())
        experiment = client.get_experiment_by_name("depth").experiment_id
        (run,) = client.search_runs([experiment])
        return client, run

    @pytest.mark.parametrize("rows", [3, 1, 0])
    def test_a_run_has_its_settings_its_curves_and_its_results(self, done, tmp_path, rows):
        """However many epochs were told of on the way."""
        follow(done, ["mlflow"], tmp_path, rows=rows)
        client, run = self.read(tmp_path / "mlflow")
        record = done[1]
        assert run.data.params == SETTINGS
        assert run.info.run_name == RUN.label
        assert (run.data.tags["run"], run.data.tags["status"], run.info.status) == (RUN.id, "completed", "FINISHED")
        for name in MEASURES:
            history = client.get_metric_history(run.info.run_id, name)
            assert sorted((at.step, at.value) for at in history) == [(row["step"], row[name]) for row in record.epochs]
        for name, value in record.results.items():
            assert run.data.metrics[f"results/{name}"] == value

    @pytest.mark.parametrize(("status", "shown"), [("diverged", "FINISHED"), ("crashed", "FAILED"), (None, "KILLED")])
    def test_how_a_run_ended_is_told(self, done, tmp_path, status, shown):
        reports, record = done
        ended = replace(record, results={}, outcome=Outcome(status or "crashed", 9, "-" * 99_999 + "why"))
        follow((reports, ended), ["mlflow"], tmp_path, end=status)
        _, run = self.read(tmp_path / "mlflow")
        assert run.info.status == shown
        assert run.data.tags.get("status") == status
        assert run.data.tags.get("message", "") == (("-" * 4997 + "why") if status else "")

    def test_the_tracking_uri_of_the_environment_is_taken(self, done, tmp_path, monkeypatch):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "elsewhere").as_uri())
        follow(done, ["mlflow"], tmp_path)
        assert self.read(tmp_path / "elsewhere")[1].data.tags["run"] == RUN.id
        assert not (tmp_path / "mlflow").exists()

    def test_a_server_that_is_gone_is_said_once_and_the_others_go_on(self, done, tmp_path, monkeypatch, capfd):
        pytest.importorskip("tensorboard", reason="pip install 'resnet-ablation[tensorboard]'")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # the port of discard, which nobody serves
        follow(done, ["mlflow", "tensorboard"], tmp_path)
        printed = capfd.readouterr().err
        assert printed.startswith("warning: mlflow failed, and the study continues without it: MlflowException: ")
        assert printed.count("\n") == 1
        assert TestTensorBoard().read(tmp_path)["loss"] == curve(done[1], "loss")


class TestWandb:
    @pytest.fixture(autouse=True)
    def _package(self, monkeypatch):
        monkeypatch.setenv("WANDB_MODE", "offline")
        pytest.importorskip("wandb", reason="pip install 'resnet-ablation[wandb]'")

    def read(self, folder):
        """Yield the records of the one run: a log in LevelDB's format, blocks of 32 KiB, after a header of 7 bytes."""
        import wandb
        from wandb.proto.wandb_internal_pb2 import Record

        wandb.teardown()  # as at the end of a process: its service writes in its own time
        (path,) = folder.glob("wandb/offline-run-*/run-*.wandb")
        content, at, record = path.read_bytes(), 7, b""
        while at < len(content):
            if 32768 - at % 32768 < 7:
                at += 32768 - at % 32768
                continue
            _, length, kind = struct.unpack("<IHB", content[at : at + 7])
            record += content[at + 7 : at + 7 + length]
            at += 7 + length
            if kind in (1, 4):  # whole, or the last of several parts
                yield Record.FromString(record)
                record = b""

    @staticmethod
    def values(items):
        return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}

    @pytest.mark.parametrize("rows", [3, 1])
    def test_a_run_has_its_settings_its_curves_and_its_results(self, done, tmp_path, rows):
        follow(done, ["wandb"], tmp_path, rows=rows)
        records, record = list(self.read(tmp_path)), done[1]
        (run,) = [at.run for at in records if at.WhichOneof("record_type") == "run"]
        config = self.values(run.config.update)
        assert {name: str(config[name]) for name in SETTINGS} == SETTINGS
        assert (run.project, run.run_group, run.display_name) == ("resnet-ablation", "depth", RUN.label)
        history = [self.values(at.history.item) for at in records if at.WhichOneof("record_type") == "history"]
        assert sorted(row["step"] for row in history) == [20, 40, 45]
        for row, logged in zip(record.epochs, sorted(history, key=lambda row: row["step"]), strict=True):
            assert {name: logged[name] for name in MEASURES} == {name: row[name] for name in MEASURES}
        summary = {}
        for at in records:
            summary |= self.values(at.summary.update)
        assert summary["status"] == "completed"
        assert {name: summary[f"results/{name}"] for name in record.results} == record.results

    @pytest.mark.parametrize(("status", "code"), [("completed", 0), ("diverged", 0), ("crashed", 1), (None, 1)])
    def test_how_a_run_ended_is_told(self, done, tmp_path, status, code):
        reports, record = done
        follow(
            (reports, replace(record, outcome=Outcome(status or "crashed", 9, "why"))), ["wandb"], tmp_path, end=status
        )
        (exit_,) = [at.exit for at in self.read(tmp_path) if at.WhichOneof("record_type") == "exit"]
        assert exit_.exit_code == code

    def test_without_a_user_it_is_refused(self, tmp_path):
        """In a process of its own: the package reads its settings once."""
        script = (
            "from pathlib import Path; from resnet_core.errors import UserError\n"
            "from resnet_core.runs.execution.loggers import open_loggers\n"
            "try: open_loggers(['wandb'], 'depth', Path('logs'))\n"
            "except UserError as error: print(error)"
        )
        nobody = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        printed = subprocess.run(
            [sys.executable, "-c", script], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL,
            cwd=tmp_path, env={**nobody, "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        ).stdout  # fmt: skip
        assert printed.startswith("--log wandb needs a user, but No API key configured.")
        assert printed.endswith("Or set WANDB_MODE=offline\n")
        assert list(tmp_path.glob("logs")) == []


@pytest.fixture(params=LOGGERS)
def name(request, monkeypatch):
    """The name of each logger, whose package is there, and which needs no server."""
    pytest.importorskip(request.param)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for variable in ("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_ALLOW_FILE_STORE"):
        monkeypatch.setenv(variable, "true")
    monkeypatch.setenv("WANDB_MODE", "offline")
    return request.param


class TestContract:
    """What every logger promises."""

    def test_nothing_is_written_before_a_run_has_begun(self, name, tmp_path):
        open_loggers([name], "depth", tmp_path / "logs").close()
        assert not (tmp_path / "logs").exists()

    def test_runs_may_alternate_and_end_without_having_been_told_of(self, done, name, tmp_path, capfd):
        reports, record = done
        other = replace(RUN, seed=4)
        loggers = open_loggers([name], "depth", tmp_path / "logs")
        for progress in reports:
            loggers.progress(RUN, progress)
            loggers.progress(other, progress)
        loggers.end(record)
        loggers.end(replace(record, run=replace(RUN, seed=5), outcome=Outcome("killed", 0), epochs=(), probes=()))
        loggers.close()  # the other did not end
        assert "warning" not in capfd.readouterr().err
        assert any((tmp_path / "logs" / name).rglob("*"))

    def test_an_error_of_a_logger_is_said_once_and_is_its_last_call(self, done, name, tmp_path, capsys):
        reports, record = done
        (tmp_path / "logs").write_text("a file where its folder would be")
        loggers = open_loggers([name], "depth", tmp_path / "logs")
        for progress in reports:
            loggers.progress(RUN, progress)
        loggers.end(record)
        loggers.close()
        printed = capsys.readouterr().err
        assert printed.startswith(f"warning: {name} failed, and the study continues without it: ")
        assert printed.count("\n") == 1

    def test_a_folder_that_was_moved_away_is_not_made_again(self, done, name, tmp_path, capsys):
        reports, record = done
        root = tmp_path / "depth"
        root.mkdir()
        loggers = open_loggers([name], "depth", root / "logs")
        for progress in reports[:2]:
            loggers.progress(RUN, progress)
        root.rename(tmp_path / "elsewhere")
        with pytest.raises(UserError, match="depth is no longer there"):
            loggers.progress(RUN, reports[2])
        with pytest.raises(UserError, match="depth is no longer there"):
            loggers.end(record)
        loggers.close()
        assert not root.exists()
        assert capsys.readouterr().err == ""


class Broken:
    """A logger that fails in one of its calls, and counts them."""

    def __init__(self, call):
        self.calls, self._call = [], call

    def _called(self, call):
        self.calls.append(call)
        if call == self._call:
            raise OSError("no space\nleft")

    def progress(self, run, progress):
        self._called("progress")

    def end(self, record):
        self._called("end")

    def close(self):
        self._called("close")


@pytest.mark.parametrize("call", ["progress", "end", "close"])
def test_the_first_error_of_a_logger_is_its_last_call(done, call, capsys, tmp_path):
    reports, record = done
    broken, whole = Broken(call), Broken(None)
    loggers = Loggers({"broken": broken, "whole": whole}, tmp_path)
    for progress in reports[:2]:
        loggers.progress(RUN, progress)
    loggers.end(record)
    loggers.close()
    assert whole.calls == ["progress", "progress", "end", "close"]
    assert broken.calls == whole.calls[: whole.calls.index(call) + 1]
    warning = "warning: broken failed, and the study continues without it: OSError: no space left\n"
    assert capsys.readouterr().err == warning


def test_every_logger_has_its_package_and_its_extra():
    extras = Path(__file__).parents[4].joinpath("pyproject.toml").read_text()
    assert all(f"\n{logger.package} = [" in extras for logger in LOGGERS.values())


@pytest.mark.parametrize("name", LOGGERS)
def test_a_missing_package_is_named_with_its_extra(name, tmp_path):
    """In a process without installed packages but those that are needed to ask, and with a folder of the name."""
    (tmp_path / name).mkdir()
    script = (
        "import sys; from resnet_core.errors import UserError\n"
        "from resnet_core.runs.execution.loggers import check_loggers\n"
        f"sys.path[:] = [{str(tmp_path)!r}]\n"
        f"try: check_loggers([{name!r}])\n"
        "except UserError as error: print(error)"
    )
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert printed == (
        f"--log {name} needs the package {name}, but it is not installed; pip install 'resnet-ablation[{name}]'\n"
    )


def test_no_logger_needs_nothing():
    check_loggers([])
