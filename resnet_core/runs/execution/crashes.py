"""Native crashes: what a process that dies of a fault in native code leaves of the run under way.

The dying process writes its signal and its Python stack itself (`faulthandler`). One that is killed, or whose machine
is switched off, writes nothing: its run is taken up again.
"""

import faulthandler
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import Signals

NAMES = {
    "Segmentation fault": "SIGSEGV", "Aborted": "SIGABRT", "Bus error": "SIGBUS",
    "Floating point exception": "SIGFPE", "Illegal instruction": "SIGILL",
}  # fmt: skip
"""The signals of a native crash, by what `faulthandler` calls them."""


def is_crash(exit_code: int | None) -> bool:
    """Return whether a process with this exit code died of a native crash."""
    return exit_code is not None and exit_code < 0 and Signals(-exit_code).name in NAMES.values()


@contextmanager
def witnessed(path: Path) -> Iterator[None]:
    """Let this process write to `path` how it ends, if that is a native crash; otherwise leave nothing there."""
    before = faulthandler.is_enabled()
    try:
        file = path.open("w")
    except OSError:  # no room, or no such folder: the run goes on without
        yield
        return
    with file:
        faulthandler.enable(file, all_threads=False)
        try:
            yield
        finally:
            faulthandler.disable()
            if before and sys.__stderr__:
                with suppress(OSError, ValueError):  # it has been closed
                    faulthandler.enable(sys.__stderr__)
            path.unlink(missing_ok=True)


def crash_in(path: Path) -> str | None:
    """Return what happened to a process that has crashed, its last line with the signal; None if none has."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return None
    match = re.match(r"(?:Fatal Python error|Windows fatal exception): (.+)", text)
    if not match:
        return None
    name = match[1].replace("-", " ")  # as it is spelt by later versions of Python
    return f"{text.strip()}\n\nits process ended with signal {NAMES.get(name, name)}"
