"""The trials in the folder of a search: their order, the best trials, and a table."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis import believed
from analysis.pareto import crowding, front_ranks, knee
from resnet_core.errors import UserError
from resnet_core.runs.execution.display import duration, magnitude
from resnet_core.runs.records.plan import Plan
from resnet_core.runs.records.record import Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run
from search.objectives import Objective, objectives

if TYPE_CHECKING:
    from rich.table import Table

CONFIRMED = ("val_accuracy", "test_accuracy")
CONFIRMED_COLUMNS = ("trial", "net", "parameters", "n", *CONFIRMED)
ORACLE = "oracle"
"""Key in the base of a plan that only searches have."""


def plan_of(root: Path) -> Plan:
    """Return the plan of a search's folder.

    Raises:
        UserError: The folder is not that of a search.
    """
    plan = Store(root).plan() if root.is_dir() else None
    if plan is None or ORACLE not in plan.base:
        raise UserError(f"SEARCH must be the folder of a search, with its study.json, but {root} is not one")
    return plan


def objectives_of(plan: Plan) -> tuple[Objective, ...]:
    """Return the objectives of a search's plan."""
    return objectives(",".join(word.strip().split(" ")[0] for word in str(plan.base["objective"]).split(",")))


def best_first(records: Sequence[Record], objectives: Sequence[Objective]) -> list[Record]:
    """Return the completed runs with the largest number of epochs, in order of quality.

    With several objectives, the knee of the front and the best run in the first objective come first. The others are
    sorted by the rank of their front and, within a front, by crowding distance.
    """
    completed = [record for record in records if record.status == "completed"]
    most = max((record.run.train.epochs or 0 for record in completed), default=0)
    rivals = [record for record in completed if (record.run.train.epochs or 0) == most]
    if not rivals:
        return []
    gains = np.array([[objective.gain(record) for objective in objectives] for record in rivals], float)
    order = np.argsort(-gains[:, 0], kind="stable")
    if len(objectives) > 1:
        directions = ["max"] * len(objectives)
        ranks = front_ranks(gains, directions)
        rest = np.lexsort((-crowding(gains, ranks), ranks))
        order = np.array(list(dict.fromkeys([max(0, knee(gains, directions)), int(order[0]), *map(int, rest)])))
    return [rivals[i] for i in order]


def ranked_in(root: Path) -> list[Record]:
    """Return the completed trials of a search's folder in order of quality: by what is believed of their points, or, if
    that is not known, by `best_first`.

    Raises:
        UserError: The folder is not that of a search.
    """
    plan, records = plan_of(root), list(Store(root).records())
    return _by_belief(best_first(in_order(plan, records), objectives_of(plan)), believed.read(root))


def _by_belief(ranked: list[Record], beliefs: Sequence[Mapping[str, Any]]) -> list[Record]:
    """Return the first trial of each point in the order of the beliefs; all trials as they are without beliefs."""
    places = {belief["run"]: place for place, belief in enumerate(beliefs)}
    if not places:
        return ranked
    return sorted((record for record in ranked if record.run.id in places), key=lambda each: places[each.run.id])


def in_order(plan: Plan, records: Sequence[Record]) -> list[Record]:
    """Return the records in the order in which their trials were proposed."""
    places = numbers(plan)
    return sorted((record for record in records if record.run.id in places), key=lambda each: places[each.run.id])


def numbers(plan: Plan) -> dict[str, int]:
    """Return the number of each trial, counted from 1, by the id of its run."""
    return {run.id: number for number, run in enumerate(plan.runs, start=1)}


def trials_table(root: Path, most: int | None = None) -> "Table":
    """Return a table with a row for each trial, in order of quality. Trials that were not completed come last, after
    the further seeds of a point.
    """
    from rich.table import Table

    plan, beliefs = plan_of(root), believed.read(root)
    objectives, places = objectives_of(plan), numbers(plan)
    ended = in_order(plan, list(Store(root).records()))
    best = _by_belief(best_first(ended, objectives), beliefs)
    values = {belief["run"]: shown(objectives[0].name, belief["value"]) for belief in beliefs}
    rest = [record for record in ended if record not in best]
    table = Table(box=None, header_style="bold")
    costs = [name for name in ("parameters", "macs") if name not in {objective.name for objective in objectives}]
    for column in (
        "trial",
        *(objective.name for objective in objectives),
        *(["believed"] if beliefs else []),
        *costs,
        "epochs",
        "status",
        "hyperparameters",
    ):
        table.add_column(column, justify="left" if column == "hyperparameters" else "right", no_wrap=column in costs)
    for record in [*best, *rest][:most]:
        completed = record.status == "completed"
        table.add_row(
            str(places[record.run.id]),
            *(shown(objective.name, objective.value(record)) if completed else "–" for objective in objectives),
            *([values.get(record.run.id, "–")] if beliefs else []),
            *(shown(name, record.network[name]) for name in costs),
            str(record.run.train.epochs or "–"),
            record.status,
            values_of(record.run),
        )
    return table


def confirmed_table(root: Path) -> "Table":
    """Return a table with a row for each network trained with fresh seeds: means with 95 % intervals of Student's t."""
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for column in CONFIRMED_COLUMNS:
        table.add_column(column, justify="left" if column == "net" else "right")
    for row in confirmed_rows(root):
        table.add_row(*row)
    return table


def confirmed_rows(root: Path) -> list[tuple[str, ...]]:
    """Return the cells of `confirmed_table`, as text."""
    from analysis.measures import bounds, measured
    from analysis.statistics import summary
    from analysis.study import read

    study, rng = read(root), np.random.default_rng(0)
    by_measure = [
        summary(measured(name, study.planned, study.frames), study.factors, rng, bounds(name)) for name in CONFIRMED
    ]
    costs = study.planned.groupby(study.factors, observed=True)["parameters"].first().reset_index(drop=True)
    cells: list[tuple[str, ...]] = []
    for i, first in enumerate(by_measure[0].to_dict("records")):
        rows = [rows.iloc[i] for rows in by_measure]
        cells.append((
            str(first["trial"]),
            str(first["net"]),
            shown("parameters", float(costs[i])),
            f"{first['n']} of {first['N']}",
            *(_with_interval(row["mean"], row["low"], row["high"]) for row in rows),
        ))  # fmt: skip
    return cells


def _with_interval(mean: float, low: float, high: float) -> str:
    """Return a mean with its interval as text, as far as they are known."""
    if math.isnan(mean):
        return "–"
    return f"{mean:.4f} [{low:.4f}, {high:.4f}]" if math.isfinite(low) else f"{mean:.4f} [–]"


def level(value: object) -> str:
    """Return the value of a hyperparameter as text; a dash if it is not active."""
    return "–" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def values_of(run: Run) -> str:
    """Return the values of a trial's active hyperparameters as text."""
    return " ".join(f"{name}={level(value)}" for name, value in run.factors.items() if value is not None)


def shown(name: str, value: float) -> str:
    """Return a measure as text, in a suitable unit."""
    match name:
        case "parameters" | "macs":
            return magnitude(value)
        case "latency_seconds":
            return f"{1000 * value:.3g} ms"
        case "seconds":
            return duration(value)
        case _:
            return f"{value:.4f}"
