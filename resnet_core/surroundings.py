"""Environment variables and settings that could change the results of a run. They are set, removed or refused."""

import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from resnet_core.errors import UserError

NUMERIC = ("TF_", "XLA_", "ONEDNN_", "DNNL_", "NVIDIA_TF32_", "CUBLAS_", "CUDNN_", "KERAS_MAX_", "KERAS_NNX_")
"""Prefixes of environment variables that change what TensorFlow and Keras compute."""
KEPT = {
    "TF_CPP_MIN_LOG_LEVEL", "TF_CPP_VMODULE", "TF_CPP_MAX_VLOG_LEVEL", "TF_FORCE_GPU_ALLOW_GROWTH", "TF_GPU_ALLOCATOR",
    "TF_GPU_THREAD_MODE", "TF_GPU_THREAD_COUNT", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_VERBOSE",
}  # fmt: skip
"""Variables with these prefixes that change no result: logs, memory, choice of the processor."""
SET = {"TF_ENABLE_ONEDNN_OPTS": "1"}
DEFAULTS = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
READ_AT_LOADING = (
    "CUDA_", "HOME", "KERAS_", "KMP_", "LD_", "MALLOC_", "MKL_", "OMP_", "ONEDNN_", "OPENBLAS_", "PYTHON", "TF_",
    "XLA_",
)  # fmt: skip
"""Prefixes of variables that libraries read only when they load."""
KERAS = {"floatx": "float32", "image_data_format": "channels_last", "epsilon": 1e-7}
"""Keras' settings in a run."""
LEGAL: dict[str, tuple[Any, ...]] = {
    "floatx": ("float16", "float32", "float64"),
    "image_data_format": ("channels_last", "channels_first"),
}


def set_variables() -> None:
    """Set environment variables that TensorFlow and Keras read when they load, and remove others that change results.

    Raises:
        UserError: Keras' `keras.json` has a value with which Keras does not load.
    """
    for name in filter(_changes_results, list(os.environ)):
        del os.environ[name]
    os.environ.update(SET)
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    if "keras" not in sys.modules:
        _check_keras_json()


def read_by_libraries() -> dict[str, str]:
    """Return the part of the environment that libraries read when they load, without what `set_variables` sets."""
    user = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(READ_AT_LOADING) and not _changes_results(name)
    }
    return {**DEFAULTS, **user}


def _changes_results(name: str) -> bool:
    return name.startswith(NUMERIC) and name not in KEPT


def _check_keras_json() -> None:
    home = os.environ.get("KERAS_HOME")
    path = Path(home or "~/.keras").expanduser() / "keras.json"
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # the file is missing, or Keras ignores it
        return
    if not isinstance(settings, dict):
        raise UserError(f"Keras' settings must be a JSON object, but {path} holds {settings!r}; mend or remove it")
    for name, legal in LEGAL.items():
        if settings.get(name, legal[0]) not in legal:
            raise UserError(
                f"Keras' setting `{name}` must be {' or '.join(legal)}, but {path} has {settings[name]!r}; mend or "
                "remove it"
            )
    if not isinstance(settings.get("epsilon", 1e-7), float):
        raise UserError(
            f"Keras' setting `epsilon` must be a number with a point, but {path} has {settings['epsilon']!r}; mend or "
            "remove it"
        )


def check_backend() -> None:
    """Check that the backend of Keras is, or will be, TensorFlow.

    Raises:
        UserError: Keras uses another backend.
    """
    keras = sys.modules.get("keras")
    backend = keras.backend.backend() if keras else os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise UserError(
            f"runs need Keras on TensorFlow, but the backend is '{backend}'; set KERAS_BACKEND=tensorflow or leave it "
            "unset (networks can be built on any backend)"
        )


def set_for_program() -> None:
    """Set matplotlib's backend for a program, and ignore Python's settings of warnings."""
    os.environ["MPLBACKEND"] = "agg"  # a notebook's kernel passes on its own, which other environments do not have
    if os.environ.pop("PYTHONWARNINGS", None) or sys.warnoptions:
        sys.warnoptions.clear()
        warnings.resetwarnings()
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)


def check_matplotlibrc() -> None:
    """Check that matplotlib can read the user's settings. A report does not use them.

    Raises:
        UserError: The file is not readable text.
    """
    given, folder = os.environ.get("MATPLOTLIBRC"), os.environ.get("MPLCONFIGDIR", "~/.config/matplotlib")
    for place in (Path.cwd(), *([Path(given)] if given else []), Path(folder).expanduser()):
        path = place / "matplotlibrc" if place.is_dir() else place
        if path.is_file():
            try:
                path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise UserError(f"matplotlib's settings must be readable text, but {path} is not: {error}") from None


@contextmanager
def settings_of_a_run() -> Iterator[None]:
    """Context manager that sets the settings of a run, and restores those of the session."""
    import keras
    import numpy as np

    before = {name: getattr(keras.config, name)() for name in KERAS}
    policy = keras.config.dtype_policy()
    with ExitStack() as stack:
        if keras.backend.backend() == "tensorflow":
            stack.enter_context(_tensorflow())
        stack.enter_context(np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"))
        try:
            _set_keras(KERAS)
            keras.config.set_dtype_policy("float32")
            yield
        finally:
            _set_keras(before)
            keras.config.set_dtype_policy(policy)


def _set_keras(settings: dict[str, Any]) -> None:
    import keras

    for name, value in settings.items():
        getattr(keras.config, f"set_{name}")(value)


@contextmanager
def _tensorflow() -> Iterator[None]:
    """Context manager that compiles functions, without XLA's just-in-time compiler, and allows TensorFloat-32."""
    import tensorflow as tf

    config = tf.config
    before = (
        config.functions_run_eagerly(),
        config.optimizer.get_jit(),
        config.experimental.tensor_float_32_execution_enabled(),
    )
    try:
        _set_tensorflow(False, "", True)
        yield
    finally:
        _set_tensorflow(*before)


def _set_tensorflow(eagerly: bool, jit: str, tensor_float_32: bool) -> None:
    """Set only what differs, since setting TensorFlow's compiler options discards compiled code."""
    import tensorflow as tf

    if tf.config.functions_run_eagerly() != eagerly:
        tf.config.run_functions_eagerly(eagerly)
    if tf.config.optimizer.get_jit() != jit:
        tf.config.optimizer.set_jit(jit or False)
    if tf.config.experimental.tensor_float_32_execution_enabled() != tensor_float_32:
        tf.config.experimental.enable_tensor_float_32_execution(tensor_float_32)
