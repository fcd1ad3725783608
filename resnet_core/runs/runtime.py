"""Settings of TensorFlow, made before it loads, and what a run was made with."""

import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

SMALL_STEP_MACS = 1e9
NOTICES = ("I0000 ", "WARNING: All log messages before absl::InitializeLog()")


def set_variables() -> None:
    """Set the environment variables that TensorFlow and Keras read when they load."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def configure(threads: int) -> None:
    """Load TensorFlow with deterministic operations and `threads` threads.

    Where this process has computed with TensorFlow already, the number of threads stays as it was.
    """
    set_variables()
    with without_notices():
        import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    with suppress(RuntimeError):  # settings are read once, at the first computation
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        for device in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(device, True)


@contextmanager
def without_notices() -> Iterator[None]:
    """Keep from standard error what TensorFlow's libraries say of themselves when they load; let warnings through."""
    with tempfile.TemporaryFile("w+") as said:
        try:
            stderr = os.dup(2)
        except OSError:  # there is no standard error
            yield
            return
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            said.seek(0)
            sys.stderr.writelines(line for line in said if not line.startswith(NOTICES))


def threads_for(step_macs: float) -> int:
    """Return how many threads serve a training step of so many multiply-accumulates best.

    A second thread slows a small step down more than it helps: at 0.1 G a step took 48 ms with two
    threads and 24 ms with one, at 2 G 104 ms and 109 ms, at 5 G 400 ms and 620 ms (two cores).
    """
    return 1 if step_macs < SMALL_STEP_MACS else available_cores()


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment() -> dict[str, Any]:
    """Return what the results of this process depend on beside the spec."""
    import tensorflow as tf
    from tensorflow.python.framework import config  # the one place that tells whether determinism is on

    packages = ("resnet-ablation", "tensorflow", "keras", "numpy")
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "devices": ", ".join(device.device_type for device in tf.config.list_logical_devices()),
        "threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
        "deterministic_operations": config.is_op_determinism_enabled(),
        **{package: version(package) for package in packages},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"
