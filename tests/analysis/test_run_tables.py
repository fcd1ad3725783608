"""Tables of runs that other tools keep, written by these tools."""

import pandas as pd
import pytest

from analysis.claims import mean
from analysis.judging.run_table import column, judge
from analysis.run_tables import read_runs
from resnet_core.errors import UserError

ROWS = [
    {"skip": skip, "seed": seed, "acc": base + seed / 1000}
    for skip, base in (("None", 0.5), ("A", 0.7), ("B", 0.71))
    for seed in range(5)
]
ACCURACY = column("acc", best=1.0, worst=0.0)
CLAIMS = [mean(ACCURACY, skip="A") > mean(ACCURACY, skip="None"), mean(ACCURACY, skip="B") < 0.6]


def judged(table, **options):
    verdicts = judge(table, CLAIMS, factors=["skip"], **options)
    return verdicts[["verdict", "effect", "low", "high", "p", "n"]]


@pytest.fixture(scope="module")
def expected():
    return judged(pd.DataFrame(ROWS))


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_files(suffix, tmp_path, expected):
    path, table = tmp_path / f"runs{suffix}", pd.DataFrame(ROWS)
    if suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="," if suffix == ".csv" else "\t")
    pd.testing.assert_frame_equal(judged(read_runs(str(path))), expected)


def test_a_file_store_of_mlflow(tmp_path, monkeypatch, expected):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = mlflow.MlflowClient(tracking_uri=tmp_path.as_uri())
    experiment = client.create_experiment("theirs")
    for row in ROWS:
        run = client.create_run(experiment).info.run_id
        client.log_param(run, "skip", row["skip"])
        client.log_param(run, "seed", row["seed"])
        client.log_metric(run, "acc", 0.1, step=0)
        client.log_metric(run, "acc", row["acc"], step=1)
        client.set_terminated(run)
    lost = client.create_run(experiment).info.run_id
    client.log_param(lost, "skip", "B")
    client.log_param(lost, "seed", 5)
    client.set_terminated(lost, "KILLED")
    table = read_runs(f"mlflow:{tmp_path}")
    assert table["status"].value_counts().to_dict() == {"FINISHED": 15, "KILLED": 1}
    pd.testing.assert_frame_equal(judged(table[table["status"] == "FINISHED"], status="status"), expected)


@pytest.fixture
def two_runs(tmp_path, monkeypatch):
    """A file store of MLflow with two runs that have a parameter and a metric of one name."""
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = mlflow.MlflowClient(tracking_uri=tmp_path.as_uri())
    experiment = client.create_experiment("theirs")
    for seed in range(2):
        run = client.create_run(experiment).info.run_id
        client.log_param(run, "lr", seed)
        client.log_metric(run, "lr", 0.5 + seed)
        client.log_metric(run, "acc", 0.5)
    return tmp_path


def test_a_parameter_and_a_metric_of_one_name_are_two_columns(two_runs):
    table = read_runs(f"mlflow:{two_runs}").sort_values("param.lr")
    assert table["param.lr"].tolist() == [0, 1]
    assert table["metric.lr"].tolist() == [0.5, 1.5]
    assert {"acc", "status", "name", "experiment"} < {*table}


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("*/*/meta.yaml", "run_uuid: [", "must be readable"),
        ("*/*/meta.yaml", "- 1\n", "must be readable"),
        ("*/*/meta.yaml", None, "has no meta.yaml; repair it"),
        ("*/*/meta.yaml", "experiment_id: '7'", "must be readable"),
        ("*/meta.yaml", "nothing", "must be readable"),
        ("*/*/metrics/acc", "", "Metric 'acc' is malformed"),
        ("*/*/metrics/acc", "1 x\n", "must be readable"),
        ("*/*/params/lr", b"\xff", "must be readable"),
    ],
)
def test_a_damaged_store_of_mlflow_is_one_line_and_no_run_is_left_out(file, content, message, two_runs, capfd):
    path = sorted(two_runs.glob(file))[-1]
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=message) as error:
        read_runs(f"mlflow:{two_runs}")
    assert str(error.value).startswith(f"{two_runs}: ")
    assert "\n" not in str(error.value)
    assert capfd.readouterr().err == ""


def test_a_journal_of_optuna(tmp_path, expected):
    optuna = pytest.importorskip("optuna")
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    file = tmp_path / "journal.log"
    storage = JournalStorage(JournalFileBackend(str(file)))
    levels = optuna.distributions.CategoricalDistribution(["None", "A", "B"])
    study = optuna.create_study(storage=storage, study_name="theirs", direction="maximize")
    study.add_trials([
        optuna.trial.create_trial(params={"skip": row["skip"]}, distributions={"skip": levels}, value=row["acc"],
                                  user_attrs={"seed": row["seed"], "acc": row["acc"]})
        for row in ROWS
    ])  # fmt: skip
    table = read_runs(f"optuna:{file}")
    pd.testing.assert_frame_equal(judged(table, status="state"), expected)
    assert table["value"].tolist() == table["acc"].tolist()
    optuna.create_study(storage=storage, study_name="another")
    with pytest.raises(UserError, match="the study must be named, .*it has theirs, another|another, theirs"):
        read_runs(f"optuna:{file}")
    with pytest.raises(UserError, match="but got their; did you mean 'theirs'"):
        read_runs(f"optuna:{file}#their")
    pd.testing.assert_frame_equal(read_runs(f"optuna:{file}#theirs"), table)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nothing.csv", "nothing.csv does not exist"),
        ("mlfow:here", "does not exist; did you mean 'mlflow'?"),
        ("mlflow:nowhere", "the folder of a file store, but nowhere does not exist"),
        ("optuna:nowhere.log", "the journal of a study, but nowhere.log does not exist"),
        ("runs.xlsx", "must be .csv, .tsv or .parquet, or mlflow:PATH or optuna:PATH, but got runs.xlsx"),
        ("empty.csv", "empty.csv: a table of runs must be readable, but"),
        ("broken.parquet", "broken.parquet: a table of runs must be readable, but"),
        ("twice.csv", "twice.csv: a table of runs must have columns of different names, but has 'acc' twice"),
        ("ragged.csv", "ragged.csv: a row must have a cell a column, 3, but the first has more"),
        ("optuna:damaged.log", "damaged.log: a journal of Optuna must be readable, but"),
        ("optuna:latin.log", "latin.log: a journal of Optuna must be readable, but"),
    ],
)
def test_what_cannot_be_read_is_said(source, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("runs.xlsx", "empty.csv", "broken.parquet"):
        (tmp_path / name).write_text("")
    (tmp_path / "twice.csv").write_text("skip,acc,acc\nA,0.1,0.2\n")
    (tmp_path / "ragged.csv").write_text("skip,seed,acc\nA,0,0.1,0.2\n")
    (tmp_path / "damaged.log").write_text('{"op_code": 4, "trial": 1}\n{"op_code": 5}\n')
    (tmp_path / "latin.log").write_bytes(b"\xff\xfe\n")
    with pytest.raises(UserError) as error:
        read_runs(source)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
