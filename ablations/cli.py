"""`resnet-ablate`: list the studies and run them."""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from ablations.carrying import carried
from ablations.designs import Design
from ablations.extensions import add_extensions_command
from ablations.files import is_file, study_in
from ablations.folders import add_commands
from ablations.probes import add_probe_options, asked_of, sample_of
from ablations.remove import add_remove_command
from ablations.request import Request
from ablations.show import add_show_command
from ablations.study import Scale, Study
from ablations.suites import suites
from ablations.verdicts import add_verdict_commands
from resnet_core.command_line import Parser, console, folder, run_program, say
from resnet_core.errors import UserError, nearest
from resnet_core.folders import DEFAULT_OUT
from resnet_core.runs.execution.options import Execution, add_execution_options, add_keep_option
from resnet_core.runs.execution.plugins import Plugins, add_plugin_option, load_plugins
from resnet_core.runs.recipes import DATA, rebudgeted
from resnet_core.runs.settings import add_setting_options, fields_of, probing, settings_help, training
from resnet_core.runs.spec import TrainSpec

MOST_SEEDS = 20  # that --until may come to


def parser(known: Mapping[str, Study]) -> Parser:
    """Return the parser; every study has a command of its own, with its factors as options."""
    top = Parser(prog="resnet-ablate", description="Run ablation studies of residual networks.", version=True)
    commands = top.add_subparsers(metavar="command", required=True, title="commands")
    listing = commands.add_parser("list", help="list the studies", description="List the studies, a line each.")
    listing.set_defaults(command=list_studies)
    add_show_command(commands)
    run = commands.add_parser(
        "run", help="run a study", description="Run a study. Runs that are already recorded are not repeated.",
        more=_run_help,
    )  # fmt: skip
    every = run.add_argument_group("all studies, one after the other", "run --all [--scale SCALE] [--out OUT] [...]")
    every.add_argument("--all", action="store_true", help="run every study that `list` shows")
    studies = run.add_subparsers(metavar="study", dest="study", title="studies, or FILE.py with one of your own")
    run.set_defaults(command=no_study)
    for name, study in known.items():
        one = studies.add_parser(name, help=study.question, description=f"{study.question}\n{study.source}")
        _add_run_options(one, study)
    add_commands(commands)
    add_remove_command(commands)
    add_extensions_command(commands)
    add_verdict_commands(commands)
    return top


def _run_help() -> str:
    """Return the options that every study has, and the settings."""
    every = Parser(prog="resnet-ablate run STUDY", add_help=False, usage=argparse.SUPPRESS)
    _add_common_options(every)
    head = "These follow the name of a study, whose factors are options too:\n"
    return "\n".join([head, every.format_help(), settings_help()])


def _add_run_options(one: Parser, study: Study) -> None:
    one.set_defaults(command=run_study, of=study)
    costs = "; ".join(f"{scale}, {of.cost}" for scale, of in study.scales.items())
    one.add_argument(
        "--scale", default=next(iter(study.scales), ""), help=f"size of the study (default: %(default)s): {costs}"
    )
    _add_common_options(one)
    factors = one.add_argument_group("factors")
    for factor in study.factors:
        levels = "; ".join(
            f"{scale}: {' '.join(map(str, of.design.levels[factor]))}".replace("%", "%%")
            for scale, of in study.scales.items()
            if factor in of.design.levels
        )
        factors.add_argument(f"--{factor}", nargs="+", action="extend", metavar="LEVEL", help=f"its levels ({levels})")


def _add_common_options(one: Parser) -> None:
    """Add the options that every study has."""
    add_setting_options(one)
    one.add_argument("--seeds", metavar="N", help="number of seeds of every arm (default: the scale's)")
    one.add_argument(
        "--until", choices=("decided",),
        help="add seeds to the arms of undecided claims until all claims are decided, at 5 %% for all looks together",
    )  # fmt: skip
    one.add_argument("--most-seeds", metavar="N", help="largest number of seeds with --until (default: 20)")
    one.add_argument(
        "--learning-rates", nargs="+", metavar="RATE",
        help="choose the best of these for each arm on validation images, before its seeds run (default: those of the "
        "scale, if it has any and its training is not changed)",
    )  # fmt: skip
    one.add_argument(
        "--trial-seeds", metavar="N", help="number of seeds at each learning rate (default: the scale's, 2)"
    )
    one.add_argument(
        "--match", choices=("parameters", "macs"),
        help="adapt the widths of every network so that it costs as much as that of the first arm",
    )  # fmt: skip
    one.add_argument("--out", type=folder, default=DEFAULT_OUT, help=f"folder of the results (default: {DEFAULT_OUT})")
    add_plugin_option(one)
    add_keep_option(one)
    add_probe_options(one)
    one.add_argument("--dry-run", action="store_true", help="print every run and its cost; run nothing")
    add_execution_options(one)


def no_study(options: argparse.Namespace) -> None:
    """Say that a study is missing.

    Raises:
        UserError: Always.
    """
    raise UserError(f"resnet-ablate run needs a study: {', '.join(suites())}, a Python file of yours, or --all")


def run_all(words: Sequence[str]) -> None:
    """Run every study of this project with the same options; go on with the next where a run failed.

    Raises:
        UserError: An option is wrong for one; it is said before the first is run, where that can be known.
    """
    rest = [word for word in words if word != "--all"]
    known = suites()
    requests = [parser(known).parse(["run", name, *rest]) for name in known]
    failed = False
    for options in requests:
        options.command_line = shlex.join(["resnet-ablate", "run", options.study, *rest])
        say(f"{options.study}: {options.of.question}")
        try:
            options.command(options)
        except SystemExit as end:
            failed = failed or bool(end.code)
    if failed:
        sys.exit(1)


def list_studies(options: argparse.Namespace) -> None:
    """Print the studies."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("study", "question", "source", "scales"):
        table.add_column(column)
    for name, study in suites().items():
        table.add_row(name, study.question, study.source, ", ".join(study.scales))
    console().print(table)


def run_study(options: argparse.Namespace) -> None:
    """Run the study that `options` name, or print what would be run."""
    from ablations import runner

    study: Study = options.of
    if options.scale not in study.scales:
        raise UserError(f"unknown scale '{options.scale}'{nearest(options.scale, study.scales)}")
    scale = study.scales[options.scale]
    load_plugins(options.plugin)
    own = [study.file] if study.file and study.registers else []
    execution = Execution.of(options, Plugins((*options.plugin, *own)))
    asked, options.set = asked_of(options, study)
    execution = replace(execution, probes=asked, sample=sample_of(options))
    arms = _design(study, options).arms()
    fields = fields_of(options, study.factors)
    rates = tuple(TrainSpec.parse_field("learning_rate", word) for word in options.learning_rates or ())
    if rates and "learning_rate" in fields["train"]:
        raise UserError("a learning rate is either set or chosen, but got --learning-rates and --set learning_rate")
    reason = untuned(scale, options.recipe, fields["train"])
    seeds = scale.seeds if options.seeds is None else _count("--seeds", options.seeds)
    chosen_from = rates or (() if reason else scale.learning_rates)
    _check_needed(options, seeds, chosen_from)
    claims, left_out = carried(scale.claims, arms)
    request = Request(
        study=study,
        scale=options.scale,
        arms=arms,
        claims=claims,
        left_out=left_out,
        published=scale.published,
        match=options.match,
        learning_rates=chosen_from,
        untuned="" if rates else reason,
        trial_seeds=scale.trial_seeds if options.trial_seeds is None else _count("--trial-seeds", options.trial_seeds),
        fixed=fields["net"],
        train=rebudgeted(training(scale.train, options.recipe), fields["train"]),
        given=fields["train"],
        probe=probing(study.probe, fields["probe"]),
        seeds=seeds,
        root=options.out / study.name,
        command=options.command_line,
        until_decided=options.until == "decided",
        most_seeds=MOST_SEEDS if options.most_seeds is None else _count("--most-seeds", options.most_seeds),
    )
    runner.dry_run(request, execution) if options.dry_run else runner.run(request, execution)


def untuned(scale: Scale, recipe: str | None, given: Mapping[str, Any]) -> str:
    """Return why no learning rate is chosen, if none is: the scale's rates are for its own training, on any data."""
    changed = ["--recipe", *given] if recipe else [name for name in given if name not in DATA]
    if not scale.learning_rates or not changed:
        return scale.untuned
    if "learning_rate" in given:
        return "it is set"
    rates = " ".join(f"{rate:g}" for rate in scale.learning_rates)
    return (
        f"the scale's are for its own training, and {changed[0]} changes that; --learning-rates {rates} tunes every arm"
    )


def _check_needed(options: argparse.Namespace, seeds: int, rates: Sequence[float]) -> None:
    """Check that what each option is for has been asked for.

    Raises:
        UserError: It has not.
    """
    if options.most_seeds is not None and options.until is None:
        raise UserError(f"--most-seeds needs --until decided, but got --most-seeds {options.most_seeds} alone")
    if options.most_seeds is not None and _count("--most-seeds", options.most_seeds) < seeds:
        raise UserError(f"--most-seeds must be at least the number of seeds, {seeds}, but got {options.most_seeds}")
    if options.trial_seeds is not None and not rates:
        raise UserError(
            f"--trial-seeds needs learning rates to choose from, but got --trial-seeds {options.trial_seeds} alone; "
            "give --learning-rates"
        )


def _design(study: Study, options: argparse.Namespace) -> Design:
    """Return the design of the scale, with the levels that were given."""
    design = study.scales[options.scale].design
    given: dict[str, list[Any]] = {}
    for factor in study.factors:
        words: list[str] = getattr(options, factor) or []
        if words and factor not in design.levels:
            raise UserError(
                f"--{factor} must be a factor of the scale, but '{options.scale}' varies {', '.join(design.levels)}"
            )
        if words:
            given[factor] = list(dict.fromkeys(study.parse_level(factor, word) for word in words))
    return design.with_levels(given)


def _count(option: str, text: str) -> int:
    if not (text.isdecimal() and text.isascii()) or len(text) > 4 or int(text) < 1:
        raise UserError(f"{option} must be a whole number from 1 to 9999, but got '{text[:40]}'")
    return int(text)


def _studies(words: Sequence[str]) -> dict[str, Study]:
    """Return the studies by the words that name them: the suites', and a file that `words` run."""
    files = [word for word in words[1:2] if words[0] == "run" and is_file(word)]
    return {**suites(), **{word: study_in(Path(word)) for word in files}}


def _main(arguments: Sequence[str] | None) -> None:
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["run"] and "--all" in words:
        return run_all(words[1:])
    if words[:1] == ["run"] and words[1:2] and words[1].startswith("--") and words[1] != "--help":
        raise UserError(f"resnet-ablate run: the study comes first, then its options, but got {words[1]}")
    options = parser(_studies(words)).parse(words)
    options.command_line = shlex.join(["resnet-ablate", *words])
    options.command(options)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program."""
    run_program(_main, arguments)
