"""A study's records as tidy tables for plots, with the factors as columns."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis import tables
from analysis.comparisons import effects
from analysis.measures import MEASURES, measured
from analysis.study import StudyRecords
from resnet_core.errors import UserError, nearest

SEED = 0
WEIGHTS = "weight_gradient_l2"


def runs_of(study: StudyRecords) -> pd.DataFrame:
    """Return one row for each recorded run: its factors, status, results, and every measure with a value.

    A measure of the end has no value for a run whose training failed, so such runs enter no mean; `failed` marks them.
    """
    runs = study.runs.copy()
    values = {name: measured(name, study.planned, study.frames).set_index("run") for name in MEASURES}
    for name, rows in values.items():
        if rows["value"].notna().any():
            runs[name] = rows["value"].reindex(runs["run"]).to_numpy()
    runs["failed"] = values["train_error"]["failed"].reindex(runs["run"]).to_numpy(bool)
    return runs


def epochs_of(study: StudyRecords) -> pd.DataFrame:
    """Return one row for each epoch of each run, with its factors, seed and arm."""
    return _with_factors(study, study.epochs)


def probes_of(study: StudyRecords, probe: str | None = None, path: str | None = None) -> pd.DataFrame:
    """Return one row for each measurement during training, with the factors, seed and arm of its run.

    Args:
        study: The study.
        probe: Name of a probe. `None` selects all.
        path: Path of the layers, `main` or `skip`. `None` selects both.

    Raises:
        UserError: The study has no rows of this probe or path.
    """
    rows = _with_factors(study, study.probes)
    for name, value in (("probe", probe), ("path", path)):
        if value is None or rows.empty:
            continue
        if name == "probe" and not rows[name].eq(value).any():
            known = sorted(rows[name].unique())
            raise UserError(f"a probe must have been measured in the study, but got '{value}'{nearest(value, known)}")
        rows = rows[rows[name] == value]
    return rows.reset_index(drop=True)


def _with_factors(study: StudyRecords, rows: pd.DataFrame) -> pd.DataFrame:
    columns = list(dict.fromkeys(["run", "label", *study.factors, "seed", "layers"]))
    return study.planned[columns].merge(rows, on="run") if len(rows) else pd.DataFrame(columns=columns)


def table_of(study: StudyRecords, measure: str) -> pd.DataFrame:
    """Return a measure by arm and seed, and its summary.

    Args:
        study: The study.
        measure: See `analysis.measures.measure`.

    Returns:
        One row for each arm, indexed by the factors: one column for each seed, then `n` values of `N` planned runs,
        those that `failed` to train, their `mean` and its 95 % interval of Student's t, `low` to `high`.

    Raises:
        UserError: No measure has this name, or the study has no factor.
    """
    rows, factors = measured(measure, study.planned, study.frames), study.factors
    if not factors:
        raise UserError("a table of arms needs a factor, but the study has none")
    seeds = rows.pivot(index=factors, columns="seed", values="value")
    summarised = tables.summaries({measure: rows}, factors, SEED).set_index(factors)
    return seeds.join(summarised[["n", "N", "failed", "mean", "low", "high"]])


def effects_of(study: StudyRecords, measure: str = "test_error") -> pd.DataFrame:
    """Return the effects of factors on a measure, seed by seed, each with a `label`; see `comparisons.effects`."""
    table = effects(measured(measure, study.planned, study.frames), study.factors, SEED)
    words = [
        f"{row['factor']} {row['level']} − {row['reference']}" + (f", {row['at']}" if row["at"] else "")
        for row in table.to_dict("records")
    ]
    return table.assign(label=words)


def at(rows: pd.DataFrame, levels: dict[str, Any], names: Sequence[str]) -> pd.DataFrame:
    """Return the rows that have these levels.

    Args:
        rows: A table with the factors as columns.
        levels: By factor, a level or a list of levels.
        names: Columns that may be used as factors.

    Raises:
        UserError: A factor or a level does not exist.
    """
    for name, level in levels.items():
        if name not in names:
            raise UserError(f"a factor must be one of the study's, but got '{name}'{nearest(name, names)}")
        wanted = level if isinstance(level, list) else [level]
        known = rows[name].astype(object)
        for place in wanted:
            if not known.eq(place).any():
                present = ", ".join(map(str, dict.fromkeys(known)))
                raise UserError(f"a level must be one of the study's, but got {name}={place!r}; there are {present}")
        rows = rows[known.isin(wanted)]
    return rows
