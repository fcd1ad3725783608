"""Readers of tables with one row for each run, from files of other tools.

A source is a path, or KIND:PATH with a kind in `READERS`.
"""

import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from resnet_core.errors import UserError, nearest, one_line

MISSING = ("", "nan", "NaN")
"""Texts of missing values in a CSV file. `None` and `NA` are not among them, since they are levels, as in skip=None."""
SUFFIXES = {".csv": ",", ".tsv": "\t"}


def read_runs(source: str) -> pd.DataFrame:
    """Read a table of runs.

    Args:
        source: Path of a CSV, TSV or parquet file; `mlflow:DIR`, the file store of MLflow; `optuna:FILE`, the journal
            of Optuna, with `#NAME` of the study if it has several.

    Returns:
        One row for each run. The columns from MLflow are the parameters, the last value of each metric, `status`,
        `name` and `experiment`. The columns from Optuna are the parameters, the user attributes, `value` or `value_0`
        and so on, `state` and `number`. If two columns have the same name, the kind is prefixed: `metric.lr` and
        `param.lr`.

    Raises:
        UserError: The source, or one of its runs, cannot be read, or a row has more cells than there are columns.
    """
    kind, colon, place = source.partition(":")
    if colon and kind in READERS:
        return _with_numbers(READERS[kind](place))
    path = Path(source)
    if not path.is_file():
        near = nearest(kind, READERS) if colon else ""
        raise UserError(f"a table of runs must be a file, or {_kinds()}, but {source} does not exist{near}")
    with _read(path, "a table of runs"):
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        if path.suffix in SUFFIXES:
            return _csv(path, SUFFIXES[path.suffix])
    raise UserError(f"a table of runs must be .csv, .tsv or .parquet, or {_kinds()}, but got {source}")


@contextmanager
def _read(place: Path, what: str) -> Iterator[None]:
    """Convert any error that a library raises for damaged contents into a `UserError` that names the place."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{place}: {what} must be readable, but {one_line(error)}") from None


def _csv(path: Path, separator: str) -> pd.DataFrame:
    """Read a CSV file, and check it first: pandas takes a surplus first cell as an index, and renames equal columns."""
    header = pd.read_csv(path, sep=separator, header=None, nrows=1, dtype=str, keep_default_na=False)
    names = list(header.iloc[0])
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise UserError(f"{path}: a table of runs must have columns of different names, but has '{twice[0]}' twice")
    table = pd.read_csv(path, sep=separator, keep_default_na=False, na_values=list(MISSING))
    if not isinstance(table.index, pd.RangeIndex):
        raise UserError(f"{path}: a row must have a cell a column, {len(names)}, but the first has more")
    return table


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
    rows: list[dict[str, Mapping[str, object]]] = []
    with _read(folder, "a file store of MLflow"), _nothing_dropped(folder):
        client = MlflowClient(tracking_uri=folder.resolve().as_uri())
        for experiment in client.search_experiments():
            page = client.search_runs([experiment.experiment_id])
            while True:
                rows += [
                    {
                        "param": run.data.params, "metric": run.data.metrics,
                        "run": {
                            "status": run.info.status, "name": run.info.run_name, "experiment": experiment.name,
                        },
                    }
                    for run in page
                ]  # fmt: skip
                if not page.token:
                    break
                page = client.search_runs([experiment.experiment_id], page_token=page.token)
    return _flat(rows, folder)


@contextmanager
def _nothing_dropped(folder: Path) -> Iterator[None]:
    """Raise an error if MLflow skips a run, with a warning or without, and hide its warnings."""
    dropped = [
        f"{path.relative_to(folder)} has no meta.yaml"
        for path in folder.glob("*/*")
        if (path / "metrics").is_dir() and not (path / "meta.yaml").exists()
    ]

    def keep(record: logging.LogRecord) -> bool:
        dropped.append(record.getMessage())
        return False

    loggers = [logging.getLogger("mlflow.store.tracking.file_store"), logging.getLogger()]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
        logger.addFilter(keep)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeFilter(keep)
            logger.setLevel(level)
    if dropped:
        more = f", and {len(dropped) - 1} more" if len(dropped) > 1 else ""
        raise UserError(
            f"{folder}: every run of a file store of MLflow must be readable, but {' '.join(dropped[0].split())}{more}"
            "; repair it, or remove its folder"
        )


def _optuna(place: str) -> pd.DataFrame:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    file, _, name = place.partition("#")
    if not Path(file).is_file():  # Optuna would create it
        raise UserError(f"optuna:FILE must be the journal of a study, but {file} does not exist")
    with _read(Path(file), "a journal of Optuna"):
        storage = JournalStorage(JournalFileBackend(file))
        names = optuna.get_all_study_names(storage)
    if not name and len(names) != 1:
        raise UserError(f"{file}: the study must be named, optuna:{file}#NAME; it has {', '.join(names) or 'none'}")
    if name and name not in names:
        raise UserError(f"{file}: the study must be one of {', '.join(names)}, but got {name}{nearest(name, names)}")
    with _read(Path(file), "a journal of Optuna"):
        rows = [
            {
                "param": trial.params, "user": trial.user_attrs,
                "trial": {**_values(trial.values), "state": trial.state.name, "number": trial.number},
            }
            for trial in optuna.load_study(study_name=name or names[0], storage=storage).trials
        ]  # fmt: skip
    return _flat(rows, Path(file))


def _values(values: Iterable[float] | None) -> dict[str, float]:
    values = list(values or [])
    return {"value": values[0]} if len(values) == 1 else {f"value_{i}": value for i, value in enumerate(values)}


def _flat(rows: Sequence[Mapping[str, Mapping[str, object]]], place: Path) -> pd.DataFrame:
    """Return a table from rows whose values are grouped by kind."""
    if not rows:
        raise UserError(f"a table of runs must have runs, but {place} has none")
    kinds: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        for kind, values in row.items():
            for name in values:
                kinds[name].add(kind)
    return pd.DataFrame(
        [
            {
                name if len(kinds[name]) == 1 else f"{kind}.{name}": value
                for kind, values in row.items()
                for name, value in values.items()
            }
            for row in rows
        ]
    )


def _with_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with columns of numeric texts converted to numbers. Other tools store parameters as text."""
    for name in table:
        try:
            table[name] = pd.to_numeric(table[name])
        except (ValueError, TypeError):
            continue
    return table


READERS: dict[str, Callable[[str], pd.DataFrame]] = {"mlflow": _mlflow, "optuna": _optuna}
"""Functions that read a source, by its kind."""
