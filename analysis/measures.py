"""What claims and reports are about: a number for each run, from the tables of a store."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from resnet_core.runs.frames import Frames

COST = ("layers", "parameters", "macs")
WEIGHTS = ("weight_gradient_l2", 1, -2)
"""The probe of the kernels' gradients; of its layers, the second convolution and the last are compared."""
ACTIVATIONS = ("activation_gradient_l2", 0, -1)
"""The probe of the gradients between blocks; of these, the first and the last are compared."""


@dataclass(frozen=True)
class Measure:
    """A number for each run.

    Attributes:
        about: What it is.
        of: From the tables to the number, by run; a run that has none is NaN, or not there.
        best, worst: Its bounds; the worst is what a run that diverged is given. None where it has none. One with a
            best alone has no upper bound.
    """

    about: str
    of: "Callable[[Frames], pd.Series[float]]"
    best: float | None = None
    worst: float | None = None


def _result(name: str, *, error: bool = False) -> "Callable[[Frames], pd.Series[float]]":
    def of(frames: "Frames") -> "pd.Series[float]":
        values = frames.runs.set_index("run").reindex(columns=[name])[name].astype(float)
        return 1 - values if error else values

    return of


def _mean_loss(frames: "Frames") -> "pd.Series[float]":
    return frames.epochs.groupby("run")["loss"].mean() if len(frames.epochs) else _nothing(frames)


def _ratio(probe: str, near_input: int, near_output: int, *, last: bool) -> "Callable[[Frames], pd.Series[float]]":
    def of(frames: "Frames") -> "pd.Series[float]":
        import numpy as np

        if frames.probes.empty:
            return _nothing(frames)
        rows = frames.probes[(frames.probes["probe"] == probe) & (frames.probes["path"] == "main")]
        step = rows["run"].map(_last_steps(frames.runs)) if last else 0
        rows = rows[rows["step"] == step].sort_values("index", kind="stable")
        inner, outer = (rows.groupby("run").nth(i).set_index("run")["value"] for i in (near_input, near_output))
        ratio = (inner / outer).where(lambda ratio: (ratio > 0) & np.isfinite(ratio))
        return ratio.map(np.log10)

    return of


def _last_steps(runs: "pd.DataFrame") -> "pd.Series[float]":
    completed = runs[runs["status"] == "completed"]
    return completed.set_index("run")["step"]


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
        `planned` with `status` (`missing` without a record), `layers`, `parameters`, `macs`, `value` and `at_worst`.
        A run that diverged has the measure's worst value, if it has one, and `at_worst` says so. The value of any
        other run without a finite one is NaN.
    """
    import numpy as np

    recorded = frames.runs.reindex(columns=["run", "status", *(name for name in COST if name not in planned)])
    recorded = recorded.set_index("run")
    values = MEASURES[name].of(frames) if len(recorded) else recorded["status"]
    recorded["value"] = values.astype(float).replace([np.inf, -np.inf], np.nan)
    runs = planned.join(recorded, on="run")
    runs["status"] = runs["status"].astype(object).fillna("missing")
    worst = MEASURES[name].worst
    runs["at_worst"] = runs["status"].eq("diverged") & runs["value"].isna() & (worst is not None)
    runs["value"] = runs["value"].mask(runs["at_worst"], worst)
    return runs


def _nothing(frames: "Frames") -> "pd.Series[float]":
    return frames.runs.set_index("run")["step"].astype(float) * float("nan")


MEASURES: Mapping[str, Measure] = {
    **{
        f"{part}_error": Measure(
            f"share of the {of} images that are classified wrongly, at the last step",
            _result(f"{part}_accuracy", error=True), best=0.0, worst=1.0,
        )
        for part, of in (("train", "training"), ("val", "validation"), ("test", "test"))
    },
    **{
        f"{part}_accuracy": Measure(
            f"share of the {of} images that are classified rightly, at the last step",
            _result(f"{part}_accuracy"), best=1.0, worst=0.0,
        )
        for part, of in (("train", "training"), ("val", "validation"), ("test", "test"))
    },
    **{
        f"{part}_loss": Measure(
            f"cross-entropy of the {of} images, at the last step", _result(f"{part}_loss"), best=0.0
        )
        for part, of in (("train", "training"), ("val", "validation"), ("test", "test"))
    },
    "mean_loss": Measure("mean over the epochs of the training loss", _mean_loss, best=0.0),
    "gradient_decades_at_init": Measure(
        "log10 of the L2 gradient of the second convolution over that of the last, at step 0",
        _ratio(*WEIGHTS, last=False),
    ),
    "gradient_decades_at_end": Measure("the same at the last step", _ratio(*WEIGHTS, last=True)),
    "activation_gradient_decades_at_init": Measure(
        "log10 of the L2 gradient of the first value between blocks over that of the last, at step 0",
        _ratio(*ACTIVATIONS, last=False),
    ),
    "activation_gradient_decades_at_end": Measure("the same at the last step", _ratio(*ACTIVATIONS, last=True)),
}  # fmt: skip
