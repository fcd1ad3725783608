"""Measure everything and write `benchmarks/results.md`; `TORCH_PYTHON` names a Python with torch, if this has none."""

import os
import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path

from benchmarks import architectures, forms, onednn, tuner
from benchmarks.fixed_cost import ABOUT, deepest, fixed_cost, table
from benchmarks.store import overhead, reading
from benchmarks.study import study
from benchmarks.training import paired, second_seed

OUT = Path(__file__).with_name("results.md")
PAIRS = 12


def main() -> None:
    """Measure, print each row as it is there, and write the table."""
    rows = ["| what | against | reach | measured |", "|---|---|---|---|"]

    def row(what: str, against: str, reach: str, measured: str) -> None:
        rows.append(f"| {what} | {against} | {reach} | {measured} |")
        print(rows[-1], flush=True)

    def pair(pair: dict[str, float], unit: str = "img/s") -> str:
        return (
            f"{pair['ratio']:.3f} [{pair['low']:.3f}, {pair['high']:.3f}], "
            f"{pair['first']:.0f} and {pair['second']:.0f} {unit}"
        )

    python = os.environ.get("TORCH_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode == 0:
        for net in ("small", "r20"):
            against = paired(["ours", net, "none"], ["torch", net], PAIRS, python)
            row(f"one-thread training, `{net}`", "PyTorch, channels_last", "≥ 1.1", pair(against))
    in_step = paired(["ours", "small", "in_step"], ["ours", "small", "none"], PAIRS)
    row("kernels' gradient norms at every step", "no probe", "≥ 0.97", pair(in_step))
    default = paired(["ours", "small", "default"], ["ours", "small", "epoch"], 3)
    row("default probes, an epoch of 390 batches", "no probe", "≥ 0.9", pair(default))
    free = paired(["ours", "small", "none"], ["ours", "small", "nondeterministic"], PAIRS)
    row("deterministic operations", "others", "–", pair(free))
    row("second seed of a network, until its first step has been made", "–", "≤ 1 s", f"{second_seed():.2f} s")
    row("10,000 runs that do nothing, `processes`, two workers", "–", "≤ 5 ms each", f"{overhead():.2f} ms each")
    read = reading()
    tables = (
        f"{read['frames']:.1f} s; {read['tables']:.1f} s; {read['GiB']:.1f} GiB (`compact` {read['compact']:.0f} s)"
    )
    row("`Store.frames()`; a report's tables, of 100,000 runs", "–", "≤ 10 s", tables)
    whole = study()
    accuracies = "; ".join(
        f"skip {skip}: {ours:.3f} and {whole['keras_accuracy'][skip]:.3f}"
        for skip, ours in whole["our_accuracy"].items()
    )
    measured = f"{whole['ratio']:.2f}: {whole['ours']:.0f} s and {whole['keras']:.0f} s; test accuracy {accuracies}"
    row("2 networks of depth 56 × 4 seeds, 100 steps, two cores", "a Keras script", "≥ 4.5", measured)
    fixed = "\n\n".join([table(list(fixed_cost())), deepest()])
    print(fixed, flush=True)
    many = architectures.table(list(architectures.sides(python)))
    print(many, flush=True)
    searches = tuner.table(list(tuner.sides()))
    print(searches, flush=True)
    studies = forms.table(list(forms.sides()))
    print(studies, flush=True)
    without = onednn.table()
    print(without, flush=True)
    sections = [
        (ABOUT, fixed), (architectures.ABOUT, many), (tuner.ABOUT, searches), (forms.ABOUT, studies),
        (onednn.ABOUT, without),
    ]  # fmt: skip
    parts = [f"{about}\n{measured}\n" for about, measured in sections]
    OUT.write_text("\n".join([HEAD, *rows, "", *parts, environment(), ""]))


HEAD = """# Benchmarks

`make bench` measures and writes this. Both sides of a ratio are measured by turns in one run, each in a process
of its own: its median and quartiles. `small` is depth 56, widths 8/16/32, 16×16 images; `r20` is ResNet-20,
32×32 images; batches of 128.
"""


def environment() -> str:
    """Return what this was measured with."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    processor = next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())
    packages = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "keras", "numpy", "pandas"))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{date.today()}, {processor}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}; "
        f"load averages at the end {load}."
    )


if __name__ == "__main__":
    main()
