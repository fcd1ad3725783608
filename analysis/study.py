"""The content of a study's folder: the plan, and the records as tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.claims import Claim
from analysis.judging.looks import Look, following
from analysis.labels import arm_labels
from analysis.measures import COST, find
from analysis.tables import in_order
from resnet_core.errors import UserError, nearest
from resnet_core.runs.records.frames import Damaged, Frames
from resnet_core.runs.records.plan import Plan
from resnet_core.runs.records.store import PLAN, Store
from resnet_core.sealed import encodable

INACTIVE = "–"
"""The level of a factor in arms in which the factor is inactive."""


@dataclass(frozen=True)
class StudyRecords:
    """The content of a study's folder: the plan, and the records as tables with the label of each arm."""

    plan: Plan
    planned: pd.DataFrame
    runs: pd.DataFrame
    epochs: pd.DataFrame
    probes: pd.DataFrame
    damaged: tuple[Damaged, ...]
    probed: pd.DataFrame | None = None

    @property
    def factors(self) -> list[str]:
        return list(self.plan.factors)

    @property
    def frames(self) -> Frames:
        """The records as tables."""
        return Frames(self.runs, self.epochs, self.probes, self.damaged, self.probed)

    @property
    def looks(self) -> tuple[Look, ...]:
        """The looks of the plan, or one look at the present seeds if the plan has none."""
        return Look.from_plan(self.plan.looks) or following((), self.planned["seed"].nunique())

    @property
    def claims(self) -> tuple[Claim, ...]:
        """The claims of the plan.

        Raises:
            UserError: A claim is not one of this version of the program.
        """
        return tuple(Claim.from_dict(values) for values in self.plan.claims)


def read(folder: Path) -> StudyRecords:
    """Read a study's folder.

    Raises:
        UserError: The folder is not that of a study, or contains no usable record.
    """
    if not folder.is_dir():
        raise UserError(f"a report needs the folder of a study, but {folder} does not exist")
    store = Store(folder)
    plan = store.plan()
    if plan is None:
        inside = sorted(path.parent.name for path in folder.glob("*/study.json"))
        hint = f"; did you mean {folder / inside[0]}?" if inside else "; resnet-ablate run makes one"
        raise UserError(f"a report needs the folder of a study, with a study.json, but {folder} has none{hint}")
    _check(plan, store.root / PLAN)
    frames = store.frames()
    if frames.runs.empty and frames.damaged:
        first = frames.damaged[0]
        raise UserError(
            f"a report needs a whole record of a run, but all that {folder} has are damaged, "
            f"{len(frames.damaged)} files; {first.path}: {first.reason}; run the study again, which makes them anew"
        )
    if frames.runs.empty:
        raise UserError(f"a report needs a run that has ended, but {folder} has none yet; run the study first")
    levels = ({name: _level(level) for name, level in run.factors.items()} for run in plan.runs)
    planned = pd.DataFrame(
        [{"run": run.id, "seed": run.seed, **factors} for run, factors in zip(plan.runs, levels, strict=True)]
    )
    planned = planned.assign(**{factor: in_order(planned[factor]) for factor in plan.factors})
    planned = planned.sort_values([*plan.factors, "seed"], ignore_index=True)
    if planned["run"].isin(frames.runs["run"]).sum() == 0:
        raise UserError(f"a report needs a run of the study's plan, but {folder} has records of other runs only")
    runs = planned.merge(frames.runs.drop(columns=["seed", *plan.factors]), on="run")
    planned.insert(1, "label", arm_labels(planned, plan.factors, plan.words))
    runs = planned[["run", "label"]].merge(runs, on="run")
    # A run that was lost before its network was built has no cost, and a missing run has none: take that of the arm.
    runs = runs.reindex(columns=[*runs, *(name for name in COST if name not in runs)])
    costs = planned.merge(runs[["run", *COST]], on="run", how="left").groupby([*plan.factors], observed=True)
    planned[list(COST)] = costs[list(COST)].transform("first").astype(float)
    runs[list(COST)] = planned.set_index("run")[list(COST)].reindex(runs["run"]).to_numpy()
    probed = _planned(frames.probed, planned, plan)
    return StudyRecords(plan, planned, runs, frames.epochs, frames.probes, frames.damaged, probed)


def _check(plan: Plan, path: Path) -> None:
    """Check that the claims and the published figures of a plan are about known measures and factors.

    Raises:
        UserError: A measure or a factor is unknown.
    """
    try:
        arms = [term.levels for values in plan.claims for term in Claim.from_dict(values).terms]
        for figure in plan.published:
            arms.append(figure["arm"])
            if find(figure["measure"]) is None:
                raise UserError(f"a figure must be of a measure, but got '{figure['measure']}'")
        for name in (name for arm in arms for name in arm if name not in plan.factors):
            raise UserError(f"an arm must be of the study's factors, but got '{name}'{nearest(name, plan.factors)}")
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _planned(probed: pd.DataFrame | None, planned: pd.DataFrame, plan: Plan) -> pd.DataFrame | None:
    """Return the rows of probes of planned runs, with the seed, and the label of the arm including its depth."""
    if probed is None or probed.empty:
        return None
    labels = arm_labels(planned, plan.factors, plan.words, depths=True)
    return probed.merge(planned[["run", "seed"]].assign(label=labels), on="run")


def _level(value: Any) -> Any:
    """Return a level of a factor as a hashable value."""
    return INACTIVE if value is None else tuple(value) if isinstance(value, list) else encodable(value)
