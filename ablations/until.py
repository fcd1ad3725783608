"""Looks at the verdicts of a study, which its plan keeps, and seeds that are added until its claims are decided."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from ablations.request import Request
from analysis.claims import Claim
from analysis.judging.looks import Look, announced, following
from analysis.terminal import judged
from resnet_core.runs.data import DataInfo
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run
from resnet_core.telling import say

Fill = Callable[[Request, Sequence[Run]], None]


def keep_look(root: Path) -> None:
    """Record in the plan a look at the verdicts on all seeds of a study, unless runs are missing."""
    plan = Store(root).plan()
    if plan and plan.claims:
        looks = Look.from_plan(plan.looks)
        _keep(root, following(looks, len({run.seed for run in plan.runs})))


def until_decided(request: Request, data: DataInfo, data_sha256: str, fill: Fill) -> list[Run]:
    """Add seeds to the arms of open claims, until no claim is open or the maximum number of seeds is reached.

    The looks are those of `analysis.judging.looks.announced`. Earlier looks and their records remain.

    Args:
        request: The request. Its seeds are those of the first look.
        data: Description of the data set.
        data_sha256: Hash of the data.
        fill: Function that executes planned runs.

    Returns:
        The runs.
    """
    root, runs = request.root, []
    first, most = request.seeds.first, request.seeds.most or request.seeds.first
    plan = Store(root).plan()
    kept = Look.from_plan(plan.looks) if plan else ()
    for look in announced(kept, first, most):
        if look in kept and look.seeds < first:
            continue
        open_ = open_claims(root) if kept else list(request.claimed.claims)
        if not open_:
            break
        now = request.with_seeds(look.seeds)
        runs = _runs_of(now.runs(data, data_sha256), first, open_)
        fill(now, runs)
        kept = _keep(root, (*(earlier for earlier in kept if earlier.seeds != look.seeds), look))
        if look.seeds < most and (left := len(open_claims(root))):
            total = len(request.claimed.claims)
            say(f"{look.seeds} seeds leave {left} of {total} claims open; seeds are added to their arms")
    return runs


def further_runs(request: Request, runs: Callable[[Request], Sequence[Run]]) -> list[Run]:
    """Return the runs of the next look at the request's folder, in which the first seeds are recorded. If all claims
    are decided, the list is empty.

    Args:
        request: The request. Its seeds are those of the first look.
        runs: Function that returns the runs of a request.
    """
    plan, first = Store(request.root).plan(), request.seeds.first
    kept = Look.from_plan(plan.looks) if plan else ()
    looks = announced(kept, first, request.seeds.most or first)
    later = [look for look in looks if look not in kept and look.seeds > first]
    open_ = open_claims(request.root)
    return _runs_of(runs(request.with_seeds(later[0].seeds)), first, open_) if later and open_ else []


def _runs_of(runs: Sequence[Run], first: int, open_: Sequence[Claim]) -> list[Run]:
    """Return the runs that have one of the first seeds, or belong to an arm of an open claim."""
    return [run for run in runs if run.seed < first or any(_is_of(run, claim) for claim in open_)]


def _keep(root: Path, looks: tuple[Look, ...]) -> tuple[Look, ...]:
    """Write the looks into the plan if all its runs have ended, and return them."""
    store = Store(root)
    plan, statuses = store.plan(), store.survey().statuses
    if plan and all(run.id in statuses for run in plan.runs):
        store.add_plan(replace(plan, looks=tuple(asdict(look) for look in looks)))
    return looks


def open_claims(root: Path) -> list[Claim]:
    """Return the claims of a study that are not decided."""
    plan, table = Store(root).plan(), judged(root)
    if plan is None or table is None:
        return []
    verdicts = table["verdict"].tolist()
    claims = [Claim.from_dict(values) for values in plan.claims]
    return [claim for claim, verdict in zip(claims, verdicts, strict=True) if verdict == "inconclusive"]


def _is_of(run: Run, claim: Claim) -> bool:
    """Return whether a run belongs to an arm of a claim."""
    return any(term.levels.items() <= dict(run.factors).items() for term in claim.terms)
