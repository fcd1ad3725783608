"""The end of a search: the best networks with fresh seeds, and each beside its twin, as a study of its own."""

from collections.abc import Sequence
from dataclasses import replace

from analysis.claims import mean
from resnet_core.command_line import say
from resnet_core.errors import UserError
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.estimate import study_threads
from resnet_core.runs.plan import Plan, PlannedRun
from resnet_core.runs.records import Record
from resnet_core.runs.spec import Run
from search.request import Search

FOLDER = "confirm"
FIRST_SEED = 1_000_000  # far from that of the trials
FOUND, TWIN = "found", "twin"


def twin(net: NetSpec) -> NetSpec:
    """Return the network with its skip removed or, if it has none, added: option A, or B where A cannot be.

    What needs a skip goes with it: a branch that starts at 0, or that is dropped in training.
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
    """Return the runs: each network and its twin, trained alike with each seed; the test images are read now.

    Args:
        search: What they are of.
        best: Number of the trial and its record, the best first.
        seeds: How many.
    """
    probe = ProbeSpec(batch_size=search.probe.batch_size, latency=search.probe.latency)
    runs: dict[str, Run] = {}
    for number, record in best:
        for kind, net in ((FOUND, record.run.net), (TWIN, twin(record.run.net))):
            train = record.run.train.replace(test=True)
            for seed in range(FIRST_SEED, FIRST_SEED + seeds):
                factors = {"trial": number, "net": kind}
                run = Run(net, train, probe, seed, record.run.code, factors)
                if run.id in runs and seed == FIRST_SEED:
                    say(f"({run.arm}) is the same network as ({runs[run.id].arm})")
                runs.setdefault(run.id, run)
    return list(runs.values())


def plan_of(search: Search, runs: Sequence[Run]) -> Plan:
    """Return the plan of these runs, with a claim on each network and its twin."""
    arms = {(run.factors["trial"], run.factors["net"]): run.net for run in runs}
    claims = [
        replace(
            mean("test_error", trial=trial, net=FOUND) < mean("test_error", trial=trial, net=TWIN),
            text=f"the network of trial {trial}, {_skip(net)}, has a lower test error than {_skip(arms[trial, TWIN])}",
        )
        for (trial, kind), net in arms.items()
        if kind == FOUND and (trial, TWIN) in arms
    ]
    base = {name: value for name, value in search.base().items() if not name.startswith("probe.")}
    return Plan(
        f"{search.name}-confirm",
        "Do the best networks of the search stay so with fresh seeds, and does their skip matter?",
        f"Fresh seeds of the search '{search.name}'",
        {f"search.{name}": value for name, value in base.items()},
        ("trial", "net"),
        (search.command,),
        tuple(PlannedRun(run.id, run.seed, run.factors) for run in runs),
        study_threads(list(runs)),
        tuple(claim.to_dict() for claim in claims),
    )


def _skip(net: NetSpec) -> str:
    return "without its skip" if net.skip == "none" else f"with skip {net.skip}"
