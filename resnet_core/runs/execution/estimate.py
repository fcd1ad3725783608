"""Rough estimates of the time of a run, before it is executed."""

from resnet_core.nets.cost import cost
from resnet_core.runs.runtime import available_cores, threads_for
from resnet_core.runs.spec import Run
from resnet_core.runs.training.forms import MACS_PER_SECOND, START_SECONDS_PER_LAYER, form_of, step_macs

# Measured on one x86-64 core with AVX-512; two threads share the arithmetic at 0.8 efficiency.
SECONDS_PER_LAYER_STEP = 0.35e-3
START_SECONDS_IN_OPEN_SHAPES = 3.0  # of the first network of a kind, at any depth
SHARED_EFFICIENCY = 0.8


def start_seconds(run: Run) -> float:
    """Return the time in seconds to build and trace a network, once for all runs that share it."""
    return START_SECONDS_IN_OPEN_SHAPES if form_of(run) == "open" else START_SECONDS_PER_LAYER * cost(run.net).depth


def train_seconds(run: Run, train_images: int, threads: int) -> float:
    """Return the time in seconds of all steps and probes of a run."""
    steps = run.train.total_steps(train_images)
    epochs = steps * run.train.batch_size / max(train_images, 1)
    probes = sum(step <= steps for step in run.probe.steps) + run.probe.each_epoch * epochs
    per_image = run.probe.batch_size / run.train.batch_size
    shared = 1.0 if threads == 1 else SHARED_EFFICIENCY * threads
    step = cost(run.net).depth * SECONDS_PER_LAYER_STEP + step_macs(run) / MACS_PER_SECOND / shared
    return step * (steps + probes * per_image)


def study_threads(runs: list[Run]) -> int:
    """Return the number of threads of each run. Runs share the cores, since two processes with one thread each are
    faster than one process with two.
    """
    most = max(1, available_cores() // max(1, len(runs)))
    return min(most, threads_for(max((step_macs(run) for run in runs), default=0.0)))
