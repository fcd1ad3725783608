"""The latency of exports for one image, measured in a process of its own.

`python -m resnet_core.runs.exports.latency FOLDER THREADS CALLS FORMAT…` prints the medians and the 95th percentiles.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from resnet_core.errors import one_line
from resnet_core.runs.exports import FORMATS
from resnet_core.runs.exports.registry import Predict
from resnet_core.telling import warn

WARM = 10
"""Number of calls before the first measured call."""
Latency = tuple[float, float]
"""Median and 95th percentile, in milliseconds."""


def latencies(
    folder: Path, formats: Sequence[str], shape: Sequence[int], threads: int, calls: int
) -> dict[str, Latency]:
    """Return the latency of each export of a folder, measured in a new process on the processor.

    Args:
        folder: Folder of the exports.
        formats: Names of the formats.
        shape: Shape of an image.
        threads: Number of threads of each runtime.
        calls: Number of measured calls.
    """
    command = [
        sys.executable, "-m", "resnet_core.runs.exports.latency", str(folder), str(threads), str(calls),
        json.dumps(list(shape)), *formats,
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["its process ended without a message"])[-1]
        warn(f"warning: the latency at {threads} threads was not measured: {reason[:300]}")
        return {}
    return {name: (median, high) for name, (median, high) in json.loads(done.stdout.splitlines()[-1]).items()}


def measured(predict: Predict, shape: Sequence[int], calls: int) -> Latency:
    """Return the latency of calls with one image."""
    image = np.random.default_rng(0).uniform(0, 255, (1, *shape)).astype(np.float32)
    for _ in range(min(WARM, calls)):
        predict(image)
    seconds = np.empty(calls)
    for i in range(calls):
        start = time.perf_counter()
        predict(image)
        seconds[i] = time.perf_counter() - start
    median, high = np.percentile(1000 * seconds, [50, 95])
    return round(float(median), 4), round(float(high), 4)


def _main(folder: str, threads: str, calls: str, shape: str, *names: str) -> None:
    from resnet_core.runs.runtime import configure

    latency_by_format: dict[str, Latency] = {}
    for name in names:
        if not FORMATS[name].needs:  # TensorFlow itself
            configure(int(threads))
        predict = FORMATS[name].open(Path(folder) / FORMATS[name].file, int(threads))
        latency_by_format[name] = measured(predict, json.loads(shape), int(calls))
    print(json.dumps(latency_by_format))


if __name__ == "__main__":
    try:
        _main(*sys.argv[1:])
    except Exception as error:  # whatever a runtime may raise; the launcher prints it
        print(one_line(error), file=sys.stderr)
        sys.exit(1)
