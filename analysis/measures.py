"""Measures: a number for each run, computed from the tables of a store. Claims and reports use them by name.

A measure of the end of training has no value for a run that failed or was lost, even if earlier epochs went well. The
rate of failed training is a measure of its own, `failed`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from analysis.of_probes import of_probe
from resnet_core.errors import UserError, nearest
from resnet_core.runs.records.outcomes import COMPLETED, FAILURES, statuses

if TYPE_CHECKING:
    import pandas as pd

    from resnet_core.runs.records.frames import Frames

COST = ("layers", "parameters", "macs")
FAILED = "failed"
"""The measure of `analysis.claims.rate`: 1 for a run whose training failed, 0 for a completed run."""
WEIGHTS = ("weight_gradient_l2", 1, -2)
"""The probe of the kernels' gradients. The second convolution is compared with the last."""
ACTIVATIONS = ("activation_gradient_l2", 0, -1)
"""The probe of the gradients between blocks. The first place is compared with the last."""


@dataclass(frozen=True)
class Measure:
    """A number for each run.

    Attributes:
        about: Description.
        compute: Function from the tables to the values by run. A run without a value is NaN or missing. `measured`
            decides on the value of a run that was not completed.
        best, worst: Best and worst possible values; `None` without a bound.
        when: `end`: Only completed runs have a value, and a run that diverged or failed to train is worse than all of
            them. `start`: The value is known before the first update, so every run has it. `outcome`: The value is the
            outcome of training.
        images: The images of which the value is a share: `train`, `val` or `test`; empty if it is not a share.
    """

    about: str
    compute: "Callable[[Frames], pd.Series[float]]"
    best: float | None = None
    worst: float | None = None
    when: Literal["start", "end", "outcome"] = "end"
    images: str = ""

    @property
    def worse(self) -> int:
        """Direction of worse values: 1 upwards, -1 downwards, 0 if no value is worse than another."""
        return 0 if self.best is None else 1 if self.best == 0 else -1


def _result(name: str, *, error: bool = False) -> "Callable[[Frames], pd.Series[float]]":
    def compute(frames: "Frames") -> "pd.Series[float]":
        values = frames.runs.set_index("run").reindex(columns=[name])[name].astype(float)
        return 1 - values if error else values

    return compute


def _mean_loss(frames: "Frames") -> "pd.Series[float]":
    return frames.epochs.groupby("run")["loss"].mean() if len(frames.epochs) else _nothing(frames)


def _mean_val_error(frames: "Frames") -> "pd.Series[float]":
    if "val_accuracy" not in frames.epochs:
        return _nothing(frames)
    return 1 - frames.epochs.groupby("run")["val_accuracy"].mean()


def _failed(frames: "Frames") -> "pd.Series[float]":
    status = statuses(frames.runs).set_axis(frames.runs["run"])
    return status.isin(FAILURES).astype(float).where(status.isin([COMPLETED, *FAILURES]))


def _ratio(probe: str, near_input: int, near_output: int, *, last: bool) -> "Callable[[Frames], pd.Series[float]]":
    def compute(frames: "Frames") -> "pd.Series[float]":
        import numpy as np

        if frames.probes.empty:
            return _nothing(frames)
        rows = frames.probes[(frames.probes["probe"] == probe) & (frames.probes["path"] == "main")]
        step = rows["run"].map(frames.runs.set_index("run")["step"]) if last else 0
        rows = rows[rows["step"] == step].sort_values("index", kind="stable")
        inner, outer = (rows.groupby("run").nth(i).set_index("run")["value"] for i in (near_input, near_output))
        ratio = (inner / outer).where(lambda ratio: (ratio > 0) & np.isfinite(ratio))
        return ratio.map(np.log10)

    return compute


def _gained(probe: str, near_input: int, near_output: int) -> "Callable[[Frames], pd.Series[float]]":
    start, end = (_ratio(probe, near_input, near_output, last=last) for last in (False, True))
    return lambda frames: end(frames) - start(frames)


def register_measure(
    name: str,
    about: str,
    *,
    best: float | None = None,
    worst: float | None = None,
    when: Literal["start", "end"] = "end",
) -> "Callable[[Callable[[Frames], pd.Series[float]]], Callable[[Frames], pd.Series[float]]]":
    """Register the decorated function as a measure. It maps the tables of a store to a number for each run.

    Claims, tables and reports then accept its name. See `Measure` for the arguments.

    Example::

        @register_measure("last_loss", "training loss of the last epoch", best=0.0)
        def last_loss(frames):
            return frames.epochs.groupby("run")["loss"].last()

    Raises:
        UserError: Another measure has this name, or the name contains a dot.
    """

    def register(compute: "Callable[[Frames], pd.Series[float]]") -> "Callable[[Frames], pd.Series[float]]":
        known = MEASURES.get(name)
        if "." in name or (known and getattr(known.compute, "__qualname__", "") != compute.__qualname__):
            raise UserError(f"a measure's name must be new and without a dot, but got '{name}'; choose another")
        MEASURES[name] = Measure(about, compute, best, worst, when)
        return compute

    return register


def find(name: str) -> Measure | None:
    """Return the measure of this name: one of `MEASURES`, of `COLUMNS`, or of a probe's rows, see `analysis.of_probes`.

    `A or B` is the measure A where it has a value, and the measure B elsewhere. For example,
    `lesion[block=stage1_block3].mean or test_error` is the error of a network after the removal of a block, and the
    error of a network that never had the block.

    Raises:
        UserError: The name has the form of a probe's measure but is not valid.
    """
    if name in MEASURES or name in COLUMNS:
        return MEASURES.get(name) or COLUMNS[name]
    first, either, second = name.partition(" or ")
    if either:
        return _either(find(first), find(second))
    derived = of_probe(name)
    return None if derived is None else Measure(derived.about, derived, *derived.bounds)


def _either(first: Measure | None, second: Measure | None) -> Measure | None:
    """Return a measure: the first where it has a value, else the second. It has the bounds of the second."""
    if first is None or second is None:
        return None

    def compute(frames: "Frames") -> "pd.Series[float]":
        return first.compute(frames).astype(float).combine_first(second.compute(frames).astype(float))

    return replace(second, about=f"{first.about}; where that has no value, {second.about}", compute=compute, images="")


def measure(name: str) -> Measure:
    """Return the measure of this name; see `find`.

    Raises:
        UserError: There is none.
    """
    known = find(name)
    if known is None:
        raise UserError(
            f"a measure must be a known one, or PROBE.STATISTIC as lesion.largest, but got '{name}'"
            f"{nearest(name, MEASURES)}"
        )
    return known


def bounds(name: str) -> tuple[float, float]:
    """Return the smallest and the largest possible value of a measure; infinite if there is no bound."""
    measure = find(name)
    if measure is None or measure.best is None:
        return -math.inf, math.inf
    worst = math.inf if measure.worst is None else measure.worst
    return min(measure.best, worst), max(measure.best, worst)


def measured(name: str, planned: "pd.DataFrame", frames: "Frames") -> "pd.DataFrame":
    """Return a row with the value of each planned run, including lost and missing runs.

    Args:
        name: See `measure`.
        planned: One row for each planned run: `run`, and any columns; `layers`, `parameters` and `macs` are those of
            the record if they are not among them.
        frames: The tables of the study's store.

    Returns:
        `planned` with `status` (`missing` without a record), `layers`, `parameters`, `macs`, `value` and `failed`.
        `failed` says whether training failed: the run diverged or failed to train (`runs.records.outcomes`). Such a
        run has no value and counts as worse than every run with a value; for a measure of the start, no run is marked
        as failed. The value of a lost or missing run is NaN, and a value that is not finite becomes NaN.
    """
    import numpy as np

    known = measure(name)
    recorded = frames.runs.reindex(columns=["run", "status", *(name for name in COST if name not in planned)])
    if len(recorded):
        recorded["status"] = statuses(frames.runs)
    recorded = recorded.set_index("run")
    values = known.compute(frames) if len(recorded) else recorded["status"]
    recorded["value"] = values.astype(float).replace([np.inf, -np.inf], np.nan)
    runs = planned.join(recorded, on="run")
    runs["status"] = runs["status"].astype(object).fillna("missing")
    runs["failed"] = runs["status"].isin(FAILURES) & (known.when != "start")
    if known.when == "end":
        runs["value"] = runs["value"].where(runs["status"].eq(COMPLETED))
    return runs


def _nothing(frames: "Frames") -> "pd.Series[float]":
    return frames.runs.set_index("run")["step"].astype(float) * float("nan")


PARTS = (("train", "training"), ("val", "validation"), ("test", "test"))
COLUMNS: dict[str, Measure] = {}
"""Measures of columns of users' tables; see `analysis.judging.run_table.column`."""
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
    **{
        f"{part}_{score}": Measure(f"{about} of the {name} images, at the last step, in inference mode",
                                   _result(f"{part}_{score}"), best=1.0, worst=0.0)
        for part, name in PARTS
        for score, about in (
            ("balanced_accuracy", "mean of the classes' accuracies"), ("f1_macro", "mean of the classes' F1 scores"),
            ("worst_class_accuracy", "smallest of the classes' accuracies"),
        )
    },
    "mean_loss": Measure(
        "mean over the epochs of the loss in training mode: with dropout, augmentation and the statistics of the "
        "batches, so it tells how fast training is, and not how well the images are fitted", _mean_loss, best=0.0,
    ),
    "mean_val_error": Measure(
        "mean over the epochs of the share of the validation images that are classified wrongly, in inference mode; "
        "lower where the error falls sooner", _mean_val_error, best=0.0, worst=1.0,
    ),
    "gradient_decades_at_init": Measure(
        "log10 of the L2 gradient of the second convolution over that of the last, at step 0",
        _ratio(*WEIGHTS, last=False), when="start",
    ),
    "gradient_decades_at_end": Measure("the same at the last step", _ratio(*WEIGHTS, last=True)),
    "gradient_decades_gained": Measure("gradient_decades_at_end minus gradient_decades_at_init", _gained(*WEIGHTS)),
    "activation_gradient_decades_at_init": Measure(
        "log10 of the L2 gradient of the first value between blocks over that of the last, at step 0",
        _ratio(*ACTIVATIONS, last=False), when="start",
    ),
    "activation_gradient_decades_at_end": Measure("the same at the last step", _ratio(*ACTIVATIONS, last=True)),
    **{
        name: Measure(f"{about} of the images that the probe `scores` has seen, of the trained network",
                      of_probe(f"scores[quantity={quantity}].mean"), best=best, worst=1.0 - best)  # type: ignore[arg-type]
        for name, quantity, best, about in (
            ("top5_accuracy", "top5_accuracy", 1.0, "share with the right class among the five likeliest"),
            ("calibration_error", "calibration_error", 0.0, "expected calibration error (Guo et al. 2017, 15 bins)"),
        )
    },
    "worst_class_accuracy": Measure(
        "accuracy of the class that has the lowest, of the images that the probe `scores` has seen",
        of_probe("scores[quantity=class_accuracy].smallest"), best=1.0, worst=0.0,  # type: ignore[arg-type]
    ),
    FAILED: Measure(
        "1 of a run whose training failed, since it diverged or failed to train; 0 of one that was completed",
        _failed, best=0.0, worst=1.0, when="outcome",
    ),
}  # fmt: skip
