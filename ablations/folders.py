"""Commands for the folder of a study: `status`, `retry`, `export`, `compact`, `forget-networks`."""

import argparse
from collections import Counter
from typing import Any

from ablations.folder_command import add_folder_command, study_folder
from ablations.probes import add_probe_options, with_probes
from resnet_core.command_line import folder
from resnet_core.folders import check_writable, sweep, write_file
from resnet_core.runs.execution.fill import exit_if_failed
from resnet_core.runs.execution.options import Execution, add_execution_options, add_keep_option
from resnet_core.runs.execution.plugins import add_plugin_option, load_plugins
from resnet_core.runs.records import networks
from resnet_core.runs.records.store import Store
from resnet_core.telling import console, say


def add_commands(commands: Any) -> None:
    """Add the commands to the subparsers of `resnet-ablate`."""
    status = add_folder_command(commands, "status", "print how far a study is and how its runs ended", print_status)
    status.add_argument("--messages", action="store_true", help="print the whole message of each run that failed")
    retry = add_folder_command(commands, "retry", "execute failed runs again", retry_runs)
    retry.add_argument(
        "--failed", action="store_true",
        help="statuses of the runs: crashed, timed_out, killed, out_of_memory (default: all of these); divergence is a "
        "result, and is not repeated",
    )  # fmt: skip
    add_plugin_option(retry)
    add_keep_option(retry)
    add_probe_options(retry)
    add_execution_options(retry)
    export = add_folder_command(
        commands,
        "export",
        "write a study's records as runs.csv, epochs.csv and probes.csv (and probed.csv)",
        export_csv,
    )
    export.add_argument("out", metavar="DIR", type=folder, help="folder of the files")
    add_folder_command(commands, "compact", "combine a study's records into few files, which are read faster", compact)
    forget = add_folder_command(
        commands, "forget-networks", "remove the networks that --keep-networks kept; the records stay",
        forget_networks,
    )  # fmt: skip
    forget.add_argument("--dry-run", action="store_true", help="print what would be removed; change nothing")


def print_status(options: argparse.Namespace) -> None:
    """Print the number of runs by status, the current runs, and the messages of failed runs."""
    from rich.table import Table

    from resnet_core.runs.execution import taking
    from resnet_core.runs.execution.display import shown
    from resnet_core.runs.training.checkpoints import step_of

    root = study_folder(options.study)
    store = Store(root)
    plan = store.plan()
    assert plan
    survey, claimed = store.survey(), store.claimed()
    steps = {run.id: step_of(store.state_of(run.id)) for run in plan.runs if run.id not in survey.statuses}

    def state(run_id: str) -> str:
        if run_id in survey.statuses:
            return survey.statuses[run_id]
        return "running" if run_id in claimed else "missing" if steps[run_id] is None else "interrupted"

    states = {run.id: state(run.id) for run in plan.runs}
    counts = ", ".join(f"{count} {name}" for name, count in sorted(Counter(states.values()).items()))
    say(f"{root}: {len(plan.runs)} runs: {counts}")
    origins = [copy.taken_from for run in plan.runs if (copy := survey.copies.get(run.id)) and copy.taken_from]
    if origins:
        say(taking.line(origins, len(plan.runs), root.parent))
    table = Table(box=None, header_style="bold")
    for column in (*plan.factors, "seed", "run", "state", "step", ""):
        table.add_column(column)
    for run in plan.runs:
        copy = survey.copies.get(run.id)
        if states[run.id] in ("completed", "missing"):
            continue
        step = copy.step if copy else steps.get(run.id)
        message = copy.message.strip() if copy else ""
        cells = [
            *map(shown, run.factors.values()),
            str(run.seed),
            run.id,
            states[run.id],
            "" if step is None else str(step),
        ]
        table.add_row(*cells, message if options.messages else message.splitlines()[-1] if message else "")
    if table.row_count:
        console().print(table)
    for file in survey.damaged:
        say(f"damaged: {file.path}: {file.reason}")


def retry_runs(options: argparse.Namespace) -> None:
    """Execute the failed runs of a study again."""
    from ablations import runner
    from resnet_core.runs.records.record import FAILED
    from resnet_core.surroundings import check_backend, set_variables

    root = study_folder(options.study)
    check_writable(root)
    set_variables()
    check_backend()
    execution = Execution.from_options(options, load_plugins(options.plugin))
    runs = runner.retry(root, FAILED, with_probes(execution, options, Store(root).plan()))
    exit_if_failed(Store(root), [run.id for run in runs])


def export_csv(options: argparse.Namespace) -> None:
    """Write the sorted tables, each file atomically. Only `runs.csv` has wall times."""
    root, out = study_folder(options.study), options.out
    check_writable(out)
    from analysis.formats import whole_csv

    frames = Store(root).frames()
    out.mkdir(parents=True, exist_ok=True)
    sweep(out)
    tables = {"runs": frames.runs, "epochs": frames.epochs, "probes": frames.probes}
    if frames.probed is not None and len(frames.probed):
        tables["probed"] = frames.probed
    for name, table in tables.items():
        write_file(out / f"{name}.csv", whole_csv(table))
        say(f"{out / name}.csv: {len(table)} rows")
    for file in frames.damaged:
        say(f"damaged, and left out of all tables: {file.path}: {file.reason}")


def compact(options: argparse.Namespace) -> None:
    """Move the records in single files into one part."""
    root = study_folder(options.study)
    check_writable(root)
    say(f"{root}: {Store(root).compact()} runs moved into a part")


def forget_networks(options: argparse.Namespace) -> None:
    """Remove the kept networks of a study."""
    root = study_folder(options.study)
    check_writable(root)
    kept = networks.kept(root)
    size = sum(path.stat().st_size for path in kept.values()) / 2**20
    say(f"{len(kept)} networks{' would be' if options.dry_run else ''} removed from {root}, {size:.1f} MiB")
    for path in () if options.dry_run else kept.values():
        path.unlink(missing_ok=True)
