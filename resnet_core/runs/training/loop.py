"""A run in progress: its updates, measurements and states."""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from resnet_core.runs.data.arrays import Dataset
from resnet_core.runs.runtime import environment
from resnet_core.runs.spec import Run
from resnet_core.runs.training.checkpoints import Array, Checkpoint, State
from resnet_core.runs.training.endings import Diverged
from resnet_core.runs.training.forms import engine_of
from resnet_core.runs.training.initial import weights_for
from resnet_core.runs.training.order import Batch, batches, probed_batch
from resnet_core.runs.training.scores import scores_of

REPORT_EVERY = 10
NOWHERE = Checkpoint(None, math.inf)
NEVER: Mapping[int, "OnWeights"] = {}
OnWeights = Callable[[list[Array]], None]


@dataclass(frozen=True)
class Progress:
    """Progress of a run after `step` of `steps` updates, with the last loss. `row` is set if the epoch has ended."""

    step: int
    steps: int
    epoch: int
    loss: float
    row: Mapping[str, Any] | None = None


def made_with() -> str:
    """Return the versions and settings on which the bits of a state depend."""
    elsewhere = {"commit", "uncommitted_changes"}
    return json.dumps({name: value for name, value in environment().items() if name not in elsewhere})


class Training:
    """A run in progress.

    Attributes:
        state: Its state; the variables are those of the last checkpoint.
        seconds_before: Wall time of the run in earlier processes.
        data: The data set of the run.
    """

    def __init__(
        self, run: Run, data: Dataset, on_progress: Callable[[Progress], None], checkpoint: Checkpoint = NOWHERE,
        at_steps: Mapping[int, OnWeights] = NEVER,
    ) -> None:  # fmt: skip
        self.state = State()
        self.seconds_before = 0.0
        self._run = run
        self.data = data
        self._on_progress = on_progress
        self._checkpoint = checkpoint
        self._at_steps = at_steps
        self._checked = 0  # number of losses of `state.taken` that have been checked
        self._measured: list[tuple[int, int, Any]] = []  # step, epoch, and norms that are not rows yet
        self._started = time.perf_counter()

    def complete(self) -> dict[str, float]:
        """Make the remaining updates, and return the final results.

        Raises:
            Diverged: A loss or a result is not finite.
        """
        run, state, images = self._run, self.state, len(self.data.x_train)
        train, steps = run.train, run.train.total_steps(images)
        self._begin(images)
        self._checked = len(state.taken)
        draws = batches(
            run.data_seed, images, train.batch_size, steps, state.step, cutout=train.cutout > 0, mixup=train.mixup,
            labels=self.data.y_train, balance=train.balance,
        )  # fmt: skip
        for batch, read in self._device.batches(draws, steps - state.step):
            self._make_step(batch, read, steps)
            if self._checkpoint.due():
                self._check()
                self._save()
        if self._checkpoint.keeps_last:
            self._save(last=True)
        results = dict(self._results()) if steps else {}
        for name, value in results.items():
            if not math.isfinite(value):
                raise Diverged(state.step, value, name)
        return results

    def _begin(self, images: int) -> None:
        """Prepare the engine, and continue from the saved state. Without one, probe the initial network."""
        from resnet_core.runs.training.device import on_device

        run = self._run
        self._device = on_device(self.data)
        self._engine = engine_of(run)
        self._engine.reset(run.init_seed)
        if run.train.initial_weights:
            self._engine.start_from(weights_for(run))
        self._probed = probed_batch(run.data_seed, images, run.probe.batch_size)
        kept = self._checkpoint.load()
        if kept and self._engine.fits(kept.variables):
            vars(self.state).update(vars(kept))
            self.seconds_before = kept.seconds
            self._engine.restore(kept.variables)
        else:
            self._probe(epoch=0, ends_epoch=False)

    def _make_step(self, batch: Batch, read: Any, steps: int) -> None:
        """Make one update. Then probe the network, end the epoch and report progress, if these are due.

        Args:
            batch: The batch of the step.
            read: Its images and labels, if the images are not on the device.
            steps: Number of updates of the run.
        """
        state = self.state
        rate = self._run.train.learning_rate_at(state.step, steps)
        loss, accuracy, norms = self._engine.update(self._device, batch, rate, read)
        state.taken.append((loss, accuracy))
        if self._run.probe.due_in_step(state.step):
            self._measured.append((state.step, batch.epoch, norms))
        state.step += 1
        ends_epoch = batch.ends_epoch or state.step == steps
        reports = ends_epoch or state.step % REPORT_EVERY == 0
        if reports:
            self._check()
        self._probe(batch.epoch, ends_epoch)
        if ends_epoch:
            self._end_epoch(batch.epoch, rate)
        if reports:
            row = state.epochs[-1] if ends_epoch else None
            self._on_progress(Progress(state.step, steps, batch.epoch, float(loss), row))

    def weights(self) -> list[Array]:
        """Return the current weights."""
        return self._engine.weights()  # type: ignore[no-any-return]

    def latency(self) -> dict[str, float]:
        """Return the latency of the trained network for one image, if requested."""
        passes = self._run.probe.latency
        return {"latency_seconds": self._engine.latency(passes)} if passes else {}

    def _save(self, *, last: bool = False) -> None:
        self.state.variables = self._engine.variables()
        self.state.taken = [(float(loss), float(accuracy)) for loss, accuracy in self.state.taken]
        self.state.seconds = self.seconds_before + time.perf_counter() - self._started
        (self._checkpoint.save_last if last else self._checkpoint.save)(self.state)

    def _check(self) -> None:
        """Check the losses of this epoch since the last check; raise `Diverged` if one is not finite."""
        self._record_steps()
        taken = self.state.taken
        for i, (loss, _) in enumerate(taken[self._checked :], self._checked):
            if not math.isfinite(float(loss)):
                raise Diverged(self.state.step - len(taken) + i, float(loss))
        self._checked = len(taken)

    def _probe(self, epoch: int, ends_epoch: bool) -> None:
        state = self.state
        if self._run.probe.due(state.step, ends_epoch=ends_epoch):
            self._record_steps()
            for row in self._engine.probe(self._device, self._probed):
                state.probes.append({"step": state.step, "epoch": epoch, **row})
        if state.step in self._at_steps:
            self._at_steps[state.step](self.weights())

    def _record_steps(self) -> None:
        for step, epoch, norms in self._measured:
            self.state.probes += ({"step": step, "epoch": epoch, **row} for row in self._engine.rows(norms))
        self._measured.clear()

    def _end_epoch(self, epoch: int, rate: float) -> None:
        state = self.state
        loss, accuracy = (fmean(map(float, column)) for column in zip(*state.taken, strict=True))
        row = {"epoch": epoch, "step": state.step, "learning_rate": rate, "loss": loss, "accuracy": accuracy}
        row |= self._scores("val")
        state.epochs.append(row)
        state.taken, self._checked = [], 0

    def _results(self) -> Iterator[tuple[str, float]]:
        for part in ("train", "val", "test") if self._run.train.test else ("train", "val"):
            yield from self._scores(part).items()

    def _scores(self, part: str) -> dict[str, float]:
        images, labels = getattr(self._device, part)
        if not len(images):
            return {}
        loss, predicted = self._engine.evaluate(self._device, images, labels, self._run.train.evaluation_batch)
        scores = {"loss": loss, **scores_of(labels.numpy(), predicted, by_class=self._run.probe.by_class)}
        return {f"{part}_{name}": value for name, value in scores.items()}
