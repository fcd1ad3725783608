"""From a request to records: plan, execute what is missing, record each run as it ends."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

from ablations.study import Levels, Study
from resnet_core.command_line import console
from resnet_core.folders import check_writable
from resnet_core.nets.cost import cost
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data import DataInfo, Dataset, open_source, prepare
from resnet_core.runs.estimate import start_seconds, study_threads, train_seconds
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.store import Plan, Store


@dataclass(frozen=True)
class Request:
    """What a user asked for: a study with the levels, settings and seeds it is to have.

    Attributes:
        fixed: Fields of `NetSpec` that are set in every arm.
        root: Folder of the records.
        command: The command line that asked.
    """

    study: Study
    scale: str
    levels: Levels
    fixed: Mapping[str, Any]
    train: TrainSpec
    probe: ProbeSpec
    seeds: int
    root: Path
    command: str

    def runs(self, data: DataInfo, data_sha256: str = "") -> list[Run]:
        """Return the runs on data of this shape and content."""
        train = self.train.replace(data_sha256=data_sha256)
        return list(self.study.runs(self.levels, train, self.probe, data, self.seeds, self.fixed))

    def plan(self, runs: list[Run], data_sha256: str) -> Plan:
        """Return the plan of `runs` for the store."""
        train = self.train.replace(data_sha256=data_sha256).model_dump(mode="json", exclude={"data"})
        probe = self.probe.model_dump(mode="json")
        base = {"scale": self.scale, **{f"net.{name}": _jsonable(value) for name, value in self.fixed.items()}}
        base |= {f"train.{name}": value for name, value in train.items()}
        base |= {f"probe.{name}": value for name, value in probe.items()}
        planned = tuple({"id": run.id, "seed": run.seed, "factors": run.factors} for run in runs)
        study = self.study
        return Plan(study.name, study.question, study.source, base, tuple(self.levels), (self.command,), planned)


def _jsonable(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def dry_run(request: Request) -> None:
    """Print every run with its cost and whether it is recorded. Nothing is read but its data's shape, or written."""
    from ablations.display import runs_table

    data = open_source(request.train.data, request.train.image_size).info
    runs = request.runs(data)
    recorded = {_asked(record.run) for record in Store(request.root).records()}
    costs = [cost(run.net) for run in runs]
    table = runs_table(
        runs,
        [of.trainable for of in costs],
        [of.macs for of in costs],
        list(_seconds(runs, request, data)),
        [_asked(run) in recorded for run in runs],
    )
    console().print(table)


def run(request: Request) -> None:
    """Execute the runs that are not recorded yet, record each, and print what came of them all.

    Raises:
        UserError: Something asked for cannot be; nothing is written then.
    """
    from resnet_core.runs.runtime import set_variables

    set_variables()
    store = Store(request.root)
    check_writable(request.root)
    source = open_source(request.train.data, request.train.image_size)
    request.runs(source.info)  # a mistake in the request shows before a large data set is read
    images = source.images
    sha256 = images.sha256()
    runs = request.runs(source.info, sha256)
    prepared = lru_cache(maxsize=1)(lambda train: prepare(images, train))
    for train in dict.fromkeys(run.train for run in runs):
        prepared(train)
    store.add_plan(request.plan(runs, sha256))
    recorded = store.ids()
    try:
        _execute([run for run in runs if run.id not in recorded], request, source.info, prepared, store)
    except KeyboardInterrupt:
        print(f"interrupted; {_summary(store, runs)}; the same command runs the rest", file=sys.stderr)
        raise
    print(f"{_summary(store, runs)}; report: resnet-report {request.root}")


def _execute(
    runs: list[Run], request: Request, data: DataInfo, prepared: Callable[[TrainSpec], Dataset], store: Store
) -> None:
    if not runs:
        return
    from ablations.display import display
    from resnet_core.runs.executors import serial
    from resnet_core.runs.runtime import configure

    work = zip((run.id for run in runs), _seconds(runs, request, data), strict=True)
    with display(dict(work)) as shown:
        configure(study_threads(runs))
        for record in serial(runs, prepared, shown.step):
            store.write(record)
            shown.end(record)


def _summary(store: Store, runs: list[Run]) -> str:
    """Return how many of `runs` ended how."""
    planned = {run.id for run in runs}
    ended = Counter(record.outcome.status for record in store.records() if record.run.id in planned)
    statuses = ", ".join(f"{count} {status}" for status, count in sorted(ended.items()))
    return f"{ended.total()} of {len(runs)} runs recorded" + (f" ({statuses})" if statuses else "")


def _seconds(runs: list[Run], request: Request, data: DataInfo) -> Iterator[float]:
    """Yield the estimated time of each run; the first of each network in a row bears its start."""
    train = request.train
    images = round((train.train_size or data.train_images) * (1 - train.validation_fraction))
    threads = study_threads(runs)
    for _, alike in groupby(runs, key=lambda run: run.net):
        for i, run in enumerate(alike):
            yield train_seconds(run, images, threads) + (start_seconds(run) if i == 0 else 0.0)


def _asked(run: Run) -> Run:
    """Return the run as it is asked for, before the content of its data is known."""
    return replace(run, train=run.train.replace(data_sha256=""))
