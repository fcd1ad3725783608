"""Which missing runs of a study are taken from other studies, instead of being trained again.

Runs with equal ids have equal bits if they are made on equal machines with equal versions and numbers of threads. Only
outcomes that follow from the run are taken: `completed`, which `failed_to_train` is a case of, and `diverged`. Errors,
limits and lost processes depend on the execution.

A record has no trained network and no measurement by a requested probe. So a run whose network is to be kept or probed
is trained.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from resnet_core.runs.execution.job import devices
from resnet_core.runs.execution.options import Execution
from resnet_core.runs.records.plan import CONTENT
from resnet_core.runs.records.record import Record
from resnet_core.runs.records.store import PLAN, Store
from resnet_core.runs.runtime import machine
from resnet_core.runs.spec import Run
from resnet_core.sealed import UNREADABLE, bytes_of, parsed

TAKEN = ("completed", "diverged")


def taken(missing: Iterable[Run], root: Path, out: Path, threads: int, execution: Execution) -> list[Record]:
    """Return the records of missing runs that other studies have, with the labels of the missing runs.

    What cannot be read is skipped. Nothing is written.

    Args:
        missing: Runs of the study that are not recorded.
        root: Folder of the study, which is left out.
        out: Folder of the studies. The folders within them, as those of their trials, are read, too.
        threads: Number of threads of a process that would train the runs.
        execution: How the runs would be executed.
    """
    if execution.keep_networks or execution.probes:
        return []
    wanted, here = {run.id: run for run in missing}, {**machine(), "threads": threads}
    records: list[Record] = []
    for folder in studies_in(out):
        if folder == root or not wanted:
            continue
        name = folder.relative_to(out).as_posix()
        for record in records_of(folder, wanted):
            run = wanted[record.run.id]
            if record.run == run and record.outcome.status in TAKEN and is_made(record.environment, here):
                del wanted[run.id]
                records.append(replace(record, run=run, taken_from=record.taken_from or name))
    return records


def studies_in(out: Path) -> list[Path]:
    """Return the folders in `out`, and those within them, that hold the plan of a study."""
    return sorted(plan.parent for pattern in (f"*/{PLAN}", f"*/*/{PLAN}") for plan in out.glob(pattern))


def contents_in(out: Path) -> set[str]:
    """Return the hashes of the data of the studies in `out`, as far as their plans can be read."""
    contents = set()
    for folder in studies_in(out):
        with suppress(*UNREADABLE):
            contents.add(str(parsed(bytes_of(folder / PLAN))["base"][CONTENT]))
    return contents


def records_of(folder: Path, wanted: Mapping[str, Run]) -> list[Record]:
    """Return the readable records of wanted runs in the folder of a study."""
    try:
        return list(Store(folder).whole(wanted.keys()))
    except UNREADABLE:
        return []


def is_made(environment: Mapping[str, Any], here: Mapping[str, Any]) -> bool:
    """Return whether a record with this environment was made on a machine as `here`, on the same kind of device."""
    on_gpu = "GPU" in str(environment.get("devices", ""))
    return on_gpu == bool(devices()) and all(environment.get(name) == value for name, value in here.items())


def line(origins: Sequence[str], total: int, out: Path, verb: str = "are") -> str:
    """Return a sentence on the number of runs that are taken, and on the studies that they are from.

    Args:
        origins: `Record.taken_from` of each run that is taken.
        total: Number of runs of the study.
        out: Folder of the studies.
        verb: `are`, or `would be`.
    """
    studies = ", ".join(sorted({origin.partition("/")[0] for origin in origins}))
    return f"{len(origins)} of {total} runs {verb} taken from other studies in {out}: {studies}"
