"""Tables of the runs of others, read: a row a run, from what other tools keep.

A source is a path, or KIND:PATH; `READERS` has the kinds.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from resnet_core.errors import UserError, nearest, one_line

MISSING = ("", "nan", "NaN")
"""What stands for no value in a CSV file. `None` and `NA` are not among them: they are levels, as in skip=None."""
SUFFIXES = {".csv": ",", ".tsv": "\t"}


def read_runs(source: str) -> pd.DataFrame:
    """Read a table of runs.

    Args:
        source: Path of a CSV, TSV or parquet file; `mlflow:DIR`, the file store of MLflow; `optuna:FILE`, the journal
            of Optuna, with `#NAME` of the study if it has several.

    Returns:
        A row a run. From MLflow: the parameters, the last value of each metric, `status`, `name` and `experiment`. From
        Optuna: the parameters, the user attributes, `value` or `value_0` and so on, `state` and `number`.

    Raises:
        UserError: It cannot be read.
    """
    kind, colon, place = source.partition(":")
    if colon and kind in READERS:
        return _with_numbers(READERS[kind](place))
    path = Path(source)
    if not path.is_file():
        near = nearest(kind, READERS) if colon else ""
        raise UserError(f"a table of runs must be a file, or {_kinds()}, but {source} does not exist{near}")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        if path.suffix in SUFFIXES:
            return pd.read_csv(path, sep=SUFFIXES[path.suffix], keep_default_na=False, na_values=list(MISSING))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: a table of runs must be readable, but {one_line(error)}") from None
    raise UserError(f"a table of runs must be .csv, .tsv or .parquet, or {_kinds()}, but got {source}")


def _kinds() -> str:
    return " or ".join(f"{kind}:PATH" for kind in READERS)


def _mlflow(place: str) -> pd.DataFrame:
    folder = Path(place)
    if not folder.is_dir():
        raise UserError(f"mlflow:DIR must be the folder of a file store, but {folder} does not exist")
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    try:
        from mlflow import MlflowClient
    except ImportError:
        raise UserError("mlflow:DIR needs the package mlflow; pip install 'resnet-ablation[mlflow]'") from None
    client = MlflowClient(tracking_uri=folder.resolve().as_uri())
    rows = []
    for experiment in client.search_experiments():
        page = client.search_runs([experiment.experiment_id])
        while True:
            rows += [
                {**run.data.params, **run.data.metrics, "status": run.info.status, "name": run.info.run_name,
                 "experiment": experiment.name}
                for run in page
            ]  # fmt: skip
            if not page.token:
                break
            page = client.search_runs([experiment.experiment_id], page_token=page.token)
    return _some(rows, folder)


def _optuna(place: str) -> pd.DataFrame:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    file, _, name = place.partition("#")
    if not Path(file).is_file():  # Optuna would make it
        raise UserError(f"optuna:FILE must be the journal of a study, but {file} does not exist")
    try:
        storage = JournalStorage(JournalFileBackend(file))
        names = optuna.get_all_study_names(storage)
    except (ValueError, KeyError, OSError) as error:
        raise UserError(f"{file}: a journal of Optuna must be readable, but {one_line(error)}") from None
    if not name and len(names) != 1:
        raise UserError(f"{file}: the study must be named, optuna:{file}#NAME; it has {', '.join(names) or 'none'}")
    if name and name not in names:
        raise UserError(f"{file}: the study must be one of {', '.join(names)}, but got {name}{nearest(name, names)}")
    rows = [
        {**trial.params, **trial.user_attrs, **_values(trial.values), "state": trial.state.name, "number": trial.number}
        for trial in optuna.load_study(study_name=name or names[0], storage=storage).trials
    ]
    return _some(rows, Path(file))


def _values(values: Iterable[float] | None) -> dict[str, float]:
    values = list(values or [])
    return {"value": values[0]} if len(values) == 1 else {f"value_{i}": value for i, value in enumerate(values)}


def _some(rows: list[dict[str, object]], place: Path) -> pd.DataFrame:
    if not rows:
        raise UserError(f"a table of runs must have runs, but {place} has none")
    return pd.DataFrame(rows)


def _with_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with numbers where all words of a column are: parameters are kept as words."""
    for name in table:
        try:
            table[name] = pd.to_numeric(table[name])
        except (ValueError, TypeError):
            continue
    return table


READERS: dict[str, Callable[[str], pd.DataFrame]] = {"mlflow": _mlflow, "optuna": _optuna}
"""Kind of a source to what reads it."""
