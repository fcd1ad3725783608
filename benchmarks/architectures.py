"""Many architectures, few steps each: this project in both forms, and plain PyTorch. Processor time and accuracy.

Each side is a process of one thread, from its start to its end, imports included. `TORCH_PYTHON` names a Python with
torch, if this has none.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).parents[1]
ARCHITECTURES = list(product((8, 14, 20, 56), (4, 8, 16), ("none", "A")))
STEPS, BATCH, RATE = 100, 64, 0.02
EVERY = 13  # steps between measurements of the gradients: eight in a run
ABOUT = f"""## {len(ARCHITECTURES)} architectures, {STEPS} steps each

Processor seconds of a process of one thread, from its start to its end, imports included: residual networks of depths 8
to 56 and widths 4 to 16, with and without skips, on 8×8 digits, batches of {BATCH}. One after another: open shapes
(`form=open`), a plain PyTorch loop, channels last, and each network's own form; without gradients, and with the
gradient norms of all kernels at eight steps.
"""


def sides(python: str) -> Iterator[tuple[str, bool, float, float]]:
    """Yield side, whether it measures gradients, processor seconds and mean test accuracy; the sides take turns."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "digits.npz"
        _ours("write", str(data))
        has_torch = subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode == 0
        commands = {form: [sys.executable, "-m", "benchmarks.architectures", form] for form in ("open", "own")}
        commands["PyTorch"] = [python, "-m", "benchmarks.torch_script"]
        for every, side in product((0, EVERY), ("open", "PyTorch", "own")):
            if side != "PyTorch" or has_torch:
                settings = json.dumps([ARCHITECTURES, STEPS, BATCH, RATE, every])
                seconds, accuracies = _measured([*commands[side], str(data), settings])
                yield side, every > 0, seconds, mean(accuracies)


def _ours(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "benchmarks.architectures", *arguments], cwd=ROOT, check=True)


def _measured(command: list[str]) -> tuple[float, list[float]]:
    """Return the processor seconds of a command, and the last line that it prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as side:
        lines = side.stdout.read().splitlines()
        _, status, usage = os.wait4(side.pid, 0)
        side.returncode = os.waitstatus_to_exitcode(status)
    if side.returncode:
        raise SystemExit(side.returncode)
    return usage.ru_utime + usage.ru_stime, json.loads(lines[-1])


def write(path: str) -> None:
    """Write the digits as a file for both sides."""
    import numpy as np

    from resnet_core.runs.data import open_source

    images = open_source("digits").images
    np.savez(path, **{name: getattr(images, name) for name in ("x_train", "y_train", "x_test", "y_test")})


def ours(form: str, data: str, settings: str) -> list[float]:
    """Return the test accuracy of each architecture, trained in this process in a form."""
    from resnet_core.runs.runtime import configure

    configure(threads=1)
    from resnet_core.nets.spec import cifar
    from resnet_core.probes.spec import ProbeSpec
    from resnet_core.runs.execution.job import dataset
    from resnet_core.runs.spec import Run, TrainSpec
    from resnet_core.runs.training.train import train_run

    architectures, steps, batch, rate, every = json.loads(settings)
    train = TrainSpec(
        data=data, steps=steps, batch_size=batch, learning_rate=rate, weight_decay=0.0, validation_fraction=0.0,
        form=form,
    )  # fmt: skip
    probe = ProbeSpec(steps=(), each_epoch=False, step_gradients=every)
    nets = [cifar(depth, width, skip=skip, input_shape=(8, 8, 1)) for depth, width, skip in architectures]
    order = sorted(range(len(nets)), key=lambda i: (nets[i].skip, nets[i].depths))  # kinds together, as studies do
    records = {i: train_run(Run(nets[i], train, probe), dataset(train)) for i in order}
    return [records[i].results["test_accuracy"] for i in range(len(nets))]


def table(rows: list[tuple[str, bool, float, float]]) -> str:
    """Return the rows as a table in Markdown."""
    lines = [
        "| side | gradient norms | processor seconds | times those of open | mean test accuracy |",
        "|---|---|---|---|---|",
    ]
    least = {measures: seconds for side, measures, seconds, _ in rows if side == "open"}
    for side, measures, seconds, accuracy in rows:
        cells = (side, "at 8 steps" if measures else "none", f"{seconds:.1f}", f"{seconds / least[measures]:.2f}")
        lines.append(f"| {' | '.join(cells)} | {accuracy:.3f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    rows = []
    for row in sides(os.environ.get("TORCH_PYTHON", sys.executable)):
        rows.append(row)
        print(row, flush=True)
    print(table(rows), flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", path]:
            write(path)
        case [form, data, settings]:
            print(json.dumps(ours(form, data, settings)))
        case _:
            main()
