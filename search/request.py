"""`Search`: a requested search, with its space, objectives, limits and budget."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from resnet_core.errors import UserError
from resnet_core.nets.cost import cost
from resnet_core.nets.own import spec_of
from resnet_core.nets.registry import code_of
from resnet_core.nets.spec import NetSpec
from resnet_core.nets.zoo import network
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data import DataInfo, check_sizes
from resnet_core.runs.execution.estimate import study_threads
from resnet_core.runs.records.plan import Plan
from resnet_core.runs.runtime import available_cores
from resnet_core.runs.spec import Run, TrainSpec
from search.limits import GIB, Limits, run_bytes
from search.objectives import Objective
from search.oracles import ORACLES, REPLICATE
from search.proposals import EPOCHS, SearchBudget
from search.space import Space, SpaceError, Values
from search.spaces import SPACES

FIRST_REPLICATE = 500_000  # added to the seed of the search, far from those of confirmations


@dataclass(frozen=True)
class Search:
    """A requested search.

    Attributes:
        name: Name of the search and its folder.
        space: The space.
        oracle: Name of the oracle.
        objectives: The objectives.
        limits: Bounds of the cost of a network.
        budget: Bounds of the number of trials and of their time.
        train: Base training, which the space changes.
        probe: Measurements during the training.
        fixed: Fields of `NetSpec` that are set in every network.
        given: Fields of `TrainSpec` that the user gave.
        replicates: Whether a trial may be another seed of a point that was tried.
        prune: Rule by which trials that are worse than others at an epoch end there, see `pruning.RULES`; or `none`.
        seed: Seed of the oracle and of every trial.
        root: Folder of the records.
        command: The command, or the call, for the plan.
        data: Description of the data set.
        starts: Points that are tried first.
        start_words: The arguments of `--start` from which the points are.
    """

    name: str
    space: Space
    oracle: str
    objectives: tuple[Objective, ...]
    limits: Limits
    budget: SearchBudget
    train: TrainSpec
    probe: ProbeSpec
    fixed: Mapping[str, Any]
    seed: int
    root: Path
    command: str
    data: DataInfo = field(default_factory=lambda: DataInfo((8, 8, 1), 10, 1437))
    starts: Sequence[Values] = ()
    start_words: Sequence[str] = ()
    given: Mapping[str, Any] = field(default_factory=dict)
    replicates: bool = False
    prune: str = "none"

    def run_of(self, values: Mapping[str, Any]) -> Run:
        """Return the run of a trial.

        Raises:
            UserError: The values contradict each other.
        """
        net, train = self.space.point(values, self.train, self.data)
        taken = sorted(net.given().keys() & self.fixed.keys() - {"input_shape", "classes"})
        if taken:
            raise UserError(
                f"a field that the space decides cannot be set, but `{taken[0]}` is decided by '{self.space.name}'; "
                "take --fix for a hyperparameter"
            )
        net = net.replace(**self.fixed)
        if ORACLES[self.oracle].fidelities:
            check_constant_rate(self.oracle, train)
        if EPOCHS in values:
            train = train.replace(epochs=int(values[EPOCHS]))
        seed = self.seed
        if REPLICATE in values:
            seed += FIRST_REPLICATE + int(values[REPLICATE])
            train = train.replace(init_seed=None, data_seed=None)
        factors = {name: values.get(name) for name in self.space.names}
        return Run(net, train, self.probe, seed, factors=factors)

    @cached_property
    def codes(self) -> dict[str, str]:
        """Hash of the code of each user's block in networks of the space, by the name of the block."""
        default = self.space.active({})
        blocks = set()
        for values in (default, *self.space.neighbours(default)):
            with suppress(UserError):
                blocks.add(spec_of(self.run_of(values).net).block)
        return {block: code_of(block) for block in sorted(blocks) if code_of(block)}

    @cached_property
    def accepts(self) -> "_Accepts":
        """Function that returns whether a point may be proposed: its network is within the limits and is new."""
        return _Accepts(self)

    def excess(self, values: Mapping[str, Any]) -> float:
        """See `excess`, the function; infinite, too, for a training that does not fit the images."""
        over = excess(self.space, values, self.train, self.data, self.limits, self.fixed, self.probe)
        try:
            if over < math.inf:
                self.check_training(values)
        except SpaceError:
            raise
        except UserError:
            return math.inf
        return over

    def check_training(self, values: Mapping[str, Any]) -> None:
        """Check that there are enough images for a trial, and that the shortest trial is longer than its warm-up.

        Raises:
            UserError: See `check_sizes` and `run_of`.
        """
        shortest = {EPOCHS: 1} if ORACLES[self.oracle].fidelities else {}
        check_sizes(self.run_of({**values, **shortest}), self.data.train_images)

    def check(self) -> None:
        """Check that the space has a point within the limits, with enough images, and that its function works.

        Raises:
            UserError: The space has no such point, its function raises an error, or it sets a field of the training
                that the user gave.
        """
        default = self.space.active({})
        self._check_given()
        points = [values for values in (default, *self.space.neighbours(default)) if self.excess(values) < math.inf]
        trains = [self.run_of(values).train for values in points]
        for name, value in self.given.items():
            if trains and all(getattr(train, name) != value for train in trains):
                raise UserError(
                    f"a field that the space decides cannot be set, but `{name}` is decided by '{self.space.name}'; "
                    "take --fix for a hyperparameter"
                )
        if self.excess(default) <= 1:
            return
        values, excess = self.space.least(self.excess)
        if math.isinf(excess):
            self.check_training(default)  # raises the error of contradicting fields
        if not excess <= 1:
            run = self.run_of(values)
            network_cost = cost(run.net)
            raise UserError(
                f"a network of the space must be within the limits, {self.limits.text}, but the smallest that was found"
                f" in '{self.space.name}' has {network_cost.trainable:,} parameters, {network_cost.macs:,} MACs and "
                f"{run_bytes(spec_of(run.net), run.train, run.probe) / GIB:.3g} GiB in a run ({run.arm}); "
                f"{self._elsewhere()}"
            )

    def _check_given(self) -> None:
        """Check that the user sets no hyperparameter as a field, and has images for a published network.

        Raises:
            UserError: The user does, or has none.
        """
        asked = sorted(self.given.keys() & {hp.name for hp in self.space.hyperparameters.space})
        if asked:
            raise UserError(
                f"a field that the space decides cannot be set, but `{asked[0]}` is decided by '{self.space.name}'; "
                f"take --fix {asked[0]}={self.given[asked[0]]}"
            )
        name, channels = self.space.published, self.data.input_shape[2]
        if name and channels != network(name).input_shape[2]:
            raise UserError(
                f"images must have the channels of the published network, {network(name).input_shape[2]} for '{name}', "
                f"but they have {channels}; convert the images, or search without {name}"
            )

    def _elsewhere(self) -> str:
        """Return what to do if no network of the space is within the limits."""
        for name, space in SPACES.items():
            other = replace(self, space=space)
            if name != self.space.name and other.space.least(other.excess)[1] <= 1:
                return f"the space '{name}' has one, or raise the bound"
        return "raise the bound"

    def base(self) -> dict[str, Any]:
        """Return the settings that all trials share. If they have changed, a search is not resumed."""
        train = self.train.model_dump(mode="json", exclude={"data", "initial_weights"})
        net = {name: value for name, value in self.fixed.items() if value != NetSpec.model_fields[name].default}
        return {
            "oracle": self.oracle,
            "objective": ", ".join(objective.text for objective in self.objectives),
            "limits": self.limits.text,
            "search_seed": self.seed,
            "space": self.space.name,
            "code": "",  # of plugins, in earlier versions
            **{f"code.{block}": code for block, code in self.codes.items()},
            "starts": ", ".join(self.start_words),
            **({"replicates": "auto"} if self.replicates else {}),
            **({"prune": self.prune} if self.prune != "none" else {}),
            **{f"space.{name}": words for name, words in self.space.described().items()},
            **{f"net.{name}": list(value) if isinstance(value, tuple) else value for name, value in net.items()},
            **{f"train.{name}": value for name, value in train.items()},
            **{f"probe.{name}": value for name, value in self.probe.model_dump(mode="json").items()},
        }

    def plan(self) -> Plan:
        """Return the plan of the search, without runs."""
        alike = [self.run_of(self.space.active({}))] * min(self.budget.trials, available_cores())
        ends = {"max": "highest", "min": "lowest"}
        sought = " and the ".join(f"{ends[objective.direction]} {objective.name}" for objective in self.objectives)
        within = f" with {self.limits.text}" if self.limits.text else ""
        question = f"Which network of the space '{self.space.name}'{within} has the {sought}?"
        if self.space.published:
            question = f"Which training of '{self.space.published}' from published weights has the {sought}?"
        return Plan(
            self.name, question, f"Search by the oracle {self.oracle}", self.base(), tuple(self.space.names),
            (self.command,), (), study_threads(alike), data=self.data.split(self.train),
        )  # fmt: skip

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of the oracle besides the space."""
        epochs = {"max_epochs": self.train.epochs} if ORACLES[self.oracle].fidelities else {}
        return {**epochs, **({"replicates": True} if self.replicates else {})}


def excess(
    space: Space,
    values: Mapping[str, Any],
    train: TrainSpec,
    data: DataInfo,
    limits: Limits,
    fixed: Mapping[str, Any] = MappingProxyType({}),
    probe: ProbeSpec | None = None,
) -> float:
    """Return the largest ratio of a cost of a point to its bound; infinity if the point has no network.

    Args:
        space: The space.
        values: The point.
        train: See `Space.point`.
        data: See `Space.point`.
        limits: The bounds.
        fixed: Fields that are set in every network.
        probe: Measurements during the training; see `Limits.excess`.
    """
    try:
        net, train = space.point(values, train, data)
        return limits.excess(net.replace(**fixed), train, probe)
    except SpaceError:
        raise
    except UserError:
        return math.inf


def check_constant_rate(oracle: str, train: TrainSpec) -> None:
    """Check that a trial with fewer epochs is the beginning of a longer one.

    Raises:
        SpaceError: The learning rate depends on the length of a trial.
    """
    if train.schedule != "steps" or train.learning_rate_drops or train.warmup_share:
        raise SpaceError(
            f"--oracle {oracle} continues shorter trials, and so needs a learning rate that does not depend on their "
            f"length, but got schedule={train.schedule!r} with learning_rate_drops={train.learning_rate_drops} and "
            f"warmup_share={train.warmup_share}; leave these out, or take another oracle with --prune halving"
        )


class _Accepts:
    """See `Search.accepts`. It remembers the proposed runs."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._seen: set[str] = set()

    def __call__(self, values: Mapping[str, Any]) -> bool:
        return self._search.excess(values) <= 1 and self._identity(values) not in self._seen

    def add(self, values: Mapping[str, Any]) -> None:
        """Remember the run of a trial, for any number of epochs."""
        self._seen.add(self._identity(values))

    def _identity(self, values: Mapping[str, Any]) -> str:
        run = self._search.run_of({name: value for name, value in values.items() if name not in (EPOCHS, REPLICATE)})
        return replace(run, factors={}).id
