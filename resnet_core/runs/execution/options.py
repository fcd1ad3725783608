"""The options of execution, and `Execution`, which has their values."""

import argparse
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec

from resnet_core.arguments import checked_class
from resnet_core.command_line import Parser
from resnet_core.errors import Named, UserError, as_argument, as_option, nearest
from resnet_core.probes.requests import AUTO, ProbeRequest, Sample
from resnet_core.runs.execution.base import OWN_OPTIONS
from resnet_core.runs.execution.executors import EXECUTORS
from resnet_core.runs.execution.job import Job, Stream
from resnet_core.runs.execution.loggers import LOGGERS, check_loggers
from resnet_core.runs.records.store import Store
from resnet_core.runs.runtime import available_cores

RETRIES = 2
MOST = 1e9  # of a number of an option
STREAM = ("auto", "always", "never")
BY_EXECUTION = ("executor", "memory", "mix_versions", "retries", "stream", "timeout")
"""Options that the Python interface takes as fields of `Execution`."""
BUILT_IN = dict(OWN_OPTIONS)
"""Options of this project's executors."""
WORTH_PROCESSES = 60.0  # estimated seconds of work that justify processes, each of which starts in some five


@checked_class
@dataclass(frozen=True)
class Execution:
    """How a user wants runs to be executed. A value of `None` is chosen when the runs are known.

    Attributes:
        log: Names of the loggers.
        own: Options of the executor, by name.
        keep_states: Whether the last state of a run stays when the run is recorded.
        keep_networks: Whether the trained network of a run stays beside its record.
        probes: Probes to measure on the network of every run.
        sample: Images for these probes.
        mix_versions: Whether runs may be added to runs that were made with other versions of the libraries.
        setup: Function that loads the user's code in a process.
        hours: Hours after `started` from which on no run starts.
        started: Time of `time.monotonic`.
        retries: See `Job`. `None` means 2.
        Others: See `Job`.
    """

    executor: str | None = None
    workers: int | None = None
    timeout: float | None = None
    retries: int | None = None
    memory: float | None = None
    checkpoint_seconds: float = 60.0
    log: Sequence[str] = ()
    own: Mapping[str, str] = field(default_factory=dict)
    setup: Callable[[], object] | None = None
    stream: Stream = "auto"
    keep_states: bool = False
    keep_networks: bool = False
    probes: tuple[ProbeRequest, ...] = ()
    sample: Sample = AUTO
    mix_versions: bool = False
    hours: float | None = None
    started: float = field(default_factory=time.monotonic, repr=False, compare=False)

    @property
    def deadline(self) -> float | None:
        """Time of `time.monotonic` after which no run starts, or `None`."""
        return None if self.hours is None else self.started + 3600 * self.hours

    @property
    def is_over(self) -> bool:
        """Whether the hours are over."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    @classmethod
    def from_options(cls, options: argparse.Namespace, setup: Callable[[], object]) -> "Execution":
        """Return the execution of the parsed options of `add_execution_options`.

        Raises:
            UserError: A value is illegal, or two options contradict each other.
        """
        execution = cls(
            options.executor,
            None if options.workers is None else int(number("--workers", options.workers, whole=True)),
            None if options.timeout is None else number("--timeout", options.timeout),
            None if options.retries is None else int(number("--retries", options.retries, whole=True, least=0)),
            None if options.memory is None else number("--memory", options.memory),
            number("--checkpoint-every", options.checkpoint_every, least=0),
            tuple(options.log),
            own_options(options, options.executor),
            setup,
            options.stream,
            keep_networks=getattr(options, "keep_networks", False),
            mix_versions=options.mix_versions,
        )
        execution.check(as_option)
        return execution

    def check(self, named: Named = as_argument) -> None:
        """Check that the values do not contradict each other, and that the packages they need are installed.

        Args:
            named: Formats the name of an argument in error messages.

        Raises:
            UserError: Two values contradict each other, a name is unknown, or a package is missing.
        """
        name = self.executor
        if name not in (None, *EXECUTORS):
            raise UserError(
                f"{named('executor')} must be {' or '.join(EXECUTORS)}, but got '{name}'{nearest(str(name), EXECUTORS)}"
            )
        check_loggers(self.log)
        for option in ("workers", "timeout", "memory", "retries"):
            if name == "serial" and getattr(self, option) is not None:
                raise UserError(
                    f"{named(option)} needs processes, but got {named('executor', 'serial')}; take "
                    f"{named('executor', 'processes')}"
                )
        known = OWN_OPTIONS.get(name or "", {})
        for option, value in self.own.items():
            if option not in known:
                raise UserError(f"{named('executor', str(name))} has no option '{option}'{nearest(option, known)}")
            known[option].check(option, value)
        if name == "ray" and find_spec("ray") is None:
            raise UserError(
                f"{named('executor', 'ray')} needs the package ray, but it is not installed; "
                "pip install 'resnet-ablation[ray]'"
            )

    @classmethod
    def instead_of(cls, name: str, known: Iterable[str]) -> str:
        """Return the advice for an unknown argument of a function whose arguments are `known`."""
        if name in cls.__dataclass_fields__:
            return f"; use execution=Execution({name}=…)"
        return nearest(name, known)

    def job(
        self, runs: int, seconds: float, threads: int, store: Store, attempts: Mapping[str, int]
    ) -> tuple[str, Job]:
        """Return the name of the executor and the job for a number of runs with this estimated time in seconds."""
        from resnet_core.runs.execution.job import Job, devices

        most = len(devices()) or max(1, available_cores() // threads)
        workers = min(self.workers or most, runs)
        limited = any(option is not None for option in (self.workers, self.timeout, self.memory, self.retries))
        if self.executor == "ray":
            workers = min(self.workers or 0, runs)
        name = self.executor or ("processes" if limited or (workers > 1 and seconds > WORTH_PROCESSES) else "serial")
        job = Job(
            Store(store.root.absolute()), attempts=attempts, threads=threads, workers=workers, timeout=self.timeout,
            retries=RETRIES if self.retries is None else self.retries, memory=self.memory,
            checkpoint_seconds=self.checkpoint_seconds, stream=self.stream, options=self.own,
            keep_states=self.keep_states, keep_networks=self.keep_networks, probes=self.probes, sample=self.sample,
        )  # fmt: skip
        return name, replace(job, setup=self.setup) if self.setup else job


def own_options(options: argparse.Namespace, executor: str | None) -> dict[str, str]:
    """Return the options of the executor, by name.

    Raises:
        UserError: The executor has no such option, or a value is illegal.
    """
    values = {name: getattr(options, name) for names in BUILT_IN.values() for name in names if getattr(options, name)}
    for assignment in options.executor_option:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise UserError(f"--executor-option must be NAME=VALUE, but got '{assignment[:40]}'")
        values[name] = value
    known = OWN_OPTIONS.get(executor or "", {})
    for name, value in values.items():
        if name not in known:
            readers = [reader for reader, names in OWN_OPTIONS.items() if name in names]
            got = f"--executor {executor}" if executor else "no executor"
            if readers:
                raise UserError(f"--{name} needs --executor {' or '.join(readers)}, but got {got}")
            raise UserError(
                f"--executor-option must name an option of the executor, which are {', '.join(known) or 'none'} "
                f"for {got}, but got '{name[:40]}'{nearest(name, known)}"
            )
        known[name].check(name, value)
    return values


def number(option: str, text: str, *, whole: bool = False, least: float | None = None, most: float = MOST) -> float:
    """Return the value of an option as a number.

    Raises:
        UserError: The text is not a number, or the number is not positive, is below `least`, or is above `most`.
    """
    try:
        value = float(int(text) if whole else float(text))
    except ValueError:
        value = float("nan")
    if not (value > 0 if least is None else value >= least) or value > most:
        kind = "whole number" if whole else "number"
        bound = "above 0" if least is None else f"from {least:g} on"
        bound += f" and up to {most:g}" if most < MOST else ""
        raise UserError(f"{option} must be a {kind} {bound}, but got '{text[:40]}'")
    return value


def add_execution_options(parser: Parser) -> None:
    """Add the options of execution. The result of a run does not depend on them."""
    add_versions_option(parser)
    group = parser.add_argument_group("execution (does not change the result of a run)")
    group.add_argument(
        "--executor",
        help=f"executor: {', '.join(EXECUTORS)}, or one of a --plugin; serial is this process (default: serial for "
        "little work, else processes)",
    )
    group.add_argument(
        "--workers", help="number of processes that execute runs at the same time (default: one for each core or GPU)"
    )
    for settings in BUILT_IN.values():
        for name, option in settings.items():
            group.add_argument(f"--{name}", default="", help=option.help)
    group.add_argument(
        "--executor-option", action="append", default=[], metavar="NAME=VALUE",
        help="option of the executor of a --plugin; may be repeated",
    )  # fmt: skip
    group.add_argument(
        "--log", action="append", default=[], metavar="LOGGER",
        help=f"log the runs to {', '.join(LOGGERS)}, or to a logger of a --plugin; may be repeated",
    )  # fmt: skip
    group.add_argument("--timeout", metavar="SECONDS", help="time after which a run is ended as timed out")
    group.add_argument(
        "--retries",
        metavar="N",
        help=f"number of times that a run whose process was killed is started again (default: {RETRIES})",
    )
    group.add_argument("--memory", metavar="GIB", help="memory above which a run is ended as out of memory")
    group.add_argument(
        "--stream", default="auto", choices=STREAM,
        help="whether images of a file or folder are read from disk during training: always, never, or if they take "
        "more than a quarter of the memory (default: auto); images of a name, such as digits, are held in memory",
    )  # fmt: skip
    group.add_argument(
        "--checkpoint-every", default="60", metavar="SECONDS",
        help="time between saved states, from which an interrupted run continues (default: 60)",
    )  # fmt: skip


def add_versions_option(parser: Parser) -> None:
    """Add the option that allows several versions of the libraries in one folder."""
    parser.add_argument(
        "--mix-versions", action="store_true",
        help="add to runs that were made with other versions of tensorflow, keras or numpy; verdicts name the versions",
    )  # fmt: skip


def add_keep_option(parser: Parser) -> None:
    """Add the option that keeps trained networks."""
    parser.add_argument(
        "--keep-networks", action="store_true",
        help="keep the trained network of every run beside its record, for resnet-probe; forget-networks removes them",
    )  # fmt: skip
