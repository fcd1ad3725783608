"""Whether this machine's convolutions stay within their memory, and are right.

    python -m benchmarks.convolutions [--isa ISA ...] [--shapes N] [--threads N ...] [--seed N]

Every shape that a network can have is drawn from: kernels 1, 3, 5, 7, strides 1 and 2, 1 to 20 channels on either
side (a group of a convolution with groups is a convolution of its own), sizes 1 to 33, both paddings. The output, the
gradient of the input and that of the kernel are computed by TensorFlow with oneDNN and compared with products of
matrices in NumPy. All numbers are small integers, so every sum is exact in float32 and in any order. Poolings and
batch normalisation, which share the library, are tried too.

`--isa` limits oneDNN to an instruction set, such as AVX2, as on machines that have no more; native is no limit.

Memory is watched by `guard.c`, if there are a C compiler and glibc. It sees accesses beyond the end of a tensor or of
another block of 256 bytes or more, writes before its start, uses after it is freed, and numbers that were read before
they were written, since these are NaN. Up to the next multiple of a block's alignment, 64 bytes for a tensor, it sees
writes alone. It does not see what goes wrong within a block, as in one part of oneDNN's workspace, nor on the stack.
Without it glibc's MALLOC_CHECK_ looks at a byte after each block when it is freed; what it finds may have been done
by an earlier shape of the same process.

A table of faults is printed, with the processor's flags. The exit code is 1 if one of them is in what a network
computes: a strided 1x1 convolution is none (see `Interpreter.at_stride_one`).
"""

import argparse
import ctypes
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from signal import Signals
from typing import Any

import numpy as np

from benchmarks.operations import Array, Case, convolution, is_strided_1x1, others, shapes

FLAGS = ("sse4_1", "avx", "avx2", "fma", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "amx_tile")
EVENTS = {
    1: "reads beyond the end of a block", 2: "writes beyond the end of a block",
    4: "writes beyond the end of a block", 8: "writes before the start of a block",
}  # fmt: skip
GUARD = "BENCHMARKS_GUARD"
EXACT = 0.01  # the sums are integers


def work(threads: int) -> None:
    """Try the cases that standard input gives, a line each; print which begins, and the faults of each."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    guard = ctypes.CDLL(os.environ[GUARD]) if os.environ.get(GUARD) else None
    for line in sys.stdin:
        case = json.loads(line)
        rng = np.random.default_rng(case["number"])
        make = convolution if case["kind"] == "convolution" else others
        for name, compute, right in make(case, rng):
            print(json.dumps({"begins": case["number"], "operation": name}), flush=True)
            faults = tried(compute, right, guard)
            print(json.dumps({"ended": case["number"], "operation": name, "faults": faults}), flush=True)


def tried(compute: Any, right: Array, guard: Any) -> list[str]:
    """Compute once between guards; return what went wrong."""
    if guard:
        guard.guard_take()
        guard.guard_on(1)
    try:
        value = compute()
        measured = value.numpy().copy()
        del value
    finally:
        if guard:
            guard.guard_on(0)
    seen = guard.guard_take() if guard else 0
    faults = {text for bit, text in EVENTS.items() if seen & bit}
    scale = max(1.0, float(np.abs(right).max())) if right.dtype.kind == "f" else 1.0
    if not (measured.shape == right.shape and np.abs(measured - right).max() <= EXACT + 1e-6 * scale):
        faults.add("wrong numbers")
    return sorted(faults)


def results(cases: list[Case], threads: int, isa: str, guard: str) -> Iterator[tuple[Case, str, str]]:
    """Try cases in processes of their own; yield each with an operation and its fault, or "" for none."""
    left = list(cases)
    while left:
        environment = {
            **os.environ,
            "TF_ENABLE_ONEDNN_OPTS": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "MALLOC_PERTURB_": "165",
        }
        environment |= {} if isa == "native" else {"ONEDNN_MAX_CPU_ISA": isa}
        if guard:
            environment |= {"LD_PRELOAD": guard, GUARD: guard}
        elif Path("/lib/x86_64-linux-gnu/libc_malloc_debug.so.0").exists():
            environment |= {"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "165"}
        command = [sys.executable, "-m", "benchmarks.convolutions", "--work", "--threads", str(threads)]
        asked = "".join(json.dumps(case) + "\n" for case in left)
        ended = subprocess.run(command, input=asked, env=environment, capture_output=True, text=True, check=False)
        lines = [json.loads(line) for line in ended.stdout.splitlines()]
        by_number = {case["number"]: case for case in left}
        for line in lines:
            if "ended" in line:
                for fault in line["faults"] or [""]:
                    yield by_number[line["ended"]], line["operation"], fault
        if ended.returncode == 0:
            return
        if ended.returncode > 0 or not lines:
            raise SystemExit(f"the convolutions cannot be tried: {ended.stderr.strip().splitlines()[-1:]}")
        last = lines[-1].get("begins", lines[-1].get("ended"))
        yield by_number[last], lines[-1]["operation"], f"ends with {Signals(-ended.returncode).name}"
        left = [case for case in left if case["number"] > last]


def compiled(folder: str) -> str:
    """Return the path of the compiled `guard.c`, or nothing if this machine cannot have it."""
    compiler, path = shutil.which("cc"), Path(folder) / "guard.so"
    if not compiler or platform.libc_ver()[0] != "glibc" or platform.machine() != "x86_64":
        return ""
    source = Path(__file__).with_name("guard.c")
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", path, source]
    return str(path) if subprocess.run(command, check=False, capture_output=True).returncode == 0 else ""


def processor() -> str:
    """Return the processor and those of its flags that oneDNN looks at."""
    path = Path("/proc/cpuinfo")
    lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line) if path.exists() else {}
    about = {name.strip(): value.strip() for name, value in lines.items()}
    flags = [flag for flag in FLAGS if flag in about.get("flags", "").split()]
    return f"{about.get('model name', platform.processor())} ({' '.join(flags)}), TensorFlow {version('tensorflow')}"


def main() -> None:
    """Try everything; print the faults as a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--isa", nargs="+", default=["native"], help="as ONEDNN_MAX_CPU_ISA takes it (default: native)")
    parser.add_argument("--shapes", type=int, default=1600, help="number of convolutions (default: 1600)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="(default: 1 2)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.threads[0])
        return
    # Those that are known to write out of bounds are the last: what comes after them may suffer from it.
    ordered = sorted(shapes(options.shapes, options.seed), key=is_strided_1x1)
    cases = [{"number": i, **case} for i, case in enumerate(ordered)]
    with tempfile.TemporaryDirectory() as folder:
        guard = compiled(folder)
        print(f"{processor()}\n{len(cases)} shapes, {'guard.c' if guard else 'no guard but MALLOC_CHECK_'}\n")
        print("| ISA | threads | what | kernel | stride | fault | shapes | channels | the first |")
        print("|---|---|---|---|---|---|---|---|---|", flush=True)
        bad = 0
        for isa in options.isa:
            for threads in options.threads:
                bad += printed(isa, threads, results(cases, threads, isa, guard))
    sys.exit(bad > 0)


def printed(isa: str, threads: int, results: Iterator[tuple[Case, str, str]]) -> int:
    """Print a row for each kind of fault; return how many of them are in what a network computes."""
    kinds: dict[tuple[Any, ...], list[Case]] = {}
    tried_of: dict[tuple[Any, ...], int] = {}
    for case, operation, fault in results:
        kind = (f"{case['kind']}, {operation}", case["kernel"], case["strides"])
        tried_of[kind] = tried_of.get(kind, 0) + 1
        if fault:
            kinds.setdefault((*kind, fault), []).append(case)
    bad = 0
    for (what, kernel, strides, fault), cases in sorted(kinds.items()):
        bad += not is_strided_1x1(cases[0])
        channels = sorted({case["channels"] for case in cases})
        first = {name: value for name, value in cases[0].items() if name not in ("kind", "kernel", "strides", "number")}
        count = f"{len(cases)} of {tried_of[what, kernel, strides]}"
        listed = ", ".join(f"{name} {value}" for name, value in first.items())
        row = (isa, threads, what, kernel, strides, fault, count, ", ".join(map(str, channels)), listed)
        print("| " + " | ".join(map(str, row)) + " |", flush=True)
    if not kinds:
        print(f"| {isa} | {threads} | no fault in {sum(tried_of.values())} operations | | | | | | |", flush=True)
    return bad


if __name__ == "__main__":
    main()
