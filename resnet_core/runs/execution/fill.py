"""Execute the missing runs of a folder, record them, and show progress."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from resnet_core.runs.data import DataInfo, Reading
from resnet_core.runs.execution import taking
from resnet_core.runs.execution.display import Display, display
from resnet_core.runs.execution.estimate import start_seconds, train_seconds
from resnet_core.runs.execution.executors import EXECUTORS
from resnet_core.runs.execution.job import Job, asked, resident
from resnet_core.runs.execution.loggers import open_loggers
from resnet_core.runs.execution.options import Execution
from resnet_core.runs.execution.todo import Todo
from resnet_core.runs.records.plan import Plan
from resnet_core.runs.records.record import FAILED
from resnet_core.runs.records.store import Store
from resnet_core.runs.records.survey import Survey
from resnet_core.runs.records.versions import check_versions
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.training.forms import compiled_as, in_own_form
from resnet_core.runs.training.loop import Progress
from resnet_core.telling import say, warn


def fill(
    plan: Plan, runs: Sequence[Run], root: Path, execution: Execution, images: int, out: Path | None = None
) -> None:
    """Record the runs that are not yet recorded in a folder: take them from other studies, and execute the rest.

    Args:
        plan: Plan to be added to the folder's plan.
        runs: The runs of `plan`.
        root: The folder.
        execution: How runs are executed.
        images: Approximate number of training images of a run.
        out: Folder of the studies from which equal runs are taken; see `taking`. `None` takes none.

    Raises:
        UserError: The folder belongs to another study, or to other versions of the libraries. Nothing is written.
    """
    store = Store(root)
    survey = store.survey(whole=True)
    if any(run.id not in survey.copies for run in runs):
        check_mixed(store, survey, execution)
    if execution.probes:
        plan = replace(plan, probes=tuple(probe.words for probe in execution.probes), sample=execution.sample)
    if store.add_plan(plan):
        survey = store.survey(whole=True)
    set_aside(store, survey)
    kept = store.plan()
    threads = kept.threads if kept else 1
    attempts = {run.id: survey.next_attempt(run.id) for run in runs if run.id not in survey.copies}
    taken = take_over(store, runs, attempts, out, threads, execution) if out else {}
    if not execution.keep_states:
        store.tidy({**survey.statuses, **taken})
    missing = [run for run in runs if run.id in attempts and run.id not in taken]
    for line in in_own_form(missing):
        say(line)
    estimates = dict(zip((run.id for run in missing), estimated(missing, images, threads), strict=True))
    with summarised(store, [run.id for run in runs]):
        execute_all(missing, estimates, execution, store, threads, attempts)


def take_over(
    store: Store, runs: Sequence[Run], attempts: Mapping[str, int], out: Path, threads: int, execution: Execution
) -> dict[str, str]:
    """Record missing runs that other studies have recorded, log them, and say from where they are.

    Args:
        store: Store for the records.
        runs: The runs of the study.
        attempts: Number of the attempt of each missing run, by its id.
        out: Folder of the studies.
        threads: Number of threads of each process.
        execution: How missing runs are executed.

    Returns:
        The status of each taken run, by its id.
    """
    records = taking.taken([run for run in runs if run.id in attempts], store.root, out, threads, execution)
    if not records:
        return {}
    say(taking.line([record.taken_from for record in records], len(runs), out))
    with closing(open_loggers(execution.log, store.root.name, store.root / "logs")) as loggers:
        for record in records:
            store.write(replace(record, attempt=attempts[record.run.id]))
            loggers.end(record)
    return {record.run.id: record.status for record in records}


def execute_all(
    runs: Sequence[Run],
    seconds: Mapping[str, float],
    execution: Execution,
    store: Store,
    threads: int,
    attempts: Mapping[str, int],
) -> None:
    """Execute and record runs, and show progress.

    Args:
        runs: The runs to execute.
        seconds: Estimated time of each run, by its id.
        execution: How they are executed.
        store: Store for the records.
        threads: Number of threads of each process.
        attempts: Number of the attempt of each run, by its id, counted from 1.
    """
    if not runs:
        return
    name, job = execution.job(len(runs), sum(seconds.values()), threads, store, attempts)
    with display({run.id: seconds[run.id] for run in runs}) as shown:
        carry_out(Todo(runs, store, attempts, execution.deadline), name, job, shown, execution.log)


def carry_out(todo: Todo, name: str, job: Job, shown: Display, log: Sequence[str]) -> None:
    """Execute the runs of `todo` with the executor of this name; show and log progress."""
    root = job.store.root
    loggers = open_loggers(log, root.name, root / "logs")

    def on_progress(run: Run, progress: Progress) -> None:
        shown.step(run, progress)
        loggers.progress(run, progress)

    with closing(loggers):
        for record in EXECUTORS[name](todo, job, on_progress):
            todo.finish(record.run)
            shown.end(record)
            loggers.end(record)


def check_mixed(store: Store, survey: Survey, execution: Execution) -> None:
    """Check that versions of libraries are not mixed; warn if mixing is allowed.

    Raises:
        UserError: They would be mixed, and mixing is not allowed.
    """
    warning = check_versions(store, survey, mix=execution.mix_versions)
    if warning:
        say(warning)


def set_aside(store: Store, survey: Survey) -> None:
    """Set damaged records aside, with a warning for each. Their runs count as missing."""
    for damaged in survey.damaged:
        warn(f"{damaged.path} is a damaged record: {damaged.reason}")
    if survey.damaged:
        place = store.set_aside(survey.damaged)
        warn(f"set aside in {place}; the runs are executed again")


@contextmanager
def summarised(store: Store, ids: Sequence[str]) -> Iterator[None]:
    """Context manager that prints a summary of these runs at the end."""
    try:
        yield
    except KeyboardInterrupt:
        warn(f"interrupted; {_summary(store.survey().statuses, ids)}; the same command runs the rest")
        raise
    statuses = store.survey().statuses
    say(f"{_summary(statuses, ids)}; report: resnet-report {store.root}")


def exit_if_failed(store: Store, ids: Sequence[str]) -> None:
    """Exit with code 1 if a run failed, and print how to see the reason."""
    statuses = store.survey().statuses
    failed = [run_id for run_id in ids if statuses.get(run_id) in FAILED]
    if failed:
        warn(f"{len(failed)} failed; see resnet-ablate status {store.root}")
        sys.exit(1)


def _summary(statuses: Mapping[str, str], ids: Sequence[str]) -> str:
    """Return a text with the numbers of these runs by status."""
    ended = Counter(statuses[run_id] for run_id in ids if run_id in statuses)
    counts = ", ".join(f"{count} {status}" for status, count in sorted(ended.items()))
    return f"{ended.total()} of {len(ids)} runs recorded" + (f" ({counts})" if counts else "")


def estimated(runs: Sequence[Run], images: int, threads: int) -> Iterator[float]:
    """Yield the estimated time of each run. Of consecutive runs that share a compiled step, the first includes the time
    to compile it.
    """
    for _, alike in groupby(runs, key=compiled_as):
        for i, run in enumerate(alike):
            yield train_seconds(run, images, threads) + (start_seconds(run) if i == 0 else 0.0)


def trained_on(train: TrainSpec, data: DataInfo) -> int:
    """Return the approximate number of training images of a run."""
    return round((train.train_size or data.train_images) * (1 - train.validation_fraction))


def asked_data(train: TrainSpec, execution: Execution) -> tuple[str, int | None, float, Reading]:
    """Return the arguments of `open_source`."""
    return asked(train, resident(execution.stream, execution.memory))
