"""What a run costs before its work begins, by depth: each network's own form and the form in open shapes, by turns."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DEPTHS = (8, 20, 56, 110)
DEEPEST = 1202  # in open shapes alone
WIDTH, BATCH, STEPS = 8, 64, 20
FIRST = 20  # layers of the first of its kind in open shapes; what it costs depends little on them
ABOUT = f"""## Before work begins

Processor seconds of one thread for weights, the first step, the first gradient probe and the first evaluation, less
what they take again; residual networks of width {WIDTH} on 8×8 digits, batches of {BATCH}. The forms take turns: each
network's own, and open shapes (`form=open`), for the first of its kind in a process, of {FIRST} layers, and for others.
"""


@contextmanager
def worker(form: str) -> Iterator[Any]:
    """Start a process that has loaded TensorFlow; give what measures a network of some depth in it."""
    command = [sys.executable, "-m", "benchmarks.fixed_cost", form]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout

        def ask(depth: int) -> dict[str, float]:
            print(depth, file=process.stdin, flush=True)
            return dict(json.loads(process.stdout.readline()))

        try:
            yield ask
        finally:
            process.stdin.close()


def fixed_cost() -> Iterator[dict[str, float]]:
    """Yield for each depth the processor seconds of one thread: `own` and `open` before work begins, and of a step.

    `first` is of the first network of its kind, of `FIRST` layers; `open` is of one that follows others.
    """
    with worker("own") as own, worker("open") as opened:
        first = {FIRST: opened(FIRST)["fixed"]}
        for depth in DEPTHS:
            mine, others = own(depth), opened(depth)
            row = {"depth": depth, "own": mine["fixed"], "open": others["fixed"]}
            row |= {"first": first[depth]} if depth in first else {}
            yield row | {"own_step": mine["step"], "open_step": others["step"]}
        others = opened(DEEPEST)
        yield {"depth": DEEPEST, "open": others["fixed"], "open_step": others["step"]}


def deepest() -> str:
    """Return a line about a network of `DEEPEST` layers that is the first of its kind in a process."""
    with worker("open") as opened:
        row = opened(DEEPEST)
    return (
        f"{DEEPEST:,} layers as the first of their kind: {row['fixed']:.1f} s before work begins, first step "
        f"{row['first_step']:.1f} s, first probe {row['first_probe']:.1f} s, later steps {row['step']:.2f} s; peak "
        f"memory of the process {row['memory'] / 2**30:.2f} GiB."
    )


def table(rows: list[dict[str, float]]) -> str:
    """Return the rows as a table in Markdown."""
    lines = [
        "| layers | own form | open, first of its kind | open, a later one | a step, own | a step, open | open / own |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [f"{row[name]:.2f}" if name in row else "–" for name in ("own", "first", "open")]
        cells += [f"{row[name]:.4f}" if name in row else "–" for name in ("own_step", "open_step")]
        cells.append(f"{row['open_step'] / row['own_step']:.2f}" if "own_step" in row else "–")
        lines.append(f"| {row['depth']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def measure(form: str) -> Any:
    """Return what measures a network of some depth in this process: the seconds before work begins, and of a step.

    These are what weights, the first step, the first probe and the first evaluation take more than they take again.
    """
    from resnet_core.runs.runtime import configure, usage

    configure(threads=1)
    from resnet_core.nets.spec import cifar
    from resnet_core.probes.spec import ProbeSpec
    from resnet_core.runs.execution.job import dataset
    from resnet_core.runs.spec import Run, TrainSpec
    from resnet_core.runs.training.device import on_device
    from resnet_core.runs.training.forms import engine_of
    from resnet_core.runs.training.order import batches, probed_batch

    train = TrainSpec(data="digits", steps=STEPS, batch_size=BATCH, learning_rate=0.01, form=form)
    data = dataset(train)
    device, clock = on_device(data), time.process_time
    probed, count = probed_batch(0, len(data.x_train), 128), len(data.x_train)
    engine_of(Run(cifar(8, 2, skip="none", input_shape=(8, 8, 1)), train))  # what is loaded once, whatever the network

    def ask(depth: int) -> dict[str, float]:
        run = Run(cifar(depth, WIDTH, input_shape=(8, 8, 1)), train, ProbeSpec())
        started = clock()
        engine = engine_of(run)
        engine.reset(0)
        draws = list(batches(0, count, BATCH, STEPS + 1))
        begun = clock()

        def work() -> list[float]:
            at = [clock()]
            float(engine.update(device, draws[0], 0.01)[0])
            at.append(clock())
            list(engine.probe(device, probed))
            at.append(clock())
            engine.evaluate(device, *device.val)
            return [end - start for start, end in pairwise([*at, clock()])]

        first, again = work(), work()
        at = clock()
        for batch in draws[1:]:
            loss, *_ = engine.update(device, batch, 0.01)
        float(loss)
        return {
            "fixed": begun - started + sum(first) - sum(again), "step": (clock() - at) / STEPS,
            "first_step": first[0], "first_probe": first[1], "memory": usage()()["peak_memory_bytes"],
        }  # fmt: skip

    return ask


if __name__ == "__main__":
    if len(sys.argv) == 1:
        rows = []
        for row in fixed_cost():
            rows.append(row)
            print(row, flush=True)
        print(table(rows), deepest(), sep="\n\n", flush=True)
    else:
        measured = measure(sys.argv[1])
        for line in sys.stdin:
            print(json.dumps(measured(int(line))), flush=True)
