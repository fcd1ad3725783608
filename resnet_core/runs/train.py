"""One training run, from its spec to its record."""

import math
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from resnet_core.nets.cost import cost
from resnet_core.runs.data.arrays import Dataset
from resnet_core.runs.order import batches, probed_batch
from resnet_core.runs.records import Outcome, Record
from resnet_core.runs.runtime import environment
from resnet_core.runs.spec import Run

REPORT_EVERY = 10


@dataclass(frozen=True)
class Progress:
    """How far a run is: after `step` of `steps` updates, in `epoch`, with this loss."""

    step: int
    steps: int
    epoch: int
    loss: float


class Diverged(Exception):
    """The loss, or another result, is not finite after `step` updates."""

    def __init__(self, step: int, value: float, name: str = "loss") -> None:
        super().__init__(f"the {name} was {value} at step {step}")
        self.step = step


def execute(run: Run, data: Dataset, on_progress: Callable[[Progress], None] = lambda _: None) -> Record:
    """Train `run` on `data` and return its record, however it ends.

    Only an interrupt leaves without a record.
    """
    started = time.perf_counter()
    training = Training(run, data, on_progress)
    try:
        results = training.complete()
        outcome = Outcome("completed", training.step)
    except Diverged as error:
        results, outcome = {}, Outcome("diverged", error.step, str(error))
        training.probes = [row for row in training.probes if row["step"] <= error.step]
    except Exception:
        results, outcome = {}, Outcome("crashed", training.step, traceback.format_exc())
    seconds = time.perf_counter() - started
    of = cost(run.net)
    network = {"layers": run.net.depth, "parameters": of.trainable, "macs": of.macs}
    return Record(run, outcome, results, training.epochs, training.probes, network, environment(), seconds)


class Training:
    """A run under way: the rows it has recorded and the updates it has made."""

    def __init__(self, run: Run, data: Dataset, on_progress: Callable[[Progress], None]) -> None:
        self.step = 0
        self.epochs: list[dict[str, Any]] = []
        self.probes: list[dict[str, Any]] = []
        self._measured: list[tuple[int, int, Any]] = []  # step, epoch, and norms that are not rows yet
        self._run = run
        self._data = data
        self._on_progress = on_progress

    def complete(self) -> dict[str, float]:
        """Make all updates; return the final results.

        Raises:
            Diverged: A loss is not finite.
        """
        from resnet_core.runs.engine import Data, StepSpec, engine

        train, images = self._run.train, len(self._data.x_train)
        steps = train.total_steps(images)
        self._device = Data(self._data)
        self._engine = engine(self._run.net, StepSpec.of(train, self._run.probe))
        self._engine.reset(self._run.init_seed)
        self._probed = probed_batch(self._run.data_seed, images, self._run.probe.batch_size)
        self._probe(epoch=0, ends_epoch=False)
        taken: list[tuple[Any, Any]] = []  # loss and accuracy of each step of the epoch
        checked = 0
        draws = batches(
            self._run.data_seed, images, train.batch_size, steps, cutout=train.cutout > 0, mixup=train.mixup
        )
        for batch in draws:
            rate = train.learning_rate_at(self.step, steps)
            *scores, norms = self._engine.update(self._device, batch, rate)
            taken.append(tuple(scores))
            if self._run.probe.due_in_step(self.step):
                self._measured.append((self.step, batch.epoch, norms))
            self.step += 1
            ends_epoch = batch.ends_epoch or self.step == steps
            if ends_epoch or self.step % REPORT_EVERY == 0:
                self._record_steps()
                checked = self._check(taken, checked)
                self._on_progress(Progress(self.step, steps, batch.epoch, float(taken[-1][0])))
            self._probe(batch.epoch, ends_epoch)
            if ends_epoch:
                self._end_epoch(batch.epoch, rate, taken)
                taken, checked = [], 0
        results = dict(self._results())
        for name, value in results.items():
            if not math.isfinite(value):
                raise Diverged(self.step, value, name)
        return results

    def _check(self, taken: list[tuple[Any, Any]], start: int) -> int:
        for i, (loss, _) in enumerate(taken[start:], start):
            if not math.isfinite(float(loss)):
                raise Diverged(self.step - len(taken) + i, float(loss))
        return len(taken)

    def _probe(self, epoch: int, ends_epoch: bool) -> None:
        if self._run.probe.due(self.step, ends_epoch=ends_epoch):
            for row in self._engine.probe(self._device, self._probed):
                self.probes.append({"step": self.step, "epoch": epoch, **row})

    def _record_steps(self) -> None:
        for step, epoch, norms in self._measured:
            self.probes += ({"step": step, "epoch": epoch, **row} for row in self._engine.rows(norms))
        self._measured.clear()

    def _end_epoch(self, epoch: int, rate: float, taken: list[tuple[Any, Any]]) -> None:
        loss, accuracy = (_mean(float(value) for value in column) for column in zip(*taken, strict=True))
        row = {"epoch": epoch, "step": self.step, "learning_rate": rate, "loss": loss, "accuracy": accuracy}
        row |= self._scores("val")
        self.epochs.append(row)

    def _results(self) -> Iterator[tuple[str, float]]:
        for part in ("train", "val", "test"):
            yield from self._scores(part).items()

    def _scores(self, part: str) -> dict[str, float]:
        images, labels = getattr(self._device, part)
        if not len(images):
            return {}
        loss, accuracy = self._engine.evaluate(self._device, images, labels)
        return {f"{part}_loss": loss, f"{part}_accuracy": accuracy}


def _mean(values: Iterable[float]) -> float:
    taken = list(values)
    return math.fsum(taken) / len(taken)
