"""The start of worker processes.

A new process takes some 5 s to load TensorFlow. On Linux, a server process loads it once, and each worker is a fork of
the server, made in a tenth of a second (the start method `forkserver` of `multiprocessing`).

The fork is safe: loading TensorFlow starts no thread of its own and opens no device. The threads of the BLAS of NumPy
and SciPy and of pyarrow's allocator are ended before a fork and started again after it by these libraries. The server
never computes. It ends when its launcher and its workers have ended, in whatever way.
"""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from resnet_core.surroundings import read_by_libraries

PR_SET_PDEATHSIG = 1
_starting = threading.Lock()
_server: tuple[int, dict[str, str]] | None = None  # the process that starts the server, and its environment


def context(device: str | None) -> BaseContext:
    """Return the context that starts a worker: that of the server, or `spawn`.

    `spawn` is used on systems other than Linux; for a worker with a GPU, whose driver must not be loaded before a fork;
    and if the server has another environment than this process.

    Args:
        device: The GPU of the worker, if it has one.
    """
    global _server
    if sys.platform == "linux" and device is None and not sys.flags.ignore_environment:
        here = os.getpid(), read_by_libraries()
        _server = _server or here
        if _server == here:
            return _Context()
    return get_context("spawn")


def become_worker(environment: Mapping[str, str]) -> None:
    """Set the environment of this process to that of its launcher, and let it end with the server."""
    os.environ.clear()
    os.environ.update(environment)
    if sys.platform == "linux" and forkserver.get_inherited_fds() is not None:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if sys.platform == "linux":
    from multiprocessing import forkserver
    from multiprocessing.context import ForkServerContext, ForkServerProcess

    class _Process(ForkServerProcess):
        """A process that is forked from the server. The server is started if it is not running."""

        @staticmethod
        def _Popen(process_obj: BaseProcess) -> Any:
            forkserver.set_forkserver_preload(["resnet_core.runs.execution.preloaded"])
            with _starting, _modules_as_here():
                return ForkServerProcess._Popen(process_obj)

    class _Context(ForkServerContext):
        Process = _Process


@contextmanager
def _modules_as_here() -> Iterator[None]:
    """Context manager in which a started process has the module path of this process, without the current folder."""
    variables = {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path), "PYTHONSAFEPATH": "1"}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value
