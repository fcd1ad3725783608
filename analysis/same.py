"""Comparison of the results of two studies run by run, and of their settings and versions."""

from collections.abc import Iterator, Mapping, Sequence, Set

import numpy as np
import pandas as pd

from analysis.study import StudyRecords

ROUNDING = 1e-5
"""Largest relative difference of numbers that are equal up to rounding: about a hundred roundings of float32."""
RESULTS = ("status", "step", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy")
NAMED = ("processor", "instruction_set", "onednn", "onednn_isa", "threads")
"""Settings that are named first among those that differ."""
UNKNOWN = "nothing that the records have of both differs"
MOST_VALUES = 3


def agreeing(first: StudyRecords, other: StudyRecords) -> set[str]:
    """Return the runs that both studies have with equal results, epochs and probes, up to rounding."""
    common = set(first.runs["run"]) & set(other.runs["run"])
    different = set().union(*_unequal(first.runs, other.runs, common, RESULTS))
    for of_first, of_other in ((first.epochs, other.epochs), (first.probes, other.probes)):
        columns = sorted({*map(str, of_first), *map(str, of_other)} - {"run"})
        different |= set().union(*_unequal(of_first, of_other, common, columns))
    return common - different


def _unequal(first: pd.DataFrame, second: pd.DataFrame, common: set[str], columns: Sequence[str]) -> Iterator[set[str]]:
    """Yield sets of runs that differ in the number of their rows, or in a column."""
    ours, theirs = (
        table.reindex(columns=["run", *columns]).loc[lambda rows: rows["run"].isin(common)] for table in (first, second)
    )
    counts = [table.groupby("run").size().reindex(sorted(common), fill_value=0) for table in (ours, theirs)]
    lengths = counts[0].ne(counts[1])
    apart = set(lengths[lengths].index)
    yield apart
    left, right = (
        table[~table["run"].isin(apart)].sort_values("run", kind="stable", ignore_index=True)
        for table in (ours, theirs)
    )
    for column in columns:
        yield set(left["run"][_differ(left[column], right[column])])


def _differ(left: "pd.Series[float]", right: "pd.Series[float]") -> "pd.Series[bool]":
    both = [pd.to_numeric(column, errors="coerce") for column in (left, right)]
    numbers = both[0].notna() & both[1].notna()
    gap, size = (both[0] - both[1]).abs(), np.maximum(both[0].abs(), both[1].abs())
    far = (gap > ROUNDING * size) | (np.isinf(size) & both[0].ne(both[1]))
    words = left.astype(object).ne(right.astype(object)) & ~(left.isna() & right.isna())
    return far.where(numbers, words)


def causes(first: StudyRecords, other: StudyRecords, agreed: Set[str]) -> pd.DataFrame:
    """Return the settings in which runs with the same id and different results differ.

    A setting that one of the two records lacks is not compared.

    Returns:
        One row for each run and setting: `run`, `setting`, and its values `first` and `other`.
    """
    runs = sorted((set(first.runs["run"]) & set(other.runs["run"])) - agreed)
    of_first, of_other = (study.runs.set_index("run").reindex(runs) for study in (first, other))
    names = [name for name in map(str, of_first) if name.startswith("environment.") and name in of_other]
    names.sort(key=lambda name: (name.partition(".")[2] not in NAMED, name))
    rows = [
        (run, name.partition(".")[2], str(of_first[name][run]), str(of_other[name][run]))
        for name in names
        for run in runs
        if _known(of_first[name][run]) and _known(of_other[name][run]) and of_first[name][run] != of_other[name][run]
    ]
    return pd.DataFrame(rows, columns=["run", "setting", "first", "other"])


def _known(value: object) -> bool:
    return value is not None and not (isinstance(value, float) and np.isnan(value))


def words_of(differing: pd.DataFrame, runs: Set[str]) -> str:
    """Return a text with the settings that differ in some of these runs."""
    rows = differing[differing["run"].isin(runs)]
    words = []
    for setting, group in rows.groupby("setting", sort=False):
        first, other = (", ".join(sorted(set(group[name]))) for name in ("first", "other"))
        words.append(f"{setting} {first or 'none'} and {other or 'none'}")
    return "; ".join(words) or UNKNOWN


def fields(runs: pd.DataFrame, *kinds: str) -> dict[str, str]:
    """Return the value of each setting as text, with the number of runs if there are several values.

    Settings that no run has are left out.
    """
    by_name = {}
    for name in map(str, runs):
        kind, _, setting = name.partition(".")
        values = [str(value) for value in runs[name].astype(object) if _known(value)] if kind in kinds else []
        counts = pd.Series(values, dtype=object).value_counts(sort=False)
        if len(counts) == 1:
            by_name[setting if len(kinds) == 1 else name] = str(counts.index[0])
        elif len(counts):
            parts = [f"{value} ({count} runs)" for value, count in sorted(counts.items())]
            more = len(parts) - MOST_VALUES
            by_name[setting if len(kinds) == 1 else name] = ", ".join(
                [*parts[:MOST_VALUES], *([f"and {more} values more"] if more > 0 else [])]
            )
    return by_name


def apart(by_name: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Return the settings in which studies differ: `setting`, and one column for each study.

    A setting that fewer than two studies have is left out. A study without the setting has a null.
    """
    names = dict.fromkeys(name for settings in by_name.values() for name in settings)
    table = pd.DataFrame(
        [[name, *(settings.get(name) for settings in by_name.values())] for name in names],
        columns=["setting", *by_name], dtype=object,
    )  # fmt: skip
    differ = table[list(by_name)].nunique(axis=1) > 1
    return table[differ].reset_index(drop=True)
