"""The data of a search's report: objectives, trials, and the tables that are computed from them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import believed, importance, tables, trials
from analysis.classes import CONFUSION, RECALL
from analysis.pages import dataset, report
from analysis.pages.report import SEED
from analysis.study import StudyRecords, read
from analysis.trials import BUDGET, COSTS, KIND, ObjectiveColumn
from resnet_core.errors import UserError

CONFIRM = "confirm"
CONFIRMED = ("verdicts", "accuracy", RECALL, CONFUSION, "effects", "summary")
"""The tables of the confirming study that the report of the search contains."""
NAMES = {BUDGET: "epochs", KIND: "network"}


@dataclass(frozen=True)
class StoredSearch:
    """A search: its folder, read as a study, with objectives and trials.

    Attributes:
        study: The content of the folder.
        objectives: The objectives.
        trials: See `analysis.trials.table`.
        varied: The hyperparameters of two values or more, and the epochs if these differ.
        confirm: The study that repeats the best trials with fresh seeds, if there is one.
        believed: See `believed.table`; without rows, if the search was not replicated.
        why_not: If that study was started but cannot be read: the reason.
    """

    study: StudyRecords
    objectives: tuple[ObjectiveColumn, ...]
    trials: pd.DataFrame
    varied: list[str]
    believed: pd.DataFrame
    confirm: StudyRecords | None = None
    why_not: str = ""


def search_of(study: StudyRecords, folder: Path) -> StoredSearch:
    """Return the search of a folder, with its confirming study if there is one.

    Raises:
        UserError: The plan has no known objective.
    """
    objectives = trials.objectives(str(study.plan.base.get("objective")))
    rows = trials.table(study, objectives)
    confirm, why_not = None, ""
    if (folder / CONFIRM / "study.json").exists():
        try:
            confirm = read(folder / CONFIRM)
        except UserError as error:
            why_not = str(error)
    beliefs = believed.table(folder, rows)
    return StoredSearch(study, objectives, rows, trials.varied(rows, study.factors), beliefs, confirm, why_not)


def tables_of(search: StoredSearch) -> dict[str, pd.DataFrame]:
    """Return the tables of the report by name, with every digit. A table without data has no rows."""
    rows, objectives, study = search.trials, search.objectives, search.study
    rng = np.random.default_rng(SEED)
    weighed = [
        importance.table(rows, study.factors, objective, rng) for objective in objectives if objective.name not in COSTS
    ]
    goals = [objective.name for objective in objectives]
    hyperparameters = [*study.factors, *([KIND] if "skip" not in study.factors else []), *epochs_of(search)]
    listed = list(dict.fromkeys(["trial", *goals, *COSTS, *hyperparameters, "seconds"]))
    best = trials.best(rows, objectives)
    by_name = {
        "believed": search.believed.merge(rows[["trial", *hyperparameters]], on="trial"),
        "best": best[[*(name for name in ("rank", "knee") if name in best), *listed]],
        "objectives": trials.reference(rows, objectives) if len(objectives) > 1 else pd.DataFrame(),
        "anytime": _anytime(search),
        "importance": pd.concat([table for table, _ in weighed], ignore_index=True) if weighed else pd.DataFrame(),
        "importance_left_out": pd.DataFrame({"reason": [why for _, why in weighed if why]}),
        "skips": trials.by_kind(rows, first_objective(search)),
        "skip_difference": trials.between_kinds(rows, first_objective(search)),
        "outcomes": trials.outcomes(rows),
        "failures": rows.loc[
            ~rows["status"].isin(["completed", "open"]), ["trial", *hyperparameters, "status", "step", "message"]
        ],
        "trials": rows[list(dict.fromkeys(["trial", "status", *listed[1:], "run"]))],
        "space": _space(study),
        "environment": tables.environments(study.runs),
        "settings": tables.in_common(study.runs, ("net", "train", "probe")),
        **dataset.tables_of(study.plan),
    }
    if search.confirm:
        confirmed = report.tables_of(search.confirm)
        by_name |= {f"{CONFIRM}_{name}": table for name, table in confirmed.items()}
        by_name[f"{CONFIRM}_found"] = trials.found_again(rows, first_objective(search), confirmed["summary"])
    return {name: _named(table) for name, table in by_name.items()}


def first_objective(search: StoredSearch) -> ObjectiveColumn:
    """Return the first objective that is not a cost."""
    return next((objective for objective in search.objectives if objective.name not in COSTS), search.objectives[0])


def epochs_of(search: StoredSearch) -> list[str]:
    """Return the name of the budget if the trials have different ones."""
    return [BUDGET] if BUDGET in search.varied else []


def _anytime(search: StoredSearch) -> pd.DataFrame:
    table = trials.anytime(search.trials, search.objectives)
    ends = [name for name in ("best_so_far", "hypervolume") if name in table]
    goals = [objective.name for objective in search.objectives]
    return table[[*dict.fromkeys(["trial", "status", *epochs_of(search), "seconds", "seconds_so_far", *goals, *ends])]]


def _space(study: StudyRecords) -> pd.DataFrame:
    """Return the range of each hyperparameter in the plan: `hyperparameter`, `range`."""
    entries = [
        (name.partition(".")[2], str(words)) for name, words in study.plan.base.items() if name.startswith("space.")
    ]
    return pd.DataFrame(entries, columns=["hyperparameter", "range"])


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with readable names of columns, where no hyperparameter has such a name."""
    return table.rename(columns={name: word for name, word in NAMES.items() if word not in table})
