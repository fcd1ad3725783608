"""Claims: each run is executed by one of the processes that share a folder. A claim that is not refreshed expires."""

import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import AcquireReturnProxy, LeaseSettingsMismatch, SoftFileLease, Timeout

from resnet_core.errors import UserError
from resnet_core.folders import naming

LEASE_SECONDS = 60.0
LOOK_SECONDS = 1.0
NOT_WRITTEN = b"written=no\n"


class RunLease(SoftFileLease):
    """A claim that expires a minute after its last refresh, whatever machine its owner is on."""

    def acquire(self, timeout: float | None = None, *arguments: Any, **options: Any) -> AcquireReturnProxy[Any]:
        """See `SoftFileLease`. A lease with another duration is the claim of another process.

        A process that is killed after it creates the file and before it writes into it leaves an empty file.
        `SoftFileLease` regards an empty file as a lock of an old version, which never expires. A line without an owner
        turns it into a damaged lease, which expires.
        """
        _end_empty(Path(self.lock_file))
        try:
            with naming(Path(self.lock_file)):
                return super().acquire(timeout, *arguments, **options)
        except LeaseSettingsMismatch:
            raise Timeout(self.lock_file) from None

    def acquire_when_expired(self, waits: Callable[[], None] = lambda: None) -> None:
        """Take the claim. If another process has it, wait until it expires or is refreshed.

        Args:
            waits: Called once before waiting.

        Raises:
            Timeout: The owner of the claim is alive.
        """
        _end_empty(Path(self.lock_file))
        seen, waiting = _refreshed(Path(self.lock_file)), False
        until = time.monotonic() + LEASE_SECONDS + 5 * LOOK_SECONDS
        while True:
            try:
                self.acquire(timeout=0)
            except Timeout:
                owner = self.owner
                alive = owner is not None and owner.hostname == platform.node()  # the owner is alive
                if alive or _refreshed(Path(self.lock_file)) != seen or time.monotonic() > until:
                    raise
                if not waiting:
                    waits()
                waiting = True
                time.sleep(LOOK_SECONDS)
            else:
                return


def claim(root: Path, name: str) -> RunLease:
    """Return a claim in the folder of a study. The claim is not taken yet.

    Raises:
        UserError: The folder does not exist.
    """
    folder = root / "claims"
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        raise gone(root) from None
    return RunLease(folder / f"{name}.lock", lease_duration=LEASE_SECONDS, timeout=2 * LEASE_SECONDS)


@contextmanager
def held(root: Path, name: str, what: str) -> Iterator[None]:
    """Context manager that holds a claim. It waits until the current owner releases the claim, or the claim expires.

    Args:
        root: The folder of the study.
        name: Name of the claim.
        what: What the claim permits, for the error message, such as `change a study's plan`.

    Raises:
        UserError: The folder does not exist, or the owner refreshes the claim for too long.
    """
    lease = claim(root, name)
    try:
        lease.acquire()
    except Timeout:
        raise UserError(
            f"only one process at a time may {what}, but another one keeps {lease.lock_file}; wait for it, and repeat "
            "the command"
        ) from None
    try:
        yield
    finally:
        lease.release()


def claimed(root: Path) -> set[str]:
    """Return the names of the claims that have not expired, without those whose owners this machine knows as dead."""
    names = set()
    for path in (root / "claims").glob("*.lock"):
        with suppress(FileNotFoundError):  # it has been released
            refreshed = abs(time.time() - path.stat().st_mtime) < LEASE_SECONDS  # a clock may have been set back
            if refreshed and not _has_dead_owner(path):
                names.add(path.stem)
    return names


def gone(root: Path) -> UserError:
    """Return the error for a study's folder that no longer exists."""
    return UserError(
        f"the folder of a study must stay where it is while its runs are executed, but {root} is no longer there; "
        "put it back, and repeat the command"
    )


def _has_dead_owner(path: Path) -> bool:
    """Return whether a claim could be taken at once. A copy of it is tried, since a reader changes no claim."""
    with suppress(OSError), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        lease = RunLease(shutil.copy2(path, place), lease_duration=LEASE_SECONDS)
        with suppress(Timeout), lease.acquire(timeout=0):
            return True
    return False


def _end_empty(path: Path) -> None:
    """Write a line into the file of a claim if it is empty. After the lines of an owner, the line has no effect."""
    with suppress(OSError):
        if path.stat().st_size == 0:
            with path.open("ab", buffering=0) as file:
                if file.tell() == 0:
                    file.write(NOT_WRITTEN)


def _refreshed(path: Path) -> int | None:
    with suppress(OSError):
        return path.stat().st_mtime_ns
    return None
