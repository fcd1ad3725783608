"""`resnet-search`: finds the best residual network within limits."""

import argparse
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from resnet_core.command_line import Parser, folder, run_program
from resnet_core.errors import UserError, as_option
from resnet_core.folders import DEFAULT_OUT
from resnet_core.runs.description import printable
from resnet_core.runs.execution.fill import exit_if_failed
from resnet_core.runs.execution.options import Execution, add_execution_options, number
from resnet_core.runs.execution.plugins import Plugins, add_plugin_option, load_plugins
from resnet_core.runs.exports import FORMATS
from resnet_core.runs.exports.registry import CALLS
from resnet_core.runs.records.store import Store
from resnet_core.runs.settings import add_setting_options, fields_of, settings_help
from resnet_core.runs.spec import TrainSpec
from resnet_core.telling import console, say
from search.oracles import DEFAULT, ORACLES, of_several
from search.spaces import DEFAULT as DEFAULT_SPACE
from search.spaces import SPACES

if TYPE_CHECKING:
    from search.request import Search

SHOWN = 5  # printed classes of a picture
UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}


def parser() -> Parser:
    """Return the parser."""
    top = Parser(prog="resnet-search", description="Find the best residual network within limits.", version=True)
    commands = top.add_subparsers(metavar="command", required=True, title="commands")
    listing = commands.add_parser("list", help="list the spaces and oracles", description="List spaces and oracles.")
    listing.set_defaults(command=list_all)
    run = commands.add_parser(
        "run", help="run a search",
        description="Run a search. Recorded trials are not repeated; with more trials, it continues.",
        more=settings_help,
    )  # fmt: skip
    run.set_defaults(command=run_search)
    _add_run_options(run)
    trials = commands.add_parser("trials", help="list the trials of a search, best first")
    trials.add_argument("search", type=folder, metavar="SEARCH", help="folder of the search: results/local/search")
    trials.set_defaults(command=list_trials)
    predict = commands.add_parser(
        "predict", help="classify pictures",
        description="Print the classes and probabilities that the exported network of a search predicts for pictures.",
    )  # fmt: skip
    predict.add_argument("search", type=folder, metavar="SEARCH", help="folder of the search: results/local/search")
    predict.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a picture")
    predict.set_defaults(command=print_predictions)
    export = commands.add_parser(
        "export", help="export the best network of a search",
        description="Write the confirmed network of a search as files for other programs. Each file is compared with "
        "the network. A table has its accuracy, size and latency, and there is a model card.",
    )  # fmt: skip
    export.set_defaults(command=export_best)
    _add_export_options(export)
    return top


def _add_export_options(export: Parser) -> None:
    export.add_argument("search", type=folder, metavar="SEARCH", help="folder of the search: results/local/search")
    export.add_argument(
        "--format", nargs="+", metavar="FORMAT",
        help=f"{', '.join(FORMATS)} (default: all whose packages are installed)",
    )  # fmt: skip
    export.add_argument("--softmax", action="store_true", help="give probabilities instead of logits")
    export.add_argument("--out", type=folder, metavar="DIR", help="folder of the exports (default: SEARCH/best)")
    export.add_argument(
        "--images", metavar="N", help="number of test images that exports are checked on (default: all of them)"
    )
    export.add_argument(
        "--calls", default=str(CALLS), metavar="N",
        help="number of calls that latency is measured in; 0 for none (default: %(default)s)",
    )  # fmt: skip
    add_plugin_option(export)


def _add_run_options(run: Parser) -> None:
    add_setting_options(run, data="digits")
    _add_space_options(run)
    run.add_argument("--oracle", default=DEFAULT, help=f"{', '.join(ORACLES)} (default: %(default)s)")
    run.add_argument(
        "--objective", default="val_accuracy",
        help="objective: val_accuracy or val_loss or, for classes of unequal size, balanced_accuracy, f1_macro or "
        "worst_class_accuracy of the validation images; several give a Pareto set: val_accuracy,macs, or parameters, "
        "latency_seconds (default: %(default)s)",
    )  # fmt: skip
    run.add_argument(
        "--replicates", default="none",
        help="auto: a trial may be another seed of a promising network, where that tells more than a new one "
        "(default: %(default)s)",
    )  # fmt: skip
    run.add_argument(
        "--prune", default="none",
        help="median, halving: a trial ends after an epoch at which it is worse than the median of the earlier trials, "
        "or after 1/4 or 1/2 of the epochs without being in their better half (default: %(default)s)",
    )  # fmt: skip
    run.add_argument("--trials", default="60", help="number of trials (default: %(default)s)")
    run.add_argument("--epochs", help="number of epochs of a trial (default: 10)")
    run.add_argument("--total-epochs", metavar="N", help="epochs of all trials together, after which no trial starts")
    run.add_argument(
        "--hours",
        help="hours for trials and confirmation; no trial starts when the confirmation is expected to need the rest",
    )
    run.add_argument("--max-params", metavar="N", help="bound on trainable parameters: 300k, 1.5M")
    run.add_argument("--max-macs", metavar="N", help="bound on the multiply-accumulates for an image: 40M")
    run.add_argument("--max-memory", metavar="GIB", help="bound on the memory of a run, besides images and TensorFlow")
    run.add_argument(
        "--confirm", default="3", metavar="K",
        help="train the K best networks with fresh seeds, each beside its twin: without (or with) the skip or, with "
        "--from, from drawn weights; 0 for none (default: %(default)s)",
    )  # fmt: skip
    run.add_argument("--confirm-seeds", metavar="N", help="number of fresh seeds (default: 3)")
    run.add_argument("--seed", default="0", help="seed of the oracle and of the trials (default: %(default)s)")
    run.add_argument("--name", default="search", help="name of the folder of the search (default: %(default)s)")
    run.add_argument("--out", type=folder, default=DEFAULT_OUT, help=f"folder of the results (default: {DEFAULT_OUT})")
    run.add_argument("--dry-run", action="store_true", help="print the space, its networks and the time; run nothing")
    add_plugin_option(run)
    add_execution_options(run)


def _add_space_options(run: Parser) -> None:
    run.add_argument(
        "--space", help=f"{', '.join(SPACES)}, or FILE.py with your function `space` (default: {DEFAULT_SPACE})"
    )
    run.add_argument(
        "--from", dest="from_", metavar="NAME",
        help="in place of a space, the trainings of a published network that start from its weights: resnet50",
    )  # fmt: skip
    run.add_argument(
        "--weights", type=Path, metavar="FILE",
        help="the weights for --from: a file of timm, torchvision (.safetensors, .pth) or Keras (.keras, .h5)",
    )  # fmt: skip
    run.add_argument("--fix", action="append", default=[], metavar="NAME=VALUE", help="fix a hyperparameter: skip=none")
    run.add_argument(
        "--start", action="append", default=[], metavar="NAME|SEARCH",
        help="start with the point nearest to a published network, or with the best points of an earlier search",
    )  # fmt: skip


def list_all(options: argparse.Namespace) -> None:
    """Print the spaces and the oracles."""
    from rich.table import Table

    rows = {
        "space": {name: space.about for name, space in SPACES.items()},
        "oracle": {name: known.about for name, known in ORACLES.items()},
    }
    for title, about in rows.items():
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in (title, "", *(["several objectives"] if title == "oracle" else [])):
            table.add_column(column)
        for name, text in about.items():
            table.add_row(name, text, *(["yes" if name in of_several() else "no"] if title == "oracle" else []))
        console().print(table)


def list_trials(options: argparse.Namespace) -> None:
    """Print the trials of a search."""
    from search.listing import trials_table

    console().print(trials_table(options.search))
    for damaged in Store(options.search).survey(whole=True).damaged:
        say(f"damaged: {damaged.path}: {damaged.reason}")


def print_predictions(options: argparse.Namespace) -> None:
    """Print the predictions of the exported network: a line for each picture, with the most probable classes first."""
    from search.predict import predictions

    lines = [
        f"{printable(str(file))}: {', '.join(f'{printable(name)} {share:.3f}' for name, share in shares[:SHOWN])}"
        for file, shares in predictions(options.search, options.files)
    ]
    say("\n".join(lines))


def export_best(options: argparse.Namespace) -> None:
    """Export the confirmed network, and print the table of the exports. Exit with code 1 if an export failed."""
    from rich.table import Table

    load_plugins(options.plugin)
    from resnet_core.runs.exports.card import export_cells
    from resnet_core.runs.exports.exporting import ExportSettings
    from search.delivery import deliver
    from search.export import EXPORTS

    images = _given(options.images, lambda text: int(number("--images", text, whole=True)))
    calls = int(number("--calls", options.calls, whole=True, least=0))
    out = options.out or options.search / EXPORTS
    exports = deliver(options.search, ExportSettings(out, options.format, options.softmax, images, calls, as_option))
    columns, cells = export_cells(exports.rows)
    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(column, justify="left" if column == "format" else "right")
    for row in cells:
        table.add_row(*row)
    console().print(table)
    say(f"{exports.folder}")
    if exports.failed:
        sys.exit(1)


def run_search(options: argparse.Namespace) -> None:
    """Run the search of the parsed options, or with `--dry-run` print its space."""
    execution = Execution.from_options(options, Plugins(tuple(options.plugin)))
    best = int(number("--confirm", options.confirm, whole=True, least=0))
    seeds = 3 if options.confirm_seeds is None else int(number("--confirm-seeds", options.confirm_seeds, whole=True))
    if not best and options.confirm_seeds is not None:
        raise UserError(f"--confirm-seeds needs networks to confirm, but got --confirm 0 with {seeds} seeds")
    search = _search(options)
    if search.space.registers:
        execution = replace(execution, setup=Plugins((*options.plugin, Path(options.space))))
    from search import preview, runner
    from search.confirm import FOLDER
    from search.predict import MODEL

    if options.dry_run:
        preview.dry_run(search, execution, best=best, seeds=seeds)
    else:
        runs = runner.run(search, execution, best=best, seeds=seeds)
        exit_if_failed(Store(search.root / FOLDER), [run.id for run in runs])
        if runs and not (search.root / MODEL).is_file():
            sys.exit(1)


def _search(options: argparse.Namespace) -> "Search":
    """Return the search of `options`, checked as far as possible without data."""
    trials, seed = number("--trials", options.trials, whole=True), number("--seed", options.seed, whole=True, least=0)
    total = _given(options.total_epochs, lambda text: int(number("--total-epochs", text, whole=True)))
    seconds = _given(options.hours, lambda text: 3600 * number("--hours", text))
    parameters = _given(options.max_params, lambda text: _amount("--max-params", text))
    macs = _given(options.max_macs, lambda text: _amount("--max-macs", text))
    memory = _given(options.max_memory, lambda text: number("--max-memory", text))
    fields = fields_of(options)
    epochs = _given(options.epochs, lambda text: TrainSpec.parse_field("epochs", text))
    load_plugins(options.plugin)
    from search.asking import search_of
    from search.limits import Limits
    from search.proposals import SearchBudget

    return search_of(
        options.space,
        from_=options.from_,
        weights=options.weights,
        name=options.name,
        fix=options.fix,
        oracle=options.oracle,
        objective=options.objective,
        budget=SearchBudget(int(trials), total, seconds),
        limits=Limits(parameters, macs, memory),
        epochs=epochs,
        recipe=options.recipe,
        fields=fields,
        start=options.start,
        replicates=options.replicates,
        prune=options.prune,
        seed=int(seed),
        out=options.out,
        command=options.command_line,
        named=as_option,
    )


def _given(text: str | None, parse: Any) -> Any:
    return None if text is None else parse(text)


def _amount(option: str, text: str) -> float:
    """Return the number written as `300k` or `1.5M`.

    Raises:
        UserError: The text is not a positive number.
    """
    parts = re.fullmatch(r"(?P<number>[\d._]+(e\d+)?)(?P<unit>[kKmMgG]?)", text)
    if not parts:
        raise UserError(f"{option} must be a number such as 300000, 300k or 1.5M, but got '{text[:40]}'")
    return number(option, parts["number"]) * UNITS[parts["unit"].lower()]


def _main(arguments: Sequence[str] | None) -> None:
    words = sys.argv[1:] if arguments is None else arguments
    options = parser().parse(words)
    options.command_line = shlex.join(["resnet-search", *words])
    options.command(options)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program."""
    run_program(_main, arguments)
