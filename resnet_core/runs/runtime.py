"""Settings of TensorFlow, set before it loads, and the environment of a run."""

import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from resnet_core.surroundings import check_backend, set_variables

SMALL_STEP_MACS = 1e9
INSTRUCTION_SETS = ("amx_bf16", "avx512_fp16", "avx512_bf16", "avx512_vnni", "avx512f", "avx2", "avx", "sve", "asimd")
"""Instruction sets by their names in Linux, the widest first."""
NOTICES = (
    "I0000 ", "WARNING: All log messages before absl::InitializeLog()",
    "INFO: Created TensorFlow Lite", "fully_quantize: ",
)  # fmt: skip


def configure(threads: int) -> None:
    """Load TensorFlow with deterministic operations and `threads` threads.

    If this process has already computed with TensorFlow, the number of threads does not change.

    Raises:
        UserError: The backend of Keras is not TensorFlow.
    """
    set_variables()
    check_backend()
    repository()
    with without_notices():
        import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # TensorFlow warns about retracing, since each new network has new functions
    tf.config.experimental.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(False)  # a GPU's float32 would have 10 bits of 23
    with suppress(RuntimeError):  # settings are read once, at the first computation
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        for device in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(device, True)


@contextmanager
def without_notices() -> Iterator[None]:
    """Context manager that hides the start-up notices of TensorFlow's libraries on standard error, but not warnings."""
    with tempfile.TemporaryFile("w+") as output:
        try:
            stderr = os.dup(2)
        except OSError:  # there is no standard error
            yield
            return
        os.dup2(output.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            output.seek(0)
            sys.stderr.writelines(line for line in output if not line.startswith(NOTICES))


def threads_for(step_macs: float) -> int:
    """Return the best number of threads for a training step with this many multiply-accumulates.

    A second thread slows a small step down more than it helps: at 0.1 G a step took 48 ms with two
    threads and 24 ms with one, at 2 G 104 ms and 109 ms, at 5 G 400 ms and 620 ms (two cores).
    """
    return 1 if step_macs < SMALL_STEP_MACS else available_cores()


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def total_memory() -> float:
    """Return the memory in bytes of the machine or of this process's control group; infinity if unknown."""
    total = math.inf
    with suppress(AttributeError, ValueError, OSError):  # not on Windows
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # it may be `max`
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return total


def usage() -> Callable[[], dict[str, float]]:
    """Return a function that returns the resources used by this process from this call on.

    `cpu_seconds` is the processor time of all threads. `peak_memory_bytes`, except on Windows, is the largest resident
    set of the process since it started. In a process with several runs, it may be that of an earlier run.
    """
    started = time.process_time()

    def used() -> dict[str, float]:
        spent, peak = {"cpu_seconds": round(time.process_time() - started, 3)}, _peak_memory()
        return {**spent, "peak_memory_bytes": peak} if peak else spent

    return used


def _peak_memory() -> int | None:
    """Return the largest resident set of this process in bytes, or `None` if unknown."""
    with suppress(OSError, StopIteration):  # on Linux `getrusage` includes the process that started this one
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, KiB elsewhere
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@cache
def repository() -> tuple[str, bool]:
    """Return the commit of the working directory's git repository, and whether a tracked file differs from it.

    Cached. The commit is empty without a repository or git.
    """
    # Without the optional lock, so that another git process is not disturbed.
    command = ["git", "--no-optional-locks", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "", False
    return output.removesuffix("+"), output.endswith("+")


def machine() -> dict[str, Any]:
    """Return the part of `environment` on which results depend and that is known without TensorFlow."""
    packages = ("resnet-ablation", "tensorflow", "keras", "numpy")
    return {
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "instruction_set": _instruction_set(),
        "onednn_isa": os.environ.get("ONEDNN_MAX_CPU_ISA", "all"),
        **{package: version(package) for package in packages},
    }


def environment() -> dict[str, Any]:
    """Return everything besides the spec on which results of this process may depend."""
    import keras
    import tensorflow as tf
    from tensorflow.python.framework import config  # the only way to read whether determinism is on

    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    commit, changed = repository()
    return {
        "python": platform.python_version(),
        **machine(),
        "devices": ", ".join(device.device_type for device in tf.config.list_logical_devices()),
        "accelerators": ", ".join(detail.get("device_name", "unknown") for detail in details),
        "threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads(),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
        "xla_flags": " ".join(filter(None, map(os.environ.get, ("XLA_FLAGS", "TF_XLA_FLAGS")))),
        "dtype_policy": keras.config.dtype_policy().name,
        "deterministic_operations": config.is_op_determinism_enabled(),
        "commit": commit,
        "uncommitted_changes": changed,
    }


def _instruction_set() -> str:
    """Return the widest instruction set of the processor, by which oneDNN and Eigen choose their kernels."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        flags = next(line.split(":", 1)[1].split() for line in lines if line.startswith(("flags", "Features")))
        return next((name for name in INSTRUCTION_SETS if name in flags), "other")
    return "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"
