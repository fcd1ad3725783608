"""Claims about any table with one row for each run.

    from ablations import column, judge, mean

    accuracy = column("test_acc", best=1.0, worst=0.0)
    table = pd.read_csv("runs.csv")  # depth, skip, seed, test_acc
    judge(table, [mean(accuracy, skip="A") > mean(accuracy, skip="none")], factors=["depth", "skip"])

The verdicts are the same as for a study whose records contain these numbers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from analysis.claims import Claim
from analysis.comparisons import effects, together
from analysis.judging.power_table import power
from analysis.judging.verdicts import verdicts
from analysis.measures import COLUMNS, FAILED, Measure, measured
from analysis.study import INACTIVE
from analysis.tables import in_order, matches, summaries
from resnet_core.arguments import checked
from resnet_core.errors import UserError, nearest
from resnet_core.runs.records.frames import Frames
from resnet_core.runs.records.outcomes import COMPLETED, DIVERGED

ENDED = {
    **dict.fromkeys(("completed", "complete", "finished", "success", "succeeded", "done", "ok"), COMPLETED),
    **dict.fromkeys(("diverged", "nan"), DIVERGED),
}
"""Words for the status of a run, in lower case. A run with any other word counts as lost."""
RESERVED = frozenset({"run", "seed", "label", "status", "step", "message", "value", "failed", "arm", "share"})
"""Names of columns of our tables, which no factor may have."""
SEED = 0
MOST_NAMED = 5


@checked
def column(name: str, *, best: float | None = None, worst: float | None = None) -> str:
    """Register a column of a table as a measure, and return the name of the measure, for `mean`.

    Args:
        name: Name of the column.
        best: Best possible value. 0 means that lower values are better, any other value that higher values are. A run
            that diverged then counts as worse than all runs with a value. `None` if failures say nothing about the
            column.
        worst: Worst possible value. `None` if there is none.

    Returns:
        `column NAME`. No measure of our own records has such a name.

    Raises:
        UserError: `worst` is given without `best`.
    """
    if worst is not None and best is None:
        raise UserError(f"a column with a worst value must have a best one, but '{name}' has worst={worst:g} only")
    measure = f"column {name}"
    COLUMNS[measure] = Measure(f"the column {name} of the table", _Column(name), best, worst)
    return measure


@dataclass(frozen=True)
class _Column:
    name: str

    def __call__(self, frames: Frames) -> "pd.Series[float]":
        return frames.runs.set_index("run").reindex(columns=[self.name])[self.name].astype(float)


@dataclass(frozen=True)
class RunTable:
    """A validated table of runs.

    Attributes:
        planned: One row for each run: `run`, `seed` and the factors.
        frames: The other columns, in the form of a store's tables.
        factors: Names of the factors.
        notes: Sentences on missing data: cells without a run, and seeds without a pair.
    """

    planned: pd.DataFrame
    frames: Frames
    factors: tuple[str, ...]
    notes: tuple[str, ...]

    @classmethod
    def from_table(
        cls,
        table: pd.DataFrame,
        *,
        factors: Sequence[str],
        seed: str = "seed",
        status: str | None = None,
        measures: Iterable[str] = (),
    ) -> "RunTable":
        """Validate a table.

        Args:
            table: One row for each run.
            factors: Names of the columns that identify the arm of a run.
            seed: Name of the column that pairs the runs of arms: the seed, the fold or the split.
            status: Name of the column with the status of a run. `completed`, `finished`, `success` and similar words
                mean a result, `diverged` means failed training, and any other word means a lost run. Without this
                column, every run with a value counts as completed.
            measures: Names of measures that `column` has returned.

        Raises:
            UserError: A column is missing, a cell is not a number, or two rows have the same arm and seed.
        """  # fmt: skip
        columns = [column_of(measure) for measure in measures]
        names = [*factors, seed, *([status] if status else []), *columns]
        for name in names:
            if name not in table:
                raise UserError(f"a table of runs must have the column '{name}'{nearest(name, map(str, table))}")
        for name in factors:
            if name in RESERVED and name != seed:
                raise UserError(f"a factor must not be called '{name}', which is a column of the results; rename it")
        if not factors or seed in factors:
            raise UserError("a table of runs needs a factor or more, and the seed is none of them")
        if len(table) < 2:
            raise UserError(f"a table of runs must have two rows or more, but it has {len(table)}")
        table = table.reset_index(drop=True)
        levels = {name: in_order(table[name].where(table[name].notna(), INACTIVE)) for name in factors}
        planned = pd.DataFrame({"run": [f"row {i + 1}" for i in range(len(table))], "seed": table[seed], **levels})
        if planned["seed"].isna().any():
            raise UserError(
                f"every run must have a seed, but {_rows(planned[planned['seed'].isna()])} has none in '{seed}'"
            )
        _check_single(planned, factors)
        runs = planned[["run", "seed"]].assign(status=COMPLETED, step=0)
        if status:
            words = table[status].astype(str).str.strip().str.lower()
            runs["status"] = words.map(ENDED).fillna(words)
        numbers = {name: _numbers(table[name]) for name in columns}
        others = {str(name): table[name] for name in table if name not in (*names, *runs)}
        frames = Frames(runs.assign(**numbers, **others), pd.DataFrame(), pd.DataFrame())
        return cls(planned, frames, tuple(factors), tuple(_gaps(planned, factors)))

    def verdicts(self, claims: Sequence[Claim] | Mapping[str, Claim]) -> pd.DataFrame:
        """Judge claims by `analysis.judging.verdicts.verdicts`.

        Raises:
            UserError: A claim is about a factor, a level or a column that the table has not.
        """
        return verdicts(self._checked(claims), self.planned, self.frames)

    def power(self, claims: Sequence[Claim] | Mapping[str, Claim], seeds: Sequence[int]) -> pd.DataFrame:
        """Return the differences that each claim's contrast can show, by `analysis.judging.verdicts.power`."""
        return power(self._checked(claims), self.planned, self.frames, seeds)

    def effects(self, measures: Iterable[str]) -> pd.DataFrame:
        """Compare arms that differ in one factor, seed by seed, by `analysis.comparisons.effects`."""
        return together(partial(effects, factors=self.factors, seed=SEED), self._values(measures))

    def summary(self, measures: Iterable[str]) -> pd.DataFrame:
        """Summarise each arm over its seeds, by `analysis.tables.summaries`."""
        return summaries(self._values(measures), self.factors, SEED)

    def _values(self, measures: Iterable[str]) -> dict[str, pd.DataFrame]:
        return {name: measured(name, self.planned, self.frames) for name in measures}

    def _checked(self, claims: Sequence[Claim] | Mapping[str, Claim]) -> list[Claim]:
        listed = [*claims] if not isinstance(claims, Mapping) else [replace(c, text=text) for text, c in claims.items()]
        for claim in listed:
            for term in claim.terms:
                self._check_levels(term.levels)
        return listed

    def _check_levels(self, levels: Mapping[str, Any]) -> None:
        for name in levels:
            if name not in self.factors:
                raise UserError(
                    f"a claim must be about factors of the table, but got '{name}'{nearest(name, self.factors)}"
                )
        if not matches(self.planned, levels).any():
            wanted = " ".join(f"{name}={level}" for name, level in levels.items())
            known = "; ".join(
                f"{name}: {', '.join(map(str, self.planned[name].unique()[:MOST_NAMED]))}" for name in levels
            )
            raise UserError(f"a claim must be about runs of the table, but none has {wanted}; its levels are {known}")


@checked
def judge(
    table: pd.DataFrame,
    claims: Sequence[Claim] | Mapping[str, Claim],
    *,
    factors: Sequence[str],
    seed: str = "seed",
    status: str | None = None,
) -> pd.DataFrame:
    """Judge claims by the runs of any table.

    Args:
        table: One row for each run.
        claims: Inequalities between means, or a dictionary from sentences to inequalities.
        factors: Names of the columns that identify the arm of a run, see `RunTable.from_table`.
        seed: Name of the column that pairs the runs of arms.
        status: Name of the column with the status of a run, if there is one.

    Returns:
        What `analysis.judging.verdicts.verdicts` returns.

    Raises:
        UserError: The table is not valid, or a claim is about a factor, a level or a column that it does not have.
    """  # fmt: skip
    measures = measures_of(claims)
    return RunTable.from_table(table, factors=factors, seed=seed, status=status, measures=measures).verdicts(claims)


def measures_of(claims: Sequence[Claim] | Mapping[str, Claim]) -> list[str]:
    """Return the distinct measures of claims, without the measure of `rate`."""
    listed = claims.values() if isinstance(claims, Mapping) else claims
    return [name for name in dict.fromkeys(claim.measure for claim in listed) if name != FAILED]


def column_of(measure: str) -> str:
    """Return the column of a measure.

    Raises:
        UserError: The measure is one of our own records, and not of a column.
    """
    known = COLUMNS.get(measure)
    if known is None or not isinstance(known.compute, _Column):
        raise UserError(
            f"a claim about a table must be of one of its columns, column('{measure}'), but got '{measure}'"
        )
    return known.compute.name


def _check_single(planned: pd.DataFrame, factors: Sequence[str]) -> None:
    twice = planned[planned.duplicated(["seed", *factors], keep=False)]
    if len(twice):
        first = twice.iloc[0]
        same = twice[(twice[["seed", *factors]] == first[["seed", *factors]]).all(axis=1)]
        arm = " ".join(f"{name}={first[name]}" for name in [*factors, "seed"])
        raise UserError(
            f"a table must have one run of an arm and seed, but {_rows(same)} are all of {arm}; is a factor left out?"
        )


def _rows(rows: pd.DataFrame) -> str:
    names = rows["run"].tolist()
    return ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")


def _numbers(cells: "pd.Series[Any]") -> "pd.Series[float]":
    numbers = pd.to_numeric(cells, errors="coerce")
    wrong = numbers.isna() & cells.notna()
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise UserError(f"the column '{cells.name}' must be of numbers, but row {at + 1} has {cells.iloc[at]!r}")
    return numbers.astype(float)


def _gaps(planned: pd.DataFrame, factors: Sequence[str]) -> Iterable[str]:
    """Yield a sentence for each arm that lacks seeds of other arms. These seeds are in no pair."""
    seeds = set(planned["seed"])
    arms = planned.groupby([*factors], observed=True, sort=False)["seed"]
    for levels, present in arms:
        lacking = sorted(seeds - set(present), key=str)
        if lacking:
            arm = " ".join(f"{name}={level}" for name, level in zip(factors, levels, strict=True))
            more = f" and {len(lacking) - MOST_NAMED} more" if len(lacking) > MOST_NAMED else ""
            yield f"{arm} has no run of seed {', '.join(map(str, lacking[:MOST_NAMED]))}{more}"
