"""Measures probes of trained networks."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from resnet_core.errors import UserError
from resnet_core.nets.keras_net import build
from resnet_core.nets.own import Net
from resnet_core.probes.progress import counted
from resnet_core.probes.requests import TRAINING_TIMES, Item, ProbeRequest, Sample, unmeasurable
from resnet_core.probes.subject import Subject
from resnet_core.runs.data.arrays import Dataset
from resnet_core.runs.data.stored import Array, Rows
from resnet_core.runs.records.measurements import Measurement
from resnet_core.runs.records.record import Row
from resnet_core.runs.spec import Run
from resnet_core.runs.training.initial import initial_network
from resnet_core.runs.training.precision import dtype_policy
from resnet_core.seeds import generator
from resnet_core.surroundings import settings_of_a_run

PARTS = ("test", "val", "train")


@dataclass(frozen=True)
class Given:
    """A network, and the inputs for its probes.

    Attributes:
        net: The network.
        needs: Functions that return the inputs, by their names in `registry.NEEDS`.
        part: Part of the data set on which probes are measured: `train`, `val` or `test`.
        images: Number of images.
    """

    net: Subject
    needs: Mapping[str, Callable[[], Any]]
    part: str
    images: int


def measured(item: Item, given: Given, on_progress: Callable[[float], None] = lambda share: None) -> Measurement:
    """Measure one probe of a network. An error of the probe is a measurement, too.

    Args:
        item: The requested measurement.
        given: The network, and the inputs of the probe.
        on_progress: Called with the share of the passes that have been made.
    """
    started = time.perf_counter()
    asked, reason = item.asked, unmeasurable(item.asked, given.needs)
    rows: list[dict[str, Any]] = []
    status: Any = "unfit" if reason else "measured"
    try:
        if not reason:
            needs = {name: given.needs[name]() for name in asked.probe.needs if name in given.needs}
            passes = asked.probe.passes(given.net)
            total = max(1.0, given.images * (passes.forward + passes.backward))
            with settings_of_a_run(), counted(lambda passed: on_progress(min(1.0, passed / total))):
                rows = list(map(_tidy, asked.probe.rows(given.net, **needs, **asked.options)))
    except UserError as error:
        status, reason, rows = "unfit", str(error), []
    except (Exception, SystemExit) as error:  # whatever a user's probe may raise
        status, reason, rows = "failed", f"{type(error).__name__}: {' '.join(str(error).split())}", []
    return Measurement(item, status, rows, given.images, given.part, reason, time.perf_counter() - started)


def _tidy(values: Mapping[str, Any]) -> Row:
    """Return a row with plain values and with all columns that every row has."""
    if "value" not in values:
        raise ValueError(f"a row of a probe must have a `value`, but got {', '.join(values)}")
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()}
    return {"layer": "", "block": "", "index": 0, "path": "main", **plain, "value": float(plain["value"])}


def of_run(
    run: Run,
    weights: Sequence[Array],
    data: Dataset,
    sample: Sample,
    other: Callable[[], Any] | None = None,
) -> Given:
    """Return the network of a run with these weights, and the inputs for its probes.

    Args:
        run: The run.
        weights: Weights in the order of `keras.Model.weights`.
        data: Data set of the run.
        sample: The images on which probes are measured.
        other: Function that returns a second network, if there is one.

    Raises:
        UserError: The run has no images of the part of the sample.
    """
    net = _subject(run.net, run.train.precision, run.code or "")
    net.model.set_weights(weights)
    part = part_of(run, data, sample)
    x, y = drawn(getattr(data, f"x_{part}"), getattr(data, f"y_{part}"), sample.images, part)
    x_train, y_train = drawn(data.x_train, data.y_train, TRAINING_TIMES * sample.images, "train")
    needs: dict[str, Callable[[], Any]] = {
        "images": lambda: _preprocessed(x, data),
        "labels": lambda: y,
        "train_images": lambda: _preprocessed(x_train, data),
        "train_labels": lambda: y_train,
        "initial": lambda: initial_network(run).get_weights(),
    }
    if other is not None:
        needs["other"] = other
    return Given(net, needs, part, len(y))


@lru_cache(maxsize=1)
def _subject(net: Net, precision: str, code: str) -> Subject:
    """Return the network of a spec as a `Subject`. The last one is cached, with its compiled parts."""
    with dtype_policy(precision):
        return Subject(build(net))


def part_of(run: Run, data: Dataset, sample: Sample) -> str:
    """Return the part of the data set on which a probe of a run is measured.

    Raises:
        UserError: The run has no images of the part of the sample.
    """
    parts = [part for part in PARTS if len(getattr(data, f"y_{part}")) and (part != "test" or run.train.test)]
    if sample.part == "auto":
        return parts[0]
    if sample.part not in parts:
        raise UserError(f"`part` must be one that the runs have images of, {', '.join(parts)}, but got {sample.part}")
    return sample.part


def drawn(images: Rows, labels: Array, count: int, part: str) -> tuple[Array, Array]:
    """Return `count` images with their labels, or all if there are fewer. The choice is the same for all runs."""
    chosen = np.sort(generator(0, "probed", part).permutation(len(labels))[:count])
    taken = images[chosen]
    return (taken if isinstance(taken, np.ndarray) else taken.read()), np.asarray(labels)[chosen]


def _preprocessed(images: Array, data: Dataset) -> Array:
    values: Array = (images.astype(np.float32) - data.shift) * data.scale
    return values


def measured_all(
    run: Run, weights: Sequence[Array], data: Dataset, probes: Sequence[ProbeRequest], sample: Sample
) -> list[Measurement]:
    """Measure probes of the network of a run, during its training or after it."""
    given = of_run(run, weights, data, sample)
    return [measured(Item(run.id, asked, sample), given) for asked in probes]
