"""`resnet-ablate remove`: removes arms or seeds from a study."""

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import Timeout

from ablations.folder_command import add_folder_command, study_folder
from resnet_core.command_line import assigned
from resnet_core.errors import UserError, nearest
from resnet_core.folders import check_writable
from resnet_core.runs.records.plan import Plan, PlannedRun
from resnet_core.runs.records.store import Store
from resnet_core.telling import say

SEED = "seed"
HALF_WRITTEN_SECONDS = 3.0  # after which a claim is taken for one whose owner died while it wrote


def add_remove_command(commands: Any) -> None:
    """Add the command to the subparsers of `resnet-ablate`."""
    about = "remove arms from a study; their records are set aside, and `run` restores them"
    remove = add_folder_command(commands, "remove", about, remove_runs)
    remove.add_argument(
        "levels", nargs="+", metavar="FACTOR=LEVEL[,LEVEL]",
        help="runs that have one of these levels of each named factor, such as skip=C depth=8,20; or seed=3",
    )  # fmt: skip
    remove.add_argument("--dry-run", action="store_true", help="print what would be removed; change nothing")


def remove_runs(options: argparse.Namespace) -> None:
    """Remove runs from the plan of a study, and set their records aside."""
    root = study_folder(options.study)
    check_writable(root)
    store = Store(root)
    plan = store.plan()
    assert plan
    chosen = selected(plan, options.levels, root)
    ids = {run.id for run in chosen}
    busy = [run for run in store.claimed() & ids if _is_under_way(store, run)]
    if busy:
        raise UserError(f"a run must have ended before it is removed, but {len(busy)} of these are running; wait")
    left = plan.without(ids)
    recorded = len(ids & store.survey().statuses.keys())
    verb = "would be taken" if options.dry_run else "taken"
    say(f"{len(chosen)} of {len(plan.runs)} runs {verb} out of {root}, {recorded} of them recorded")
    for run in chosen if options.dry_run else ():
        say(f"  {run.label}")
    for claim in plan.claims:
        if claim not in left.claims:
            say(f"a claim on them is removed, too: {claim['text']}")
    if options.dry_run:
        return
    command = shlex.join(["resnet-ablate", "remove", options.study, *options.levels])
    store.shrink(replace(left, commands=tuple(dict.fromkeys([*plan.commands, command]))), ids)
    say(f"their records are in {root / 'removed'}; `run` with these levels takes them back")


def _is_under_way(store: Store, run: str) -> bool:
    """Return whether a process that may be alive has the claim to a run; one that a dead process left is given back."""
    claim = store.claim(run)
    try:
        claim.acquire(timeout=HALF_WRITTEN_SECONDS)
    except Timeout:
        return True
    claim.release()
    return False


def selected(plan: Plan, words: Sequence[str], root: Path) -> list[PlannedRun]:
    """Return the runs of a plan with the levels of `FACTOR=LEVEL`.

    Raises:
        UserError: The study has no such factor or level, or no run would remain.
    """
    if "oracle" in plan.base:
        raise UserError(f"arms can be removed from a study, but {root} is a search, whose trials depend on each other")
    wanted: dict[str, set[str]] = {}
    known = {name: _levels(plan, name) for name in (*plan.factors, SEED)}
    for word in words:
        name, text = assigned(word, "remove", "FACTOR=LEVEL")
        if name not in known:
            raise UserError(f"the study has no factor '{name}'{nearest(name, known)}")
        if name in wanted:
            raise UserError(f"a factor must be named once, but '{name}' is named again by {word}; take {name}=A,B")
        levels = [text] if text in known[name] else text.split(",")
        strange = [level for level in levels if level not in known[name]]
        if strange:
            raise UserError(f"`{name}` has no level '{strange[0]}' in {root}; it has {', '.join(known[name])}")
        wanted[name] = {*levels}
    chosen = [run for run in plan.runs if all(_text(_level(run, name)) in texts for name, texts in wanted.items())]
    if not chosen:
        raise UserError(f"a run must have all named levels, but no run of {root} has {' '.join(words)}")
    if len(chosen) == len(plan.runs):
        raise UserError(f"a study must keep a run, but {' '.join(words)} is all of {root}; remove the folder instead")
    return chosen


def _levels(plan: Plan, name: str) -> list[str]:
    return list(dict.fromkeys(_text(_level(run, name)) for run in plan.runs))


def _level(run: PlannedRun, name: str) -> Any:
    return run.seed if name == SEED else run.factors[name]


def _text(level: Any) -> str:
    """Return a level as on the command line."""
    return ",".join(map(str, level)) if isinstance(level, list | tuple) else "none" if level is None else str(level)
