"""`resnet-probe`: measures probes on the networks of a study, a published network, or a Keras model."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ablations.folder_command import study_folder
from ablations.probes import add_sample_options, sample_of, settings_of
from ablations.probing.networks import FILES, PREPROCESSING, NetworkTarget
from ablations.probing.progress import Shown, line, summarise
from ablations.probing.targets import StudyTarget, Target
from resnet_core.command_line import Parser, folder, run_program
from resnet_core.errors import UserError
from resnet_core.folders import DEFAULT_OUT, check_writable, sweep
from resnet_core.nets.zoo import network
from resnet_core.probes.registry import NEEDS, Passes, probes
from resnet_core.probes.requests import Item, ProbeRequest, Sample, Size, asked_for, total_passes, unmeasurable
from resnet_core.runs.execution.options import number
from resnet_core.runs.execution.plugins import Plugins, add_plugin_option, load_plugins
from resnet_core.runs.records import measurements
from resnet_core.runs.records.plan import Plan
from resnet_core.runs.records.store import Store
from resnet_core.runs.runtime import available_cores
from resnet_core.telling import console, say, warn

LIST, ALL = "list", "all"
ABOUT = """Measure probes of trained networks. Existing measurements are not repeated.

  resnet-probe list                            the probes: what each measures, needs and costs
  resnet-probe STUDY PROBE...                  the kept networks of a study: results/local/depth lesion similarity
  resnet-probe NETWORK --data PATH PROBE...    a published network: resnet50 --weights timm:FILE, or keras-resnet50
  resnet-probe FILE.keras --data PATH all      your Keras model, with all probes that make sense for it"""
EXAMPLE = "resnet20-cifar-A"
"""The network for which `list` prints the cost."""


def parser() -> Parser:
    """Return the parser."""
    usage = "resnet-probe TARGET PROBE... [options]"
    top = Parser(prog="resnet-probe", usage=usage, description=ABOUT, version=True)
    top.add_argument("target", metavar="TARGET", help="list, a study, a published network, or the file of a model")
    top.add_argument("probes", nargs="*", metavar="PROBE", help="probes to measure; all means all that make sense")
    top.add_argument(
        "--set", action="append", default=[], metavar="PROBE.OPTION=VALUE", help="set an option: lesions.draws=10"
    )
    add_sample_options(top, "--part", "--images")
    top.add_argument(
        "--other", metavar="NETWORK",
        help="second network: for a study 'seed' (the next seed of the arm) or the id of a run; otherwise a Keras file",
    )  # fmt: skip
    top.add_argument("--workers", default="1", metavar="N", help="processes that measure at the same time (default: 1)")
    top.add_argument("--dry-run", action="store_true", help="print the measurements and their cost; measure nothing")
    add_plugin_option(top)
    group = top.add_argument_group("a published network, or the file of a model")
    group.add_argument(
        "--data", help="data set: a name such as digits, an .npz file, a folder of images, hf:NAME or tfds:NAME"
    )
    group.add_argument("--image-size", metavar="N", help="rows and columns to which images are resized")
    group.add_argument(
        "--preprocessing", choices=PREPROCESSING,
        help="preprocessing of the images: none, unit (/255), torch, caffe or tf as in keras.applications, channel "
        "(mean and deviation of the training images) (default: as published; none for a file)",
    )  # fmt: skip
    group.add_argument("--weights", metavar="FILE", help="weights of a published network: timm:FILE, torchvision:FILE")
    group.add_argument("--initial", type=Path, metavar="FILE", help="a Keras file of the model at its initial weights")
    group.add_argument("--out", type=folder, help=f"folder of the measurements (default: {DEFAULT_OUT}/NETWORK)")
    return top


def print_list() -> None:
    """Print the probes."""
    from rich.table import Table

    size = Size.from_net(network(EXAMPLE))
    table = Table(box=None, pad_edge=False, header_style="bold")
    columns = ("probe", "measures", "needs", "when", "half precision", f"passes of {EXAMPLE}: forward", "backward")
    for column in columns:
        table.add_column(column)
    for name, probe in probes().items():
        passes = probe.passes(size)
        table.add_row(
            name, probe.about, ", ".join(probe.required), {"any": "any time", "after": "after training"}[probe.when],
            "as it computes" if probe.half else "float32 copy",
            f"{passes.forward:g}", f"{passes.backward:g}",
        )  # fmt: skip
    console().print(table)
    say("half precision: a network of half precision is measured as it computes, or by a copy that computes in float32")
    for name, about in NEEDS.items():
        say(f"{name}: {about}")


@dataclass(frozen=True)
class Work:
    """The requested measurements."""

    target: Target
    asked: tuple[ProbeRequest, ...]
    sample: Sample


def work_of(options: argparse.Namespace) -> Work:
    """Return the measurements that the options request.

    Raises:
        UserError: Options contradict each other, or a probe cannot be measured.
    """
    every = ALL in options.probes
    names = list(probes()) if every else options.probes
    if not names:
        raise UserError("resnet-probe needs a probe, or all; `resnet-probe list` lists them")
    settings, others = settings_of(options.set, names)
    if others:
        raise UserError(f"--set takes PROBE.OPTION=VALUE, but got '{others[0]}'")
    target = _target(options)
    fit = []
    for item in asked_for(names, {name: settings.get(name, {}) for name in names}):
        if item.step is not None:
            raise UserError(
                f"resnet-probe measures trained networks, so a probe must have no step, but got '{item.words}'; "
                "give it to resnet-ablate run --probe"
            )
        reason = unmeasurable(item, target.given)
        if reason and not every:
            raise UserError(f"the probe '{item.name}' cannot be measured: {reason}")
        if reason:
            say(f"not measured: {item.name}: {reason}")
        else:
            fit.append(item)
    return Work(target, tuple(fit), sample_of(options))


def _target(options: argparse.Namespace) -> Target:
    of_network = {"data", "image_size", "preprocessing", "weights", "initial", "out"}
    given = [name for name in sorted(of_network) if getattr(options, name) is not None]
    if options.target.endswith(FILES) or not _is_study(options.target):
        return _network_target(options)
    root = study_folder(options.target)
    if given:
        raise UserError(f"--{given[0].replace('_', '-')} is for a single network, but {root} is a study")
    check_writable(root)
    plan = Store(root).plan()
    assert isinstance(plan, Plan)
    return StudyTarget(root, plan.threads, options.other or "")


def _is_study(word: str) -> bool:
    try:
        study_folder(word)
    except UserError:
        if Path(word).is_dir():
            raise
        return False
    return True


def _network_target(options: argparse.Namespace) -> NetworkTarget:
    is_file = options.target.endswith(FILES)
    if is_file and not Path(options.target).is_file():
        raise UserError(f"the file of a model must exist, but there is no {options.target}")
    if not is_file:
        try:
            network(options.target)
        except UserError as error:
            raise UserError(
                f"TARGET must be a study, a published network, or a .keras file, but '{options.target}' is not a study "
                f"(nor is there one in {DEFAULT_OUT}), and: {error}"
            ) from None
    if options.data is None:
        raise UserError(f"a network needs images to be probed, but got none for {options.target}; give --data")
    if is_file and options.weights:
        raise UserError("--weights is for a published network, but a .keras file has its own weights; leave it out")
    if not is_file and options.initial:
        raise UserError("--initial is for the file of a model; a published network draws its initial weights")
    size = None if options.image_size is None else int(number("--image-size", options.image_size, whole=True))
    weights = options.weights and Path(options.weights.removeprefix("timm:").removeprefix("torchvision:"))
    root = options.out or DEFAULT_OUT / Path(options.target).stem
    if (root / "study.json").exists():
        raise UserError(f"--out must not be the folder of a study, but {root} has a study.json; choose another")
    check_writable(root)
    return NetworkTarget(
        root, options.target, options.data, available_cores(), weights, size, options.preprocessing or "",
        options.initial, Path(options.other) if options.other else None,
    )  # fmt: skip


def dry_run(work: Work) -> None:
    """Print the requested measurements, and their cost."""
    from rich.table import Table

    target, items = work.target, _items(work, dry=True)
    sizes = {network: target.size(network) for network in dict.fromkeys(item.network_id for item in items)}
    table = Table(box=None, header_style="bold", show_footer=True)
    left = [item for item in items if measurements.there(target.root, item) is None]
    total = total_passes([(item.asked, sizes[item.network_id]) for item in left])
    for name, footer in (
        ("probe", "in all"), ("options", ""), ("networks", ""), ("measured", ""), ("forward", _count(total, "forward")),
        ("backward", _count(total, "backward")),
    ):  # fmt: skip
        table.add_column(name, footer=footer, justify="left" if name in ("probe", "options") else "right")
    for probe in work.asked:
        of_probe = [item for item in items if item.asked == probe]
        todo = [item for item in left if item.asked == probe]
        passes = total_passes([(probe, sizes[item.network_id]) for item in todo])
        table.add_row(
            probe.name, probe.text, str(len(of_probe)), str(len(of_probe) - len(todo)), _count(passes, "forward"),
            _count(passes, "backward"),
        )  # fmt: skip
    console().print(table)
    say(f"passes of {work.sample.images} images through a whole network, for missing measurements")


def _items(work: Work, *, dry: bool = False) -> list[Item]:
    if dry and isinstance(work.target, NetworkTarget):  # whose ids need the data
        return [Item(work.target.name, probe, work.sample) for probe in work.asked]
    return work.target.items(work.asked, work.sample)


def _count(passes: Passes, which: str) -> str:
    return f"{getattr(passes, which):,.0f}"


def measure_all(work: Work, workers: int, setup: Plugins) -> None:
    """Make all missing measurements, and print a summary.

    Raises:
        UserError: No measurement could be made.
    """
    from ablations.probing.sharing import measure
    from resnet_core.surroundings import check_backend, set_variables

    set_variables()
    check_backend()
    target = work.target
    if isinstance(target, NetworkTarget):
        if not target.is_file and not target.weights:
            say(f"{target.name} is probed at randomly drawn initial weights; --weights FILE loads others")
        if not target.is_file and any("initial" in item.probe.needs for item in work.asked):
            say("its initial weights are unknown, and are replaced by a draw from its initialisers")
    target.root.mkdir(parents=True, exist_ok=True)
    sweep(target.root, "**/")
    items = _items(work)
    results = []
    try:
        with Shown(target, len(items)) as shown:
            for item in measure(target, items, workers, setup, shown.under_way):
                results.append(item)
                shown(line(target, item), len(results))
    except KeyboardInterrupt:
        warn(f"interrupted; {len(results)} of {len(items)} are measured; the same command continues")
        raise
    summarise(target, results)
    if any(item.measured.status == "failed" for item in results):
        sys.exit(1)


def _main(arguments: Sequence[str] | None) -> None:
    options = parser().parse(arguments, intermixed=True)
    setup = load_plugins(options.plugin)
    if options.target == LIST:
        if options.probes:
            raise UserError(f"resnet-probe list takes no further argument, but got '{options.probes[0]}'")
        print_list()
        return
    workers = int(number("--workers", options.workers, whole=True))
    work = work_of(options)
    if options.dry_run:
        dry_run(work)
    else:
        measure_all(work, workers, setup)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program."""
    run_program(_main, arguments)
