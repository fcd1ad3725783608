"""What claims and reports are about: a number for each run, from the tables of a store.

A measure of how training ended has no value for a run whose training failed, or which was lost: what its good epochs
had is no result. How often training fails is a measure of its own, `failed`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from resnet_core.runs.records.outcomes import COMPLETED, FAILURES, statuses

if TYPE_CHECKING:
    import pandas as pd

    from resnet_core.runs.records.frames import Frames

COST = ("layers", "parameters", "macs")
FAILED = "failed"
"""The measure of `analysis.claims.rate`: 1 of a run whose training failed, 0 of one that was completed."""
WEIGHTS = ("weight_gradient_l2", 1, -2)
"""The probe of the kernels' gradients; of its layers, the second convolution and the last are compared."""
ACTIVATIONS = ("activation_gradient_l2", 0, -1)
"""The probe of the gradients between blocks; of these, the first and the last are compared."""


@dataclass(frozen=True)
class Measure:
    """A number for each run.

    Attributes:
        about: What it is.
        of: From the tables to the number, by run; a run that has none is NaN, or not there. What a run is worth that
            was not completed is decided by `measured`, not here.
        best, worst: The values that it can have at best, and at worst. None where it has no such bound.
        when: `end`: only a completed run has a value; one that diverged or failed to train is worse than all that have.
            `start`: it is known before the first update, so every run has it, however it ended. `outcome`: it is how
            training ended.
        images: Of which images it is a share, `train`, `val` or `test`; none if it is no share of images.
    """

    about: str
    of: "Callable[[Frames], pd.Series[float]]"
    best: float | None = None
    worst: float | None = None
    when: Literal["start", "end", "outcome"] = "end"
    images: str = ""

    @property
    def worse(self) -> int:
        """Where worse is: 1 upwards, -1 downwards, 0 if no value is worse than another."""
        return 0 if self.best is None else 1 if self.best == 0 else -1


def _result(name: str, *, error: bool = False) -> "Callable[[Frames], pd.Series[float]]":
    def of(frames: "Frames") -> "pd.Series[float]":
        values = frames.runs.set_index("run").reindex(columns=[name])[name].astype(float)
        return 1 - values if error else values

    return of


def _mean_loss(frames: "Frames") -> "pd.Series[float]":
    return frames.epochs.groupby("run")["loss"].mean() if len(frames.epochs) else _nothing(frames)


def _failed(frames: "Frames") -> "pd.Series[float]":
    status = statuses(frames.runs).set_axis(frames.runs["run"])
    return status.isin(FAILURES).astype(float).where(status.isin([COMPLETED, *FAILURES]))


def _ratio(probe: str, near_input: int, near_output: int, *, last: bool) -> "Callable[[Frames], pd.Series[float]]":
    def of(frames: "Frames") -> "pd.Series[float]":
        import numpy as np

        if frames.probes.empty:
            return _nothing(frames)
        rows = frames.probes[(frames.probes["probe"] == probe) & (frames.probes["path"] == "main")]
        step = rows["run"].map(frames.runs.set_index("run")["step"]) if last else 0
        rows = rows[rows["step"] == step].sort_values("index", kind="stable")
        inner, outer = (rows.groupby("run").nth(i).set_index("run")["value"] for i in (near_input, near_output))
        ratio = (inner / outer).where(lambda ratio: (ratio > 0) & np.isfinite(ratio))
        return ratio.map(np.log10)

    return of


def bounds(name: str) -> tuple[float, float]:
    """Return the least and the greatest value that a measure can have; infinite where it has no bound."""
    measure = MEASURES.get(name)
    if measure is None or measure.best is None:
        return -math.inf, math.inf
    worst = math.inf if measure.worst is None else measure.worst
    return min(measure.best, worst), max(measure.best, worst)


def measured(name: str, planned: "pd.DataFrame", frames: "Frames") -> "pd.DataFrame":
    """Return the value of each planned run, so that no run is left out of what is made of them.

    Args:
        name: Of `MEASURES`.
        planned: A row a planned run: `run`, and any columns; `layers`, `parameters` and `macs` are those of the
            record if they are not among them.
        frames: The tables of the study's store.

    Returns:
        `planned` with `status` (`missing` without a record), `layers`, `parameters`, `macs`, `value` and `failed`.
        `failed` says whether training failed: the run diverged or failed to train (`runs.records.outcomes`), so
        that it is worse than every run that has a value, and has none itself; never of a measure of the start. The
        value of a run that was lost, or is missing, is NaN too, and so is a value that is not finite.
    """
    import numpy as np

    measure = MEASURES[name]
    recorded = frames.runs.reindex(columns=["run", "status", *(name for name in COST if name not in planned)])
    if len(recorded):
        recorded["status"] = statuses(frames.runs)
    recorded = recorded.set_index("run")
    values = measure.of(frames) if len(recorded) else recorded["status"]
    recorded["value"] = values.astype(float).replace([np.inf, -np.inf], np.nan)
    runs = planned.join(recorded, on="run")
    runs["status"] = runs["status"].astype(object).fillna("missing")
    runs["failed"] = runs["status"].isin(FAILURES) & (measure.when != "start")
    if measure.when == "end":
        runs["value"] = runs["value"].where(runs["status"].eq(COMPLETED))
    return runs


def _nothing(frames: "Frames") -> "pd.Series[float]":
    return frames.runs.set_index("run")["step"].astype(float) * float("nan")


PARTS = (("train", "training"), ("val", "validation"), ("test", "test"))
MEASURES: dict[str, Measure] = {
    **{
        f"{part}_error": Measure(
            f"share of the {name} images that are classified wrongly, at the last step, in inference mode",
            _result(f"{part}_accuracy", error=True), best=0.0, worst=1.0, images=part,
        )
        for part, name in PARTS
    },
    **{
        f"{part}_accuracy": Measure(
            f"share of the {name} images that are classified rightly, at the last step, in inference mode",
            _result(f"{part}_accuracy"), best=1.0, worst=0.0, images=part,
        )
        for part, name in PARTS
    },
    **{
        f"{part}_loss": Measure(
            f"cross-entropy of the {name} images in nats, at the last step, in inference mode",
            _result(f"{part}_loss"), best=0.0,
        )
        for part, name in PARTS
    },
    "mean_loss": Measure(
        "mean over the epochs of the loss in training mode: with dropout, augmentation and the statistics of the "
        "batches, so it tells how fast training is, and not how well the images are fitted", _mean_loss, best=0.0,
    ),
    "gradient_decades_at_init": Measure(
        "log10 of the L2 gradient of the second convolution over that of the last, at step 0",
        _ratio(*WEIGHTS, last=False), when="start",
    ),
    "gradient_decades_at_end": Measure("the same at the last step", _ratio(*WEIGHTS, last=True)),
    "activation_gradient_decades_at_init": Measure(
        "log10 of the L2 gradient of the first value between blocks over that of the last, at step 0",
        _ratio(*ACTIVATIONS, last=False), when="start",
    ),
    "activation_gradient_decades_at_end": Measure("the same at the last step", _ratio(*ACTIVATIONS, last=True)),
    FAILED: Measure(
        "1 of a run whose training failed, since it diverged or failed to train; 0 of one that was completed",
        _failed, best=0.0, worst=1.0, when="outcome",
    ),
}  # fmt: skip
