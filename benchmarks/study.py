"""A whole study, by this project and by a plain Keras script: wall time and accuracy."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from resnet_core.runs.data import open_source
from resnet_core.runs.records.store import Store

STEPS, SEEDS, SIZE = 100, 4, 16


def study(steps=STEPS, seeds=SEEDS):
    """Return the seconds of both, and the mean test accuracy of each arm of both."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "digits.npz"
        images = open_source("digits", SIZE).images
        arrays = {name: getattr(images, name) for name in ("x_train", "y_train", "x_test", "y_test")}
        np.savez(data, **arrays)
        script = [sys.executable, "-m", "benchmarks.keras_script", data, str(steps), str(seeds)]
        started = time.perf_counter()
        output = subprocess.run(script, check=True, capture_output=True, text=True).stdout
        theirs = time.perf_counter() - started
        settings = [f"steps={steps}", "batch_size=128", "learning_rate=0.05", "weight_decay=0", "validation_fraction=0"]
        settings += ["learning_rate_drops=", "probe.steps=", "probe.each_epoch=false"]
        settings += [f"probe.step_gradients={len(images.x_train) // 128}"]  # once an epoch, as the script's
        command = [
            sys.executable,
            "-m",
            "ablations",
            "run",
            "depth",
            "--data",
            data,
            "--depth",
            "56",
            "--skip",
            "none",
            "A",
        ]
        command += ["--width", "8", "--seeds", str(seeds), "--out", folder, "--executor", "processes"]
        started = time.perf_counter()
        subprocess.run([*command, *(f"--set={setting}" for setting in settings)], check=True, capture_output=True)
        ours = time.perf_counter() - started
        runs = Store(Path(folder) / "depth").frames().runs
    accuracy = {name: float(np.mean(values)) for name, values in json.loads(output.splitlines()[-1]).items()}
    return {
        "keras": theirs, "ours": ours, "ratio": theirs / ours,
        "keras_accuracy": accuracy, "our_accuracy": runs.groupby("skip")["test_accuracy"].mean().to_dict(),
    }  # fmt: skip
