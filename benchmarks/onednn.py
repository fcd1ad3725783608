"""A training step with and without oneDNN, by shape: two processes of one thread that take turns."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.training import spread

ROOT = Path(__file__).parents[1]
SHAPES = ((8, 4), (8, 8), (8, 16), (16, 8), (32, 16))
"""Side of the images and width of the first stage."""
DEPTH, BATCH, STEPS, TURNS = 20, 64, 8, 9
ABOUT = f"""## Without oneDNN

Processor seconds of a training step of one thread with oneDNN and without, by the side of the images, the width of the
first stage and the form; residual networks of {DEPTH} layers, batches of {BATCH}; {TURNS} pairs by turns, median and
quartiles.
"""


@contextmanager
def side(onednn: str, form: str) -> Iterator[Any]:
    """Start a process with or without oneDNN; give what has it measure a shape, in processor seconds of a step."""
    command = [sys.executable, "-m", "benchmarks.onednn", onednn, form]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout

        def ask(image: int, width: int) -> float:
            print(json.dumps([image, width]), file=process.stdin, flush=True)
            return float(process.stdout.readline())

        try:
            yield ask
        finally:
            process.stdin.close()


def rows(form: str) -> Iterator[str]:
    """Yield for each shape a row: seconds of a step with and without, and how many times as long it takes without."""
    with ExitStack() as stack:
        sides = [stack.enter_context(side(onednn, form)) for onednn in "10"]
        for image, width in SHAPES:
            for ask in sides:
                ask(image, width)  # traces
            turns = [[ask(image, width) for ask in sides] for _ in range(TURNS)]
            ratio, low, high = spread([without / given for given, without in turns])
            given, without = (median(column) for column in zip(*turns, strict=True))
            yield (
                f"| {form} | {image}×{image} | {width} | {given:.4f} | {without:.4f} "
                f"| {ratio:.2f} [{low:.2f}, {high:.2f}] |"
            )


def table() -> str:
    """Return the rows of both forms as a table in Markdown."""
    head = ["| form | images | width | with | without | without / with |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *rows("own"), *rows("open")])


def measure(onednn: str, form: str) -> Any:
    """Return what measures a shape in this process."""
    from resnet_core.surroundings import SET

    SET["TF_ENABLE_ONEDNN_OPTS"] = onednn
    from resnet_core.runs.runtime import configure

    configure(threads=1)
    import numpy as np

    from resnet_core.nets.spec import cifar
    from resnet_core.runs.data.arrays import Dataset
    from resnet_core.runs.spec import Run, TrainSpec
    from resnet_core.runs.training.device import on_device
    from resnet_core.runs.training.forms import engine_of
    from resnet_core.runs.training.order import batches

    def ask(image: int, width: int) -> float:
        rng, images = np.random.default_rng(0), BATCH * (STEPS + 1)
        x, y = rng.integers(0, 256, (images, image, image, 3), dtype=np.uint8), rng.integers(0, 10, images)
        preprocessing = np.full(3, 120.0, np.float32), np.full(3, 0.01, np.float32)
        device = on_device(Dataset(x, y, x[:0], y[:0], x[:0], y[:0], *preprocessing))
        train = TrainSpec(batch_size=BATCH, steps=STEPS, form=form)
        engine = engine_of(Run(cifar(DEPTH, width, input_shape=x.shape[1:]), train))
        engine.reset(0)
        first, *draws = batches(0, images, BATCH, STEPS + 1)
        float(engine.update(device, first, 0.01)[0])
        started = time.process_time()
        for batch in draws:
            loss, *_ = engine.update(device, batch, 0.01)
        float(loss)
        return (time.process_time() - started) / STEPS

    return ask


if __name__ == "__main__":
    match sys.argv[1:]:
        case [onednn, form]:
            ask = measure(onednn, form)
            for line in sys.stdin:
                print(ask(*json.loads(line)), flush=True)
        case _:
            print(table())
