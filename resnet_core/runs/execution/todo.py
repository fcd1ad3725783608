"""`Todo`: the remaining runs of a study, shared among processes by claims in its folder."""

import time
from collections.abc import Hashable, Iterator, Mapping, Sequence

from filelock import SoftFileLease, Timeout

from resnet_core.nets.own import Net
from resnet_core.runs.records.record import Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run
from resnet_core.runs.training.forms import compiled_as


class Todo:
    """Hands out runs. Each run is given to one of the processes that share the folder, on whatever machines.

    Args:
        runs: Runs to execute.
        store: Store for the records.
        attempts: Number of the attempt, by the id of the run, for runs that were executed before. A run is not handed
            out if this attempt or a later one has been recorded meanwhile.
        deadline: Time of `time.monotonic` after which no run is handed out.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        store: Store,
        attempts: Mapping[str, int] | None = None,
        deadline: float | None = None,
    ) -> None:
        self._left: dict[Net, dict[str, Run]] = {}
        self._compiled: dict[Net, Hashable] = {}
        for run in runs:
            self._left.setdefault(run.net, {})[run.id] = run
            self._compiled.setdefault(run.net, compiled_as(run))
        self._attempts = attempts or {}
        self._store = store
        self._deadline = deadline
        self._claims: dict[str, SoftFileLease] = {}
        self._held: dict[str, Net] = {}

    @property
    def left(self) -> int:
        """Number of runs that are neither recorded nor taken by this process. Other processes may be executing them.
        After the deadline it is 0.
        """
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self._left.clear()
        return sum(map(len, self._left.values()))

    def take(self, last: Net | None = None) -> Run | None:
        """Claim a run and return it, or `None` if other processes have claimed all remaining runs.

        Args:
            last: The network of the last run. Its other runs come first, since their step is compiled. Next come runs
                that share compiled code with it, then runs that share none with a run of another slot.
        """
        if not self.left:
            return None
        for run in self._in_order(last):
            claim = self._claims.setdefault(run.id, self._store.claim(run.id))
            if not self._recorded(run.id):
                try:
                    claim.acquire(timeout=0)
                except Timeout:
                    continue
            del self._left[run.net][run.id]
            if self._recorded(run.id):  # by an earlier owner of the claim
                self._release(run.id)
                continue
            self._held[run.id] = run.net
            return run
        return None

    def _recorded(self, run_id: str) -> bool:
        return self._store.has(run_id, self._attempts.get(run_id, 1))

    def _in_order(self, last: Net | None) -> Iterator[Run]:
        held = {self._compiled[net] for net in self._held.values()}
        compiled_last = None if last is None else self._compiled.get(last)

        def place(net: Net) -> int:
            if net == last:
                return 0
            compiled = self._compiled[net]
            return 1 if compiled == compiled_last else 2 + (compiled in held)

        for net in sorted(self._left, key=place):
            yield from list(self._left[net].values())

    def ended(self, record: Record) -> None:
        """Called when a run ends, before the next is taken. It does nothing here; `Proposals` informs its oracle."""

    def finish(self, run: Run) -> None:
        """Release the claim of a run that was recorded or given up."""
        self._held.pop(run.id, None)
        self._release(run.id)

    def _release(self, run_id: str) -> None:
        self._claims.pop(run_id).release()
