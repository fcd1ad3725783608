"""Training throughput, and what probes and determinism cost: pairs of measurements, by turns, in one run."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).parents[1]
NETS = {
    "small": {"depth": 56, "width": 8, "input_shape": (16, 16, 3)},
    "r20": {"depth": 20, "width": 16, "input_shape": (32, 32, 3)},
}
BATCH = 128
STEPS = 10


def spread(ratios: list[float]) -> tuple[float, float, float]:
    """Return the median and the quartiles."""
    low, _, high = quantiles(ratios, n=4)
    return median(ratios), low, high


@contextmanager
def measured(*arguments: str, python: str = sys.executable) -> Iterator[Callable[[], float]]:
    """Start a side of a pair in a process of its own; give what has it measure once, in steps or images a second."""
    command = [python, "-m", "benchmarks.training", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as side:

        def ask() -> float:
            side.stdin.write("\n")
            side.stdin.flush()
            return float(json.loads(side.stdout.readline()))

        try:
            ask()  # tracing, and the first steps
            yield ask
        finally:
            side.stdin.close()


def paired(first: list[str], second: list[str], pairs: int, python: str = sys.executable) -> dict[str, float]:
    """Return the median of first over second, its quartiles, and both medians; `second` may have its own Python."""
    with measured(*first) as measuring, measured(*second, python=python) as other:
        taken = [(measuring(), other()) for _ in range(pairs)]
    ratio, low, high = spread([a / b for a, b in taken])
    ours, theirs = (median(column) for column in zip(*taken, strict=True))
    return {"ratio": ratio, "low": low, "high": high, "first": ours, "second": theirs}


def ours(net: str, probes: str) -> Callable[[], float]:
    """Return what trains by the engine on one thread, and tells images a second, of the steps alone or of an epoch.

    Args:
        net: Of `NETS`.
        probes: `none`; `in_step`: gradients of every step; `default`: an epoch with the default probes; `epoch`:
            an epoch without; `nondeterministic`: without op determinism.
    """
    from resnet_core.runs.runtime import configure

    configure(threads=1)
    import numpy as np

    from resnet_core.nets.spec import cifar
    from resnet_core.probes.spec import ProbeSpec
    from resnet_core.runs.data.arrays import Dataset
    from resnet_core.runs.spec import Run, TrainSpec
    from resnet_core.runs.training.train import train_run

    if probes == "nondeterministic":
        from tensorflow.python.framework import config

        config.disable_op_determinism()
    rng = np.random.default_rng(0)
    spec = cifar(**NETS[net])
    long = probes in ("default", "epoch")
    images = BATCH * (390 if long else 3 * STEPS)  # an epoch of CIFAR-10 is 390 batches
    x = rng.integers(0, 256, (images, *spec.input_shape), dtype=np.uint8)
    y = rng.integers(0, 10, images)
    data = Dataset(x, y, x[:0], y[:0], x[:0], y[:0], np.full(3, 120.0, np.float32), np.full(3, 0.01, np.float32))
    silent = {"steps": (), "each_epoch": False}
    fields = {"default": {}, "in_step": {**silent, "step_gradients": 1}}.get(probes, silent)
    run = Run(spec, TrainSpec(batch_size=BATCH, steps=images // BATCH), ProbeSpec(**fields))

    def go() -> float:
        at = [(0, time.perf_counter())]
        train_run(run, data, lambda progress: at.append((progress.step, time.perf_counter())))
        (first, started), (last, ended) = at[0 if long else 1], at[-1]
        return BATCH * (last - first) / (ended - started)

    return go


def second_seed() -> float:
    """Return the seconds from the start of a second run of `small` to the end of its first step."""
    from resnet_core.runs.runtime import configure

    configure(threads=1)
    from resnet_core.nets.spec import cifar
    from resnet_core.probes.spec import ProbeSpec
    from resnet_core.runs.execution.job import dataset
    from resnet_core.runs.spec import Run, TrainSpec
    from resnet_core.runs.training.train import train_run

    train = TrainSpec(image_size=16, batch_size=BATCH, steps=1)
    runs = [Run(cifar(56, 8, input_shape=(16, 16, 1)), train, ProbeSpec(steps=(), each_epoch=False), i) for i in (0, 1)]
    train_run(runs[0], dataset(train))
    at: list[float] = []
    started = time.perf_counter()
    train_run(runs[1], dataset(train), lambda _: at.append(time.perf_counter() - started))
    return at[0]


def torch(net: str) -> Callable[[], float]:
    """Return the same of PyTorch in channels_last: the network of He et al. 2015, written as its users write it."""
    import torch as t
    from torch.nn import functional

    from benchmarks.torch_script import network

    t.set_num_threads(1)
    model = network(NETS[net]["depth"], NETS[net]["width"], 3)
    optimizer = t.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    rows, columns, _ = NETS[net]["input_shape"]
    images = t.randn(2 * STEPS * BATCH, 3, rows, columns).to(memory_format=t.channels_last)
    labels = t.randint(0, 10, (2 * STEPS * BATCH,))

    def go() -> float:
        started = time.perf_counter()
        for i in range(2 * STEPS):
            part = slice(i * BATCH, (i + 1) * BATCH)
            optimizer.zero_grad(set_to_none=True)
            functional.cross_entropy(model(images[part]), labels[part]).backward()
            optimizer.step()
        return 2 * STEPS * BATCH / (time.perf_counter() - started)

    return go


SIDES = {"ours": ours, "torch": torch}

if __name__ == "__main__":
    side = SIDES[sys.argv[1]](*sys.argv[2:])
    for _ in sys.stdin:
        print(json.dumps(side()), flush=True)
