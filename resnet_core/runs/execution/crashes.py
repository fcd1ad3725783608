"""Native crashes: a process that dies in native code reports the crash of its run.

The dying process writes its signal and its Python stack itself (`faulthandler`). A process that is killed writes
nothing, and its run is executed again.
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
"""The signals of a native crash, by their names in `faulthandler`."""


def is_crash(exit_code: int | None) -> bool:
    """Return whether a process with this exit code died of a native crash."""
    return exit_code is not None and exit_code < 0 and Signals(-exit_code).name in NAMES.values()


@contextmanager
def witnessed(path: Path) -> Iterator[None]:
    """Context manager in which this process writes signal and stack to `path` if it crashes natively. At the end, the
    file is removed.
    """
    before = faulthandler.is_enabled()
    try:
        file = path.open("w")
    except OSError:  # the disk is full or the folder is missing; the run continues without a crash file
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
    """Return the report of a crashed process, ending with its signal; `None` without a crash."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return None
    match = re.match(r"(?:Fatal Python error|Windows fatal exception): (.+)", text)
    if not match:
        return None
    name = match[1].replace("-", " ")  # as it is spelt by later versions of Python
    return f"{text.strip()}\n\nits process ended with signal {NAMES.get(name, name)}"
