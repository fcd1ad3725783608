"""Tables of runs that other tools keep, written by these tools."""

import pandas as pd
import pytest

from analysis.claims import mean
from analysis.judging import column, judge
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
    ],
)
def test_what_cannot_be_read_is_said(source, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("runs.xlsx", "empty.csv", "broken.parquet"):
        (tmp_path / name).write_text("")
    with pytest.raises(UserError) as error:
        read_runs(source)
    assert message in str(error.value)
