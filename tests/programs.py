"""The programs as processes of their own, forked from one process that has loaded their libraries.

A program that starts from nothing loads TensorFlow in 5 s; a forked one has a memory, an environment, a folder,
streams and an exit code of its own in a tenth of a second. It ends without tearing its modules down. The server of its
workers is forked likewise; that of a program with `fresh`, and of the tests' own process, starts from nothing.
"""

import atexit
import contextlib
import fcntl
import gc
import importlib
import io
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PROGRAMS = {
    "resnet-ablate": "ablations",
    "resnet-report": "analysis",
    "resnet-search": "search",
    "resnet-probe": "ablations.probing",
}
LOADED = (
    "ablations.cli", "ablations.runner", "analysis.cli", "analysis.pages.report", "analysis.pages.search_report",
    "pebble", "resnet_core.runs.training.train", "search.cli", "search.runner", "tensorflow",
)  # fmt: skip
READ_BY_THEM = ("CUDA_", "HOME", "KERAS_", "MALLOC_", "MPL", "OMP_", "ONEDNN_", "PYTHON", "TF_", "XLA_")


class Programs:
    """Starts programs: on Linux by forking a process that has loaded TensorFlow, elsewhere each from nothing."""

    def __init__(self) -> None:
        os.environ["MPLBACKEND"] = "agg"  # as a program sets it that a test calls in this process
        self._environment = read_by_libraries()
        command = [sys.executable, __file__]
        self._server = (
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            if sys.platform == "linux"
            else None
        )

    def close(self) -> None:
        """End the process that is forked."""
        if self._server:
            self._server.communicate()

    def start(
        self, name: str, *arguments: str | Path, cwd: Path, stdout: Path | str, stderr: Path | str, fresh: bool = False
    ) -> "subprocess.Popen | Forked":
        """Start a program.

        Args:
            name: Which, or a script of Python.
            arguments: Of its command line.
            cwd: The folder that it runs in.
            stdout: Its standard output: a file, a named pipe or a terminal.
            stderr: Its standard error, likewise.
            fresh: Whether it starts from nothing and loads its libraries itself, in the environment that there is.
        """
        words, streams = [PROGRAMS.get(name, name), *map(str, arguments)], [str(stdout), str(stderr)]
        if fresh or not self._server:
            script = 'out=$1; err=$2; shift 2; exec "$@" <"/dev/null" >"$out" 2>"$err"'
            return subprocess.Popen(["sh", "-c", script, "sh", *streams, sys.executable, *by_name(words)], cwd=cwd)
        changed = dict(read_by_libraries().items() ^ self._environment.items())
        assert not changed, f"the libraries have read the environment, which was changed: {changed}; take fresh=True"
        return Forked(self, self._ask("fork", [words, dict(os.environ), str(cwd), *streams]))

    def run(
        self, name: str, *arguments: str | Path, cwd: Path, fresh: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, as `subprocess.run` does that captures the output."""
        with tempfile.NamedTemporaryFile("r") as stdout, tempfile.NamedTemporaryFile("r") as stderr:
            started = self.start(name, *arguments, cwd=cwd, stdout=stdout.name, stderr=stderr.name, fresh=fresh)
            return subprocess.CompletedProcess([name, *arguments], started.wait(), stdout.read(), stderr.read())

    def _ask(self, verb: str, about: object) -> int | None:
        self._server.stdin.write(json.dumps([verb, about]) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())


def call(name: str, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program to its end in this process, which has compiled the networks of the tests before."""
    main = importlib.import_module(f"{PROGRAMS[name]}.cli").main
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(io.StringIO()) as stdout,
        contextlib.redirect_stderr(io.StringIO()) as stderr,
    ):
        try:
            main(list(map(str, arguments)))
        except SystemExit as end:
            return subprocess.CompletedProcess([name, *arguments], end.code, stdout.getvalue(), stderr.getvalue())


class Forked:
    """A program that runs, with methods of `subprocess.Popen`."""

    def __init__(self, programs: Programs, pid: int) -> None:
        self._programs, self.pid, self.returncode = programs, pid, None

    def poll(self) -> int | None:
        """Return the exit code if the program has ended."""
        return self._ended("poll")

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once the program has ended; raise `TimeoutExpired` where that takes longer."""
        end = time.monotonic() + (timeout or 0)
        while timeout is not None and self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(0.02)
        return self._ended("wait")

    def _ended(self, verb: str) -> int | None:
        if self.returncode is None:
            self.returncode = self._programs._ask(verb, self.pid)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the program if it is there."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the program."""
        self.send_signal(signal.SIGKILL)


def by_name(words: list[str]) -> list[str]:
    """Return Python's arguments for a module or, by its suffix, a script."""
    return words if words[0].endswith(".py") else ["-m", *words]


def read_by_libraries() -> dict[str, str]:
    """Return the part of the environment that the libraries read when they load."""
    of_ray = "PYTHONBREAKPOINT"  # which Ray sets in this process
    return {name: value for name, value in os.environ.items() if name.startswith(READ_BY_THEM) and name != of_ray}


def serve() -> list:
    """Answer every line of standard input; return in a fork, with the arguments of `become`."""
    del sys.path[0]  # this file's folder, where the packages of tests have the names of ours
    from resnet_core.runs.runtime import set_variables, without_notices

    set_variables()
    with without_notices():
        for name in LOADED:
            __import__(name)
    gc.collect()
    gc.freeze()  # so that no fork copies it
    for line in sys.stdin:
        verb, about = json.loads(line)
        if verb == "fork":
            answer: int | None = os.fork()
            if answer == 0:
                return about
        else:
            pid, status = os.waitpid(about, 0 if verb == "wait" else os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        print(json.dumps(answer), flush=True)
    os._exit(0)


def become(words: list[str], environment: dict[str, str], cwd: str, stdout: str, stderr: str) -> None:
    """Be Python with these words in this process, to its end."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    for number, name in enumerate((os.devnull, stdout, stderr)):
        opened = os.open(name, os.O_WRONLY if number else os.O_RDONLY)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # noqa: SIM115 - as long as the program runs
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    lend_server()
    sys.argv = words
    sys.path.insert(0, cwd)
    code = 0
    try:
        if by_name(words) == words:
            runpy.run_path(words[0], run_name="__main__")
        else:
            runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        code = 1
        sys.excepthook(*sys.exc_info())
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def lend_server() -> None:
    """Let the server that `multiprocessing` forks workers from be a fork of this process.

    It is forked here, before there are threads or computations, and waits until it is asked for.
    """
    from multiprocessing import util

    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        ours.close()
        be_server(its)
    its.close()
    start = util.spawnv_passfds

    def started(path: str, arguments: list[str], descriptors: list[int]) -> int:
        if ours.fileno() < 0 or "multiprocessing.forkserver" not in arguments[-1]:
            return start(path, arguments, descriptors)
        message = json.dumps([arguments[-1], dict(os.environ), str(Path.cwd()), descriptors])
        socket.send_fds(ours, [message.encode()], descriptors)
        ours.close()  # another one starts from nothing
        return pid

    util.spawnv_passfds = started


def be_server(asked: socket.socket) -> None:
    """Execute what is asked for with the descriptors that come along, or end with the program."""
    message, received, *_ = socket.recv_fds(asked, 1 << 20, 9)
    if not message:
        os._exit(0)
    code, environment, folder, descriptors = json.loads(message)
    asked.close()
    apart = [fcntl.fcntl(each, fcntl.F_DUPFD, max(descriptors) + 1) for each in received]
    for each in received:
        os.close(each)
    for each, number in zip(apart, descriptors, strict=True):
        os.dup2(each, number)
        os.close(each)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv, sys.path[:] = ["-c"], environment["PYTHONPATH"].split(os.pathsep)
    exec(code, {"__name__": "__main__"})
    os._exit(0)


if __name__ == "__main__":
    become(*serve())
