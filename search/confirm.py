"""The confirmation of a search: the best networks and their twins are trained with fresh seeds, as a study."""

from collections.abc import Sequence
from dataclasses import replace

from analysis.claims import mean
from resnet_core.errors import UserError
from resnet_core.nets.own import Net, spec_of
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.execution.estimate import study_threads
from resnet_core.runs.records.plan import Plan, PlannedRun
from resnet_core.runs.records.record import Record
from resnet_core.runs.spec import Run
from search.request import Search

FOLDER = "confirm"
FIRST_SEED = 1_000_000  # far from that of the trials
FOUND, TWIN = "found", "twin"


def twin(net: NetSpec) -> NetSpec:
    """Return the network without its skip. If it has no skip, one is added: option A, or B if A is not possible.

    Fields that need a skip are reset with it: a branch scale that starts at 0, and stochastic depth.
    """
    if net.skip == "none":
        for skip in ("A", "B"):
            try:
                return net.replace(skip=skip)
            except UserError:
                continue
    try:
        return net.replace(skip="none")
    except UserError:
        return net.replace(skip="none", branch_scale="one", survival=1.0)


def confirming(search: Search, best: Sequence[tuple[int, Record]], seeds: int) -> list[Run]:
    """Return the runs: each network and its twin, trained alike with each seed, and evaluated on the test images.

    A twin that is also among the best networks is run once.

    Args:
        search: The search.
        best: Number and record of each trial, in order of quality.
        seeds: Number of seeds.
    """
    runs: dict[str, Run] = {}
    for kind in (FOUND, TWIN):
        for number, record in best:
            for run in _with_seeds(search, number, record, kind, seeds):
                runs.setdefault(run.id, run)
    return list(runs.values())


def _with_seeds(search: Search, number: int, record: Record, kind: str, seeds: int) -> list[Run]:
    probe = ProbeSpec(batch_size=search.probe.batch_size, latency=search.probe.latency, by_class=search.probe.by_class)
    net, train = spec_of(record.run.net), record.run.train.replace(test=True, init_seed=None, data_seed=None)
    if kind == TWIN:
        net, train = (net, train.replace(initial_weights="")) if train.initial_weights else (twin(net), train)
    first = FIRST_SEED + search.seed + 1
    factors = {"trial": number, "net": kind}
    return [Run(net, train, probe, seed, record.run.code, factors) for seed in range(first, first + seeds)]


WORDS = {FOUND: "found: the network of the trial", TWIN: "twin: the same network without its skip, or with one"}
"""Names of the two kinds of networks."""
DRAWN = {
    FOUND: "found: the network of the trial, from published weights",
    TWIN: "twin: the same network from drawn weights, nothing frozen",
}
"""The same, if the training starts from published weights."""


def plan_of(search: Search, best: Sequence[tuple[int, Record]], runs: Sequence[Run]) -> Plan:
    """Return the plan of these runs, with a claim on each network and its twin."""
    by_id = {run.id: run for run in runs}
    claims = {}
    for number, record in best:
        winner, other = (by_id[_with_seeds(search, number, record, kind, 1)[0].id] for kind in (FOUND, TWIN))
        text = f"the network of trial {number}, {_kind(winner)}, has a lower test error than "
        text += _differing(winner, other)
        claims[text] = mean("test_error", **winner.factors) < mean("test_error", **other.factors)
    published = bool(search.train.initial_weights)
    matters = "do their published weights matter" if published else "does their skip matter"
    base = {name: value for name, value in search.base().items() if not name.startswith("probe.")}
    return Plan(
        f"{search.name}-confirm",
        f"How good are the best networks of the search with fresh seeds, and {matters} in the training that the search "
        "found for them?",
        f"Fresh seeds of the search '{search.name}'",
        {f"search.{name}": value for name, value in base.items()},
        ("trial", "net"),
        (search.command,),
        tuple(map(PlannedRun.from_run, runs)),
        study_threads(list(runs)),
        tuple(replace(claim, text=text).to_dict() for text, claim in claims.items()),
        data=search.data.split(search.train),
        words={"net": DRAWN if published else WORDS},
    )


def _kind(run: Run) -> str:
    """Return in words what distinguishes a network from its twin."""
    return "from published weights" if run.train.initial_weights else _skip(run.net)


def _skip(net: Net) -> str:
    skip = spec_of(net).skip
    return "without a skip" if skip == "none" else f"with skip {skip}"


def _differing(winner: Run, other: Run) -> str:
    """Return the differences of the twin in words: its drawn weights or its skip, and the fields removed with it."""
    if winner.train.initial_weights:
        return "the same network from drawn weights"
    given = [*winner.net.given(), *other.net.given()]
    names = [name for name in dict.fromkeys(given) if getattr(winner.net, name) != getattr(other.net, name)]
    return " and ".join([_skip(other.net), *(f"{name}={getattr(other.net, name)}" for name in names if name != "skip")])
