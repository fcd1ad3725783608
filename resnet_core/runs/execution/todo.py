"""Which runs of a study are left, shared with everybody who works on it by claims in its folder."""

from collections.abc import Hashable, Iterator, Mapping, Sequence

from filelock import SoftFileLease, Timeout

from resnet_core.nets.own import Net
from resnet_core.runs.records.record import Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run
from resnet_core.runs.training.forms import compiled_as


class Todo:
    """Hands out runs, each to one taker among all processes and machines that share the folder.

    Args:
        runs: What is to be executed.
        store: Where they are recorded.
        attempts: Numbers of the executions of the runs that have been executed before: a run of which this one, or a
            later one, has been recorded meanwhile is not handed out.
    """

    def __init__(self, runs: Sequence[Run], store: Store, attempts: Mapping[str, int] | None = None) -> None:
        self._left: dict[Net, dict[str, Run]] = {}
        self._compiled: dict[Net, Hashable] = {}
        for run in runs:
            self._left.setdefault(run.net, {})[run.id] = run
            self._compiled.setdefault(run.net, compiled_as(run))
        self._attempts = attempts or {}
        self._store = store
        self._claims: dict[str, SoftFileLease] = {}
        self._held: dict[str, Net] = {}

    @property
    def left(self) -> int:
        """Runs that nobody has recorded and we have not taken; others may be at them."""
        return sum(map(len, self._left.values()))

    def take(self, last: Net | None = None) -> Run | None:
        """Claim a run and return it, or None if all that are left are somebody else's for now.

        Args:
            last: The network whose compiled step the taker has; runs of it come first, then those of others that
                share what is compiled, and then those for which no other taker has it.
        """
        for run in self._in_order(last):
            claim = self._claims.setdefault(run.id, self._store.claim(run.id))
            if not self._recorded(run.id):
                try:
                    claim.acquire(timeout=0)
                except Timeout:
                    continue
            del self._left[run.net][run.id]
            if self._recorded(run.id):  # by somebody whose claim was in our way, or before it
                self._release(run.id)
                continue
            self._held[run.id] = run.net
            return run
        return None

    def _recorded(self, run_id: str) -> bool:
        return self._store.has(run_id, self._attempts.get(run_id, 1))

    def _in_order(self, last: Net | None) -> Iterator[Run]:
        held = {self._compiled[net] for net in self._held.values()}
        mine = None if last is None else self._compiled.get(last)

        def place(net: Net) -> int:
            if net == last:
                return 0
            compiled = self._compiled[net]
            return 1 if compiled == mine else 2 + (compiled in held)

        for net in sorted(self._left, key=place):
            yield from list(self._left[net].values())

    def ended(self, record: Record) -> None:
        """Hear how a run ended, before the next is taken, which does not depend on it here."""

    def finish(self, run: Run) -> None:
        """Give back the claim of a run that has been recorded, or given up."""
        self._held.pop(run.id, None)
        self._release(run.id)

    def _release(self, run_id: str) -> None:
        self._claims.pop(run_id).release()
