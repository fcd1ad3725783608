"""`--probe`: probes that are measured on every network of a study, at steps of its training or after it."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ablations.study import Study
from resnet_core.command_line import Parser
from resnet_core.errors import UserError, nearest
from resnet_core.nets.own import Net
from resnet_core.probes.registry import probes as registered
from resnet_core.probes.requests import IMAGES, Item, ProbeRequest, Sample, Size, asked_for, total_passes, unmeasurable
from resnet_core.runs.execution.options import Execution
from resnet_core.runs.records import networks
from resnet_core.runs.records.measurements import name_of
from resnet_core.runs.records.outcomes import COMPLETED, FAILED_TO_TRAIN
from resnet_core.runs.records.plan import Plan
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run
from resnet_core.telling import say

PARTS = ("auto", "train", "val", "test")
GIVEN = ("images", "labels", "initial", "train_images", "train_labels")
"""Inputs of probes that a run can provide."""


def add_probe_options(parser: Parser) -> None:
    """Add `--probe` to a command that runs a study."""
    parser.add_argument(
        "--probe", action="append", default=[], metavar="PROBE",
        help="measure this probe on every trained network (see `resnet-probe list`); may be repeated; "
        "--set PROBE.OPTION=VALUE sets an option; --set PROBE.at=0,100,end sets the steps at which it is measured, if "
        "it makes sense in training",
    )  # fmt: skip
    add_sample_options(parser, "--probe-part", "--probe-images")


def add_sample_options(parser: Parser, part: str, images: str) -> None:
    """Add the options for the images on which probes are measured."""
    parser.add_argument(
        part, dest="part", default="auto", choices=PARTS,
        help="part of the data set for probes (default: test images or, if there are none, validation or training)",
    )  # fmt: skip
    parser.add_argument(images, dest="images", metavar="N", help=f"number of images for probes (default: {IMAGES})")


def sample_of(options: argparse.Namespace) -> Sample:
    """Return the images on which probes are measured.

    Raises:
        UserError: The number of images is illegal.
    """
    if options.images is None:
        return Sample(options.part)
    if not (options.images.isdecimal() and options.images.isascii()) or not 1 <= int(options.images) < 10**9:
        raise UserError(f"the number of probed images must be a whole number from 1 on, but got '{options.images}'")
    return Sample(options.part, int(options.images))


def settings_of(words: Sequence[str], names: Sequence[str]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Return the options of probes, given as `PROBE.OPTION=VALUE`, by probe, and the other words.

    Args:
        words: Arguments of `--set`.
        names: The requested probes.

    Raises:
        UserError: An option is set twice, or its probe is not requested.
    """
    settings: dict[str, dict[str, str]] = {}
    others = []
    for word in words:
        path, equals, text = word.partition("=")
        name, dot, option = path.partition(".")
        if not (equals and dot) or name not in registered():
            others.append(word)
            continue
        if name not in names:
            raise UserError(f"--set {word} is for the probe '{name}', which is not requested{nearest(name, names)}")
        if option in settings.setdefault(name, {}):
            raise UserError(f"an option must be set once, but {path} is set again by --set {word}")
        settings[name][option] = text
    return settings, others


def asked_of(options: argparse.Namespace, study: Study) -> tuple[tuple[ProbeRequest, ...], list[str]]:
    """Return the probes of the study and of the options, and the remaining words of `--set`.

    Raises:
        UserError: A probe or an option is unknown, or a probe needs an input that a run does not provide.
    """
    words = [*study.probes, *options.probe]
    names = [word.split()[0] for word in words if word.split()]
    if not words and not any("." in word.partition("=")[0] for word in options.set):
        return (), options.set
    given, others = settings_of(options.set, names)
    return probes_asked(words, given), others


def probes_asked(
    words: Sequence[str], settings: Mapping[str, Mapping[str, str]] | None = None
) -> tuple[ProbeRequest, ...]:
    """Return probes that can be measured with runs. Each is given by name and options: `lesions draws=10`.

    Raises:
        UserError: A probe or an option is unknown, or a probe needs an input that a run does not provide.
    """
    asked = asked_for(words, settings) if words else ()
    for item in asked:
        reason = unmeasurable(item, GIVEN)
        if reason:
            raise UserError(
                f"the probe '{item.name}' cannot be measured with a run: {reason}; keep the networks (--keep-networks) "
                "and give them to resnet-probe"
            )
    return asked


def with_probes(execution: Execution, options: argparse.Namespace, plan: Plan | None) -> Execution:
    """Return the execution with the probes of a plan and those of the options.

    Raises:
        UserError: A probe is unknown, or cannot be measured with a run.
    """
    before, sample = (plan.probes, plan.sample) if plan else ((), None)
    given = options.part != "auto" or options.images is not None
    asked = probes_asked([*before, *options.probe])
    return replace(execution, probes=asked, sample=sample_of(options) if given or sample is None else sample)


def say_cost(asked: Sequence[ProbeRequest], sample: Sample, nets: Sequence[Net]) -> None:
    """Print the number of passes of probes for these networks."""
    passes = total_passes([(probe, Size.from_net(net)) for net in nets for probe in asked])
    names = ", ".join(dict.fromkeys(probe.name for probe in asked))
    say(
        f"the probes {names} of {len(nets)} networks take {passes.forward:,.0f} forward "
        f"and {passes.backward:,.0f} backward passes of {sample.images} images"
    )


def say_unprobed(store: Store, runs: Sequence[Run], asked: Sequence[ProbeRequest], sample: Sample) -> None:
    """Print which of these runs completed and are not probed, and how to probe them."""
    statuses, kept = store.survey().statuses, networks.kept(store.root)
    trained = [run.id for run in runs if statuses.get(run.id) in (COMPLETED, FAILED_TO_TRAIN)]

    def is_there(network_id: str, probe: ProbeRequest) -> bool:
        kind = (probe.name, probe.text, probe.step is None)
        alike = [other for other in asked if (other.name, other.text, other.step is None) == kind]
        # A run may end before a step, so one of several steps is enough.
        return any((store.root / name_of(Item(network_id, other, sample))).exists() for other in alike)

    lacking = [each for each in trained if not all(is_there(each, probe) for probe in asked)]
    if not lacking:
        return
    advice = f"resnet-probe {store.root} {' '.join(dict.fromkeys(probe.name for probe in asked))}"
    if any(probe.step is not None for probe in asked):
        advice = "they were recorded without --probe, and a probe in training needs a new run: give another --out"
    elif not kept.keys() >= {*lacking}:
        advice = "they were recorded without --probe and their networks are not kept: give another --out"
    say(f"{len(lacking)} of {len(runs)} runs are not probed, {lacking[0]} first; {advice}")
