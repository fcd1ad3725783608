"""`resnet-ablate`: list the studies and run them."""

import argparse
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from ablations.asking import request_of, scale_of
from ablations.extensions import add_extensions_command
from ablations.files import is_file, study_in
from ablations.folders import add_commands
from ablations.probes import add_probe_options, asked_of, sample_of
from ablations.remove import add_remove_command
from ablations.request import Request
from ablations.show import add_show_command
from ablations.study import Study
from ablations.suites import suites
from ablations.verdicts import add_verdict_commands
from resnet_core.command_line import Parser, folder, run_program
from resnet_core.errors import UserError, as_option
from resnet_core.folders import DEFAULT_OUT
from resnet_core.runs.description import counted
from resnet_core.runs.execution.fill import exit_if_failed
from resnet_core.runs.execution.options import Execution, add_execution_options, add_keep_option, number
from resnet_core.runs.execution.plugins import Plugins, add_plugin_option, load_plugins
from resnet_core.runs.execution.session_code import SessionCode
from resnet_core.runs.records.store import Store
from resnet_core.runs.runtime import available_cores
from resnet_core.runs.settings import add_setting_options, fields_of, settings_help
from resnet_core.runs.spec import TrainSpec
from resnet_core.telling import console, say


def parser(known: Mapping[str, Study]) -> Parser:
    """Return the parser. Every study has a command, with its factors as options."""
    top = Parser(prog="resnet-ablate", description="Run ablation studies of residual networks.", version=True)
    commands = top.add_subparsers(metavar="command", required=True, title="commands")
    listing = commands.add_parser("list", help="list the studies", description="List the studies, one in each row.")
    listing.set_defaults(command=list_studies)
    add_show_command(commands)
    run = commands.add_parser(
        "run", help="run a study", description="Run a study. Runs that are already recorded are not repeated.",
        more=_run_help,
    )  # fmt: skip
    every = run.add_argument_group("all studies, one after the other", "run --all [--scale SCALE] [--out OUT] [...]")
    every.add_argument(
        "--all", action="store_true",
        help="run every study of `list`, and train a run that several of them have once; with --hours, only studies "
        "that fit into this time, in the order of undecided claims per hour",
    )  # fmt: skip
    studies = run.add_subparsers(metavar="study", dest="study", title="studies, or FILE.py with one of your own")
    run.set_defaults(command=no_study)
    for name, study in known.items():
        study_parser = studies.add_parser(name, help=study.question, description=f"{study.question}\n{study.source}")
        _add_run_options(study_parser, study)
    add_commands(commands)
    add_remove_command(commands)
    add_extensions_command(commands)
    add_verdict_commands(commands)
    return top


def _run_help() -> str:
    """Return the text on the options of all studies, and on the settings."""
    every = Parser(prog="resnet-ablate run STUDY", add_help=False, usage=argparse.SUPPRESS)
    _add_common_options(every)
    head = "The options below follow the name of a study. The factors of the study are options, too:\n"
    return "\n".join([head, every.format_help(), settings_help()])


def _add_run_options(parser: Parser, study: Study) -> None:
    parser.set_defaults(command=run_study, study_to_run=study)
    parser.add_argument(
        "--scale", default=next(iter(study.scales), ""),
        help=f"size of the study: {', '.join(study.scales)} (default: %(default)s); `list` says how long each takes",
    )  # fmt: skip
    _add_common_options(parser)
    factors = parser.add_argument_group("factors")
    for factor in study.factors:
        levels = "; ".join(
            f"{scale}: {' '.join(map(str, each.design.levels[factor]))}".replace("%", "%%")
            for scale, each in study.scales.items()
            if factor in each.design.levels
        )
        factors.add_argument(f"--{factor}", nargs="+", action="extend", metavar="LEVEL", help=f"its levels ({levels})")


def _add_common_options(parser: Parser) -> None:
    """Add the options that every study has."""
    add_setting_options(parser)
    parser.add_argument("--seeds", metavar="N", help="number of seeds of every arm (default: the scale's)")
    parser.add_argument(
        "--until", choices=("decided",),
        help="add seeds to the arms of undecided claims until all claims are decided, at 5 %% for all looks together",
    )  # fmt: skip
    parser.add_argument("--most-seeds", metavar="N", help="largest number of seeds with --until (default: 20)")
    parser.add_argument(
        "--learning-rates", nargs="+", metavar="RATE",
        help="choose the best of these for each arm on validation images, before its seeds run (default: those of the "
        "scale, if it has some and its training is not changed)",
    )  # fmt: skip
    parser.add_argument(
        "--trial-seeds", metavar="N", help="number of seeds at each learning rate (default: the scale's, 2)"
    )
    parser.add_argument(
        "--trial-share", metavar="SHARE",
        help="length of these trials as a share of that of a run, with the whole schedule (default: the scale's, 1)",
    )  # fmt: skip
    parser.add_argument(
        "--match", choices=("parameters", "macs"),
        help="adapt the widths of every network so that it costs as much as that of the first arm",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=folder, default=DEFAULT_OUT, help=f"folder of the results (default: {DEFAULT_OUT})"
    )
    add_plugin_option(parser)
    add_keep_option(parser)
    add_probe_options(parser)
    parser.add_argument("--hours", help="time in hours after which no run starts; the same command runs the rest")
    parser.add_argument("--dry-run", action="store_true", help="print every run and its cost; run nothing")
    add_execution_options(parser)


def no_study(options: argparse.Namespace) -> None:
    """Raise the error that the command names no study.

    Raises:
        UserError: Always.
    """
    raise UserError(f"resnet-ablate run needs a study: {', '.join(suites())}, a Python file of yours, or --all")


def run_all(words: Sequence[str]) -> None:
    """Run every study of this project with the same options. If a run fails, the next study is run.

    Without `--hours`, studies that measure probes come first, since their runs are not taken from other studies.

    Raises:
        UserError: An option is illegal for a study. If possible, this is found before the first run.
    """
    rest = [word for word in words if word != "--all"]
    known = suites()
    in_order = sorted(known, key=lambda name: not known[name].probes)
    every = {name: parser(known).parse(["run", name, *rest]) for name in in_order}
    failed = False

    def run(name: str, hours: float | None = None) -> None:
        nonlocal failed
        options = every[name]
        say(f"{name}: {known[name].question}")
        try:
            run_study(options, hours)
        except SystemExit as end:
            failed = failed or bool(end.code)

    for name, options in every.items():
        options.command_line = shlex.join(["resnet-ablate", "run", name, *rest])
    first = next(iter(every.values()))
    if first.hours is None:
        for name in every:
            run(name)
    else:
        from ablations.every import run_in_time

        requests = {name: _asked(options) for name, options in every.items()}
        run_in_time(requests, number("--hours", first.hours), run, dry=first.dry_run)
    if failed:
        sys.exit(1)


def list_studies(options: argparse.Namespace) -> None:
    """Print the studies."""
    from ablations.listing import table_of

    console().print(table_of(suites()))
    say(
        f"the time is an estimate for {counted(available_cores(), 'core')} without a GPU, trials of learning rates "
        "included; resnet-ablate run STUDY --scale SCALE --dry-run shows every run"
    )


def run_study(options: argparse.Namespace, hours: float | None = None) -> None:
    """Run the study that `options` name, or with `--dry-run` print its runs.

    Args:
        options: The parsed options.
        hours: Time in hours after which no run starts. `None` means that of the options.
    """
    request, execution = _asked(options)
    if options.dry_run:
        from ablations.dry_run import dry_run

        return dry_run(request, execution)
    from ablations import runner
    from analysis.terminal import print_verdicts

    runs = runner.run(
        request, execution if hours is None else replace(execution, hours=hours, started=time.monotonic())
    )
    if Store(request.root).plan():
        print_verdicts(request.root)
    exit_if_failed(Store(request.root), [run.id for run in runs])


def _asked(options: argparse.Namespace) -> tuple[Request, Execution]:
    """Return the request and the execution of the parsed options."""
    study: Study = options.study_to_run
    scale_of(study, options.scale)
    code = [study.file] if study.file and study.registers else []
    execution = Execution.from_options(options, SessionCode(Plugins((*options.plugin, *code))))
    probes, settings = asked_of(options, study)
    options = argparse.Namespace(**{**vars(options), "set": settings})  # a second call finds the options as they were
    hours = None if options.hours is None else number("--hours", options.hours)
    execution = replace(execution, probes=probes, sample=sample_of(options), hours=hours)
    fields = fields_of(options, study.factors)
    request = request_of(
        study,
        options.scale,
        levels=_levels(study, options),
        fields=fields,
        seeds=_count(options, "seeds"),
        until=options.until,
        most_seeds=_count(options, "most_seeds"),
        recipe=options.recipe,
        match=options.match,
        learning_rates=[TrainSpec.parse_field("learning_rate", word) for word in options.learning_rates or ()],
        trial_seeds=_count(options, "trial_seeds"),
        trial_share=None if options.trial_share is None else number("--trial-share", options.trial_share, most=1),
        out=options.out,
        command=options.command_line,
        named=as_option,
    )
    return request, execution


def _levels(study: Study, options: argparse.Namespace) -> dict[str, list[Any]]:
    """Return the levels of factors that the options give."""
    words = {factor: getattr(options, factor) or [] for factor in study.factors}
    return {factor: [study.parse_level(factor, word) for word in texts] for factor, texts in words.items() if texts}


def _count(options: argparse.Namespace, name: str) -> int | None:
    """Return the value of an option as a positive integer, or `None`.

    Raises:
        UserError: The value is not a positive integer.
    """
    text = getattr(options, name)
    if text is None:
        return None
    if not (text.isdecimal() and text.isascii()) or len(text) > 4 or int(text) < 1:
        raise UserError(f"{as_option(name)} must be a whole number from 1 to 9999, but got '{text[:40]}'")
    return int(text)


def _studies(words: Sequence[str]) -> dict[str, Study]:
    """Return the studies by name: the suites, and the study of a file on the command line."""
    files = [word for word in words[1:2] if words[0] == "run" and is_file(word)]
    return {**suites(), **{word: study_in(Path(word)) for word in files}}


def _plugins(words: Sequence[str]) -> list[Path]:
    """Return the files that `--plugin` names."""
    only = Parser(prog="resnet-ablate run", add_help=False)
    add_plugin_option(only)
    files: list[Path] = only.parse_known_args(words)[0].plugin
    return files


def _main(arguments: Sequence[str] | None) -> None:
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["run"]:
        load_plugins(_plugins(words))  # plugins are loaded before the study that uses them
    if words[:1] == ["run"] and "--all" in words:
        return run_all(words[1:])
    if words[:1] == ["run"] and words[1:2] and words[1].startswith("--") and words[1] != "--help":
        raise UserError(f"resnet-ablate run: the study must come first, then its options, but got {words[1]}")
    options = parser(_studies(words)).parse(words)
    options.command_line = shlex.join(["resnet-ablate", *words])
    options.command(options)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program."""
    run_program(_main, arguments)
